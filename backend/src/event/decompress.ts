import { gunzipSync, zstdDecompressSync } from 'node:zlib';

/** Formats in which producers compress records, as USERPULSE_DECOMPRESS names them. */
export const COMPRESSIONS = ['gzip', 'zstd'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/**
 * Most bytes that one record may have when decompressed: as many as the largest record of Kinesis, so that each event in it could also be a
 * record of its own (a dead letter that is put back on the stream is). A record that would give more is not decompressed to its end.
 */
export const MAX_DECOMPRESSED_BYTES = 10 * 1024 * 1024;

interface Result {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}
type Decompress = (data: Uint8Array, options: { readonly maxOutputLength: number; readonly info: true }) => Result;

// With `info`, which Node's types do not know.
const DECOMPRESS: Readonly<Record<Compression, Decompress>> = {
  gzip: gunzipSync as unknown as Decompress,
  zstd: zstdDecompressSync as unknown as Decompress,
};

/** Members of gzip and frames of zstd may follow one another. So many are more than any producer has reason to send, and few enough to read. */
const MAX_FRAMES = 1_000;

/** @returns the bytes, or what is wrong as the end of a sentence that begins with the record */
export function decompress(data: Uint8Array, compression: Compression): Buffer | string {
  const run = DECOMPRESS[compression];
  const parts: Buffer[] = [];
  let room = MAX_DECOMPRESSED_BYTES;
  try {
    for (let rest = data; rest.length > 0;) {
      // Node passes over what follows the compressed data, and of zstd reads one frame only.
      if (compressionOf(rest) !== compression) return `has ${rest.length} bytes behind its ${compression} data`;
      if (parts.length === MAX_FRAMES) return `has more than ${MAX_FRAMES} frames of ${compression} data`;
      const { buffer, engine } = run(rest, { maxOutputLength: Math.max(1, room), info: true });
      if (engine.bytesWritten === 0) return damaged(compression);
      parts.push(buffer);
      room -= buffer.length;
      if (room < 0) return tooLarge(compression);
      rest = rest.subarray(engine.bytesWritten);
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ERR_BUFFER_TOO_LARGE') return tooLarge(compression);
    return code === 'Z_BUF_ERROR' ? `ends before its ${compression} data does` : damaged(compression);
  }
}

const tooLarge = (compression: Compression): string =>
  `has more than ${MAX_DECOMPRESSED_BYTES} bytes when decompressed (${compression})`;
const damaged = (compression: Compression): string =>
  `begins as ${compression} data, but cannot be decompressed: it was cut or altered on the way`;

/** gzip (RFC 1952 §2.3.1) or Zstandard (RFC 8878 §3.1.1), by its magic number. No UTF-8 text begins so. */
export function compressionOf(data: Uint8Array): Compression | undefined {
  if (data[0] === 0x1f && data[1] === 0x8b) return 'gzip';
  if (data[0] === 0x28 && data[1] === 0xb5 && data[2] === 0x2f && data[3] === 0xfd) return 'zstd';
  return undefined;
}
