import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { clause } from '../format.ts';
import { UserpulseError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import { CONFLICT_CAUSE, type ArchiveObject, type ArchiveWriter } from './archive-writer.ts';
import { contentSha256 } from './codec.ts';
import { CODECS, type CodecName } from './codecs.ts';
import { createFile, isCode, makeFolder } from '../files/durable-file.ts';
import { OutageLog, retrying, type Verdict } from '../retry.ts';

export interface FileArchiveWriterOptions {
  /** `file:///DIR` */
  readonly url: URL;
  readonly codec: CodecName;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onRetry: (reason: string) => void;
}

/** The archive as files below a folder, with the same keys and bytes as in S3. */
export class FileArchiveWriter implements ArchiveWriter {
  readonly url: string;
  readonly codec: CodecName;
  readonly #options: FileArchiveWriterOptions;
  readonly #folder: string;
  readonly #outage: OutageLog;

  constructor(options: FileArchiveWriterOptions) {
    this.url = options.url.href;
    this.codec = options.codec;
    this.#options = options;
    this.#folder = fileURLToPath(options.url);
    this.#outage = new OutageLog('archive', options.logger, options.clock);
  }

  put(object: ArchiveObject, signal: AbortSignal): Promise<void> {
    return this.#untilDone('written', object.key, () => this.#put(object), signal);
  }

  keysBelow(prefix: string, signal: AbortSignal): Promise<readonly string[]> {
    return this.#untilDone('read', prefix, () => this.#list(prefix), signal);
  }

  /** @param part what fails and works again, apart from all else; see {@link OutageLog} */
  async #untilDone<T>(verb: 'written' | 'read', part: string, run: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const done = await retrying(run, {
      clock: this.#options.clock,
      signal,
      classify,
      onRetry: (verdict) => {
        this.#outage.failed(
          verdict.reason,
          `The archive folder ${this.#folder} (USERPULSE_ARCHIVE) cannot be ${verb}: ${clause(verdict.message)}.`,
          part,
        );
        this.#options.onRetry(verdict.reason);
      },
    });
    this.#outage.succeeded(part);
    return done;
  }

  async #list(prefix: string): Promise<readonly string[]> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    try {
      const names = await readdir(join(this.#folder, folder));
      return names.map((name) => folder + name).filter((key) => key.startsWith(prefix));
    } catch (error) {
      if (isCode(error, 'ENOENT')) return [];
      throw error;
    }
  }

  get troubleSinceMs(): number | undefined {
    return this.#outage.sinceMs;
  }

  close(): void {
    // Holds nothing open between writes.
  }

  async #put(object: ArchiveObject): Promise<void> {
    const path = join(this.#folder, object.key);
    await makeFolder(dirname(path));
    if (await createFile(path, object.chunks)) return;
    if ((await contentSha256(CODECS[object.codec], createReadStream(path))) === object.contentSha256) return;
    throw new UserpulseError('archive_conflict', `The archive file ${path} exists with different content.`, {
      hint: `${CONFLICT_CAUSE} Move the file away, or set USERPULSE_ARCHIVE to a separate archive.`,
    });
  }
}

function classify(error: unknown): Verdict {
  if (error instanceof UserpulseError) return { kind: 'give_up' };
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
  return { kind: 'retry', reason: code.toLowerCase(), message: error instanceof Error ? error.message : String(error) };
}
