import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

/**
 * SHA-256 (hex) of what a gzip stream holds. Two objects are the same when this is: the same lines compressed by another version of zlib
 * differ in their bytes only.
 * @returns undefined where it is not gzip
 */
export async function contentSha256(
  compressed: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(Readable.from(compressed), createGunzip(), async (lines: AsyncIterable<Buffer>) => {
      for await (const chunk of lines) hash.update(chunk);
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_')) {
      return undefined;
    }
    throw error;
  }
  return hash.digest('hex');
}
