import { pipeline, Readable } from 'node:stream';
import { UserpulseError } from '../errors.ts';
import type { ArchiveReader } from './archive-reader.ts';
import { codecOfKey } from './codecs.ts';

const LINE_FEED = 0x0a;
/** Decompressed bytes at a time: with what waits before and after the decoder, the memory that one object takes. */
const CHUNK_BYTES = 256 * 1024;

/**
 * The lines of an object, a few hundred at a time, without their line feeds. They are views, valid until the next are requested.
 * @throws UserpulseError `archive_damaged` naming the object, where its codec cannot read it, or it does not end with a line feed
 */
export async function* objectLines(
  reader: ArchiveReader,
  key: string,
  signal: AbortSignal,
): AsyncGenerator<readonly Uint8Array[], void, void> {
  const codec = codecOfKey(key);
  if (codec === undefined) throw damaged(reader, key, 'its name has no known extension');
  let compressed = 0;
  let failure: { readonly error: unknown } | undefined;
  async function* counted(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of reader.read(key, signal)) {
        compressed += chunk.length;
        yield chunk;
      }
    } catch (error) {
      failure = { error };
      throw error;
    }
  }
  // The callback makes an error on either stream end both; the loop below throws it.
  const decoded = pipeline(
    Readable.from(counted(), { objectMode: true, highWaterMark: 2 }),
    codec.decoder(CHUNK_BYTES),
    () => undefined,
  );
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of decoded as AsyncIterable<Buffer>) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const lines: Uint8Array[] = [];
      let start = 0;
      for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
        lines.push(bytes.subarray(start, end));
        start = end + 1;
      }
      rest = bytes.subarray(start);
      if (lines.length > 0) yield lines;
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    // What the reader threw is about reaching the object, not about its content.
    if (failure !== undefined) throw failure.error;
    if (compressed === 0) throw damaged(reader, key, 'it is empty');
    throw damaged(reader, key, error instanceof Error ? error.message : String(error), error);
  } finally {
    decoded.destroy();
  }
  if (compressed === 0) throw damaged(reader, key, 'it is empty');
  if (rest.length > 0) throw damaged(reader, key, 'its last line has no line feed');
}

function damaged(reader: ArchiveReader, key: string, why: string, cause?: unknown): UserpulseError {
  return new UserpulseError('archive_damaged', `${key} in ${reader.url} is damaged: ${why}.`, {
    hint: `Restore it from a backup or an earlier version in S3, then run the same command again. To skip it, add --without ${key}`,
    cause,
  });
}
