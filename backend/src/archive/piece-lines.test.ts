import { createHash, randomBytes } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { constants, gunzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentSha256, type ArchiveCodec } from './codec.ts';
import { CODEC_NAMES, CODECS } from './codecs.ts';
import { PIECE_BYTES } from './piece-lines.ts';
import { ZstdFrames } from './zstd-frames.ts';

async function write(codec: ArchiveCodec, lines: readonly Uint8Array[]) {
  let held = 0;
  const encoder = codec.encoder((change) => (held += change));
  for (const line of lines) encoder.append(line);
  const finished = await encoder.finish();
  return { encoder, held: () => held, finished, content: Buffer.concat(finished.chunks) };
}

/** What our own decoder makes of it, given in pieces. */
async function read(codec: ArchiveCodec, content: Buffer, pieceBytes: number, chunkBytes?: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let at = 0; at < content.length; at += pieceBytes) pieces.push(content.subarray(at, at + pieceBytes));
  const chunks: Buffer[] = [];
  const decoded = pipeline(Readable.from(pieces), codec.decoder(chunkBytes), () => undefined);
  for await (const chunk of decoded as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The readers that come with Node, frame by frame where they end with the first one. */
const READERS: Readonly<Record<keyof typeof CODECS, (content: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  zstd: (content) => Buffer.concat(framesOf(content).map((frame) => zstdDecompressSync(frame))),
};

function framesOf(content: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < content.length;) {
    const end = new ZstdFrames().take(content, at);
    frames.push(content.subarray(at, end));
    at = end;
  }
  return frames;
}

const linesOf = (bytes: Buffer): Buffer[] =>
  bytes
    .toString('base64')
    .match(/.{1,1000}/g)!
    .map((line) => Buffer.from(line));

describe.each(CODEC_NAMES)('lines in %s', (name) => {
  const codec = CODECS[name];

  it('are read by anyone, with every line ended', async () => {
    const line = fc.uint8Array({ maxLength: 50 });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1 }), fc.integer({ min: 1, max: 90 }), async (lines, pieceBytes) => {
        const { content, finished } = await write(codec, lines);
        const expected = Buffer.concat(lines.flatMap((each) => [each, Buffer.from('\n')]));
        expect(READERS[name](content).equals(expected)).toBe(true);
        expect((await read(codec, content, pieceBytes)).equals(expected)).toBe(true);
        expect(finished.contentSha256).toBe(createHash('sha256').update(expected).digest('hex'));
        expect(await contentSha256(codec, [content])).toBe(finished.contentSha256);
        expect(finished).toMatchObject({ bytes: content.length, rawBytes: expected.length, lines: lines.length });
      }),
      { numRuns: 30 },
    );
  });

  it('are cut at 256 KiB wherever that falls, so their bytes depend on the lines alone', async () => {
    const lines = linesOf(randomBytes(3 * PIECE_BYTES));
    lines.push(Buffer.from('x'.repeat(2 * PIECE_BYTES + 1)));
    const [first, second] = await Promise.all([write(codec, lines), write(codec, lines)]);
    expect(first.content.equals(second.content)).toBe(true);
    const expected = lines.map((line) => `${line.toString()}\n`).join('');
    expect(READERS[name](first.content).toString()).toBe(expected);
    // One chunk may hold the end of a piece and the beginning of the next ones.
    for (const pieceBytes of [first.content.length, 100_000, 65_536]) {
      expect((await read(codec, first.content, pieceBytes, 40_000)).toString()).toBe(expected);
    }
  });

  it('are damaged where they are cut off, changed, or go on with something else', async () => {
    const { content } = await write(codec, linesOf(randomBytes(2 * PIECE_BYTES)));
    const changed = Buffer.from(content);
    changed[content.length >> 1] = (changed[content.length >> 1] ?? 0) ^ 0x55;
    const cuts = [1, 3, 5, 20, content.length >> 1, content.length - 5, content.length - 1];
    const damaged = [...cuts.map((length) => content.subarray(0, length)), changed, Buffer.from('{"a":1}\n')];
    for (const each of damaged) {
      const error = await read(codec, each, 4_096).catch((caught: unknown) => caught);
      expect(codec.isDamage(error)).toBe(true);
      expect(await contentSha256(codec, [each])).toBeUndefined();
    }
    expect(codec.isDamage(new Error('The network is down.'))).toBe(false);
  });

  it('say at any time what they hold: compressed bytes and less than one piece besides', async () => {
    const line = Buffer.from('{"eventId":"one that compresses well"}'.repeat(20));
    const { encoder, held, finished } = await write(
      codec,
      Array.from({ length: 5_000 }, () => line),
    );
    expect(held()).toBe(encoder.held);
    expect(encoder.held).toBeLessThanOrEqual(finished.bytes);
    expect(encoder.held).toBeLessThan(finished.rawBytes / 20);
  });
});

describe('ZstdFrames', () => {
  it('finds the ends of frames of any kind, however their bytes come', () => {
    const raw = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 400_000 }).map((length) => Buffer.alloc(length, 'a')),
      fc.integer({ min: 1, max: 300_000 }).map((length) => randomBytes(length)),
    );
    const frame = fc.oneof(
      fc.tuple(raw, fc.constantFrom(0, 1), fc.constantFrom(0, 1)).map(([bytes, checksum, contentSize]) =>
        zstdCompressSync(bytes, {
          params: { [constants.ZSTD_c_checksumFlag]: checksum, [constants.ZSTD_c_contentSizeFlag]: contentSize },
          ...(contentSize === 1 ? { pledgedSrcSize: bytes.length } : {}),
        }),
      ),
      fc.uint8Array({ maxLength: 30 }).map((content) => {
        const head = Buffer.alloc(8);
        head.writeUInt32LE(0x184d2a5a, 0);
        head.writeUInt32LE(content.length, 4);
        return Buffer.concat([head, content]);
      }),
    );
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 50_000 }),
        (frames, step) => {
          const all = Buffer.concat(frames);
          const ends: number[] = [];
          const finder = new ZstdFrames();
          for (let from = 0; from < all.length; from += step) {
            const piece = all.subarray(from, from + step);
            for (let at = 0; at < piece.length;) {
              at = finder.take(piece, at);
              if (finder.between) ends.push(from + at);
            }
          }
          let sum = 0;
          expect(ends).toEqual(frames.map(({ length }) => (sum += length)));
        },
      ),
      { numRuns: 60 },
    );
  });
});
