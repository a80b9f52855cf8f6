import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UserpulseError } from '../errors.ts';
import type { ArchiveReader } from './reader.ts';

const LINE_FEED = 0x0a;
/** Unzipped bytes at a time; with what waits on both sides of gunzip the memory that one object takes. */
const CHUNK_BYTES = 256 * 1024;

/**
 * The lines of an object, some hundred at a time, without their line feeds: views that are valid until the next are asked for.
 * @throws UserpulseError `archive_damaged` naming the object, where it is no gzip, is cut off, or does not end with a line feed
 */
export async function* objectLines(
  reader: ArchiveReader,
  key: string,
  signal: AbortSignal,
): AsyncGenerator<readonly Uint8Array[], void, void> {
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
  // The callback sees to it that an error on either stream ends both; the loop below learns of it by its own error.
  const gunzip = pipeline(
    Readable.from(counted(), { objectMode: true, highWaterMark: 2 }),
    createGunzip({ chunkSize: CHUNK_BYTES }),
    () => undefined,
  );
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
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
    // What the reader threw is about reaching the object, not about what is in it.
    if (failure !== undefined) throw failure.error;
    if (compressed === 0) throw damaged(reader, key, 'it is empty');
    throw damaged(reader, key, error instanceof Error ? error.message : String(error), error);
  } finally {
    gunzip.destroy();
  }
  if (compressed === 0) throw damaged(reader, key, 'it is empty');
  if (rest.length > 0) throw damaged(reader, key, 'its last line does not end');
}

function damaged(reader: ArchiveReader, key: string, why: string, cause?: unknown): UserpulseError {
  return new UserpulseError('archive_damaged', `${key} in ${reader.url} is damaged: ${why}.`, {
    hint: `Put it back from a copy (an earlier version in S3, a backup) and run the same command again. To go on without what it holds, add --without ${key}`,
    cause,
  });
}
