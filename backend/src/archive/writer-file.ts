import { createReadStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { UserpulseError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import type { Archive, ArchiveObject } from './archive.ts';
import { contentSha256 } from './content.ts';
import { createFile, makeFolder } from '../files/durable-file.ts';
import { OutageLog, retrying, type Verdict } from '../retry.ts';

export interface FileArchiveOptions {
  /** `file:///DIR` */
  readonly url: URL;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onRetry: (reason: string) => void;
}

/** The archive as files below a folder: the embedded default, same keys and bytes as in S3. */
export class FileArchive implements Archive {
  readonly url: string;
  readonly #options: FileArchiveOptions;
  readonly #folder: string;
  readonly #outage: OutageLog;

  constructor(options: FileArchiveOptions) {
    this.url = options.url.href;
    this.#options = options;
    this.#folder = fileURLToPath(options.url);
    this.#outage = new OutageLog('archive', options.logger, options.clock);
  }

  async put(object: ArchiveObject, signal: AbortSignal): Promise<void> {
    await retrying(() => this.#put(object), {
      clock: this.#options.clock,
      signal,
      classify,
      onRetry: (verdict) => {
        this.#outage.failed(
          verdict.reason,
          `The archive folder ${this.#folder} (USERPULSE_ARCHIVE) cannot be written: ${verdict.message}. Trying again; nothing is lost meanwhile.`,
        );
        this.#options.onRetry(verdict.reason);
      },
    });
    this.#outage.succeeded();
  }

  close(): void {
    // Holds nothing open between writes.
  }

  async #put(object: ArchiveObject): Promise<void> {
    const path = join(this.#folder, object.key);
    await makeFolder(dirname(path));
    if (await createFile(path, object.chunks)) return;
    if ((await contentSha256(createReadStream(path))) === object.contentSha256) return;
    throw new UserpulseError('archive_conflict', `The archive file ${path} exists and holds other content.`, {
      hint: 'Do two ingests with different checkpoints write to one archive, or was the checkpoint put back by hand? Move the file away, or give this ingest an archive of its own (USERPULSE_ARCHIVE).',
    });
  }
}

function classify(error: unknown): Verdict {
  if (error instanceof UserpulseError) return { kind: 'give_up' };
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
  return { kind: 'retry', reason: code.toLowerCase(), message: error instanceof Error ? error.message : String(error) };
}
