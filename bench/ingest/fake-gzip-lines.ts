import { createHash } from 'node:crypto';
import { createGunzip } from 'node:zlib';
import type { ArchiveCodec, EncodedLines, LineEncoder } from '../../backend/src/archive/codec.ts';

const NOTHING = createHash('sha256').digest('hex');

/** A fake for a comparison: an archive that keeps nothing and compresses nothing. See same-work.ts. */
class GzipLines implements LineEncoder {
  #rawBytes = 0;
  #lines = 0;
  readonly held = 0;

  get rawBytes(): number {
    return this.#rawBytes;
  }

  append(line: Uint8Array): void {
    this.#rawBytes += line.length + 1;
    this.#lines++;
  }

  finish(): Promise<EncodedLines> {
    return Promise.resolve({
      chunks: [],
      bytes: 0,
      contentSha256: NOTHING,
      rawBytes: this.#rawBytes,
      lines: this.#lines,
    });
  }
}

export const gzip: ArchiveCodec = {
  extension: '.ndjson.gz',
  contentType: 'application/gzip',
  encoder: () => new GzipLines(),
  decoder: () => createGunzip(),
  isDamage: () => false,
};
