import { createHash } from 'node:crypto';
import type { FinishedLines } from '../../backend/src/archive/gzip-lines.ts';

const NOTHING = createHash('sha256').digest('hex');

/** A fake for a comparison: an archive that keeps nothing and compresses nothing. See same-work.ts. */
export class GzipLines {
  #rawBytes = 0;
  #lines = 0;
  readonly held = 0;

  append(line: Uint8Array): void {
    this.#rawBytes += line.length + 1;
    this.#lines++;
  }

  finish(): Promise<FinishedLines> {
    return Promise.resolve({
      chunks: [],
      bytes: 0,
      contentSha256: NOTHING,
      rawBytes: this.#rawBytes,
      lines: this.#lines,
    });
  }
}
