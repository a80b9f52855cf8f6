import { Duplex, pipeline, Readable } from 'node:stream';
import { constants, createZstdCompress, createZstdDecompress, type ZstdOptions } from 'node:zlib';
import type { ArchiveCodec } from './codec.ts';
import { OUTPUT_BYTES, PieceLines, type PieceCompressor } from './piece-lines.ts';
import { ZstdFrames } from './zstd-frames.ts';

/** A quarter of gzip's CPU for objects that are an eighth smaller: docs/adr/0022-ingest-cost.md. */
const OPTIONS: ZstdOptions = {
  params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
  chunkSize: OUTPUT_BYTES,
};

const NOTHING = new Uint8Array();

/** A frame for each piece: zstd's format is any number of frames, as pzstd writes them. */
const framePieces: PieceCompressor = {
  header: NOTHING,
  // As a stream and not by zstdCompress, which joins what comes in two parts: a copy that only a full collection frees.
  compress: async (raw) => {
    const parts: Uint8Array[] = [];
    const frame = createZstdCompress({ ...OPTIONS, pledgedSrcSize: raw.length }).end(raw);
    for await (const part of frame as AsyncIterable<Buffer>) parts.push(part);
    return parts;
  },
  trailer: () => NOTHING,
};

export const zstd: ArchiveCodec = {
  extension: '.ndjson.zst',
  contentType: 'application/zstd',
  encoder: (onHeld) => new PieceLines(framePieces, onHeld),
  decoder: (chunkSize) =>
    Duplex.from((compressed: AsyncIterable<Uint8Array>) =>
      decompressed(compressed, chunkSize === undefined ? {} : { chunkSize }),
    ),
  isDamage: (error) =>
    error instanceof Error && 'code' in error && typeof error.code === 'string' && /^(Z|ZSTD)_/.test(error.code),
};

/** Each frame has a decompressor of its own, which reports a frame that is cut off. */
async function* decompressed(compressed: AsyncIterable<Uint8Array>, options: ZstdOptions): AsyncGenerator<Buffer> {
  const input = compressed[Symbol.asyncIterator]();
  let bytes: Uint8Array = NOTHING;
  let at = 0;
  /** @returns false where there is no more */
  const fill = async (): Promise<boolean> => {
    while (at === bytes.length) {
      const next = await input.next();
      if (next.done === true) return false;
      bytes = next.value;
      at = 0;
    }
    return true;
  };
  const frames = new ZstdFrames();
  async function* frame(): AsyncGenerator<Uint8Array> {
    do {
      const end = frames.take(bytes, at);
      const part = bytes.subarray(at, end);
      at = end;
      yield part;
    } while (!frames.between && (await fill()));
  }
  while (await fill()) {
    // The callback makes an error on either stream end both; the loop below throws it.
    const output = pipeline(
      Readable.from(frame(), { objectMode: true, highWaterMark: 1 }),
      createZstdDecompress(options),
      () => undefined,
    );
    for await (const chunk of output as AsyncIterable<Buffer>) yield chunk;
  }
}
