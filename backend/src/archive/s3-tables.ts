import { DeleteObjectCommand, GetObjectCommand } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { httpStatus } from '../aws/failure.ts';
import { errorOf } from '../check.ts';
import type { Clock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import { retrying, type Verdict } from '../retry.ts';
import { archiveFailure, type S3ArchiveTarget } from './archive-check.ts';
import { replaced, type StoredObject } from './archive-reader.ts';
import { isTaken, s3Location } from './s3.ts';
import { SHA_METADATA } from './s3-writer.ts';
import type { ObjectKind, TableStore } from './table-store.ts';

const MAX_ATTEMPTS = 6;
const LEAST_PART_BYTES = 8 * 1024 * 1024;
/** S3 takes 10,000 parts of an upload. */
const MAX_PARTS = 9_000;
/** Deletions under way at a time. */
const DELETIONS = 8;

/** Tables in S3. A table is replaced only where it is still the one that was read (If-Match), so two runs cannot undo each other. */
export class S3Tables implements TableStore {
  readonly url: string;
  readonly workFolder: string;
  readonly #target: S3ArchiveTarget;
  readonly #clock: Clock;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor(target: S3ArchiveTarget, workFolder: string, clock: Clock) {
    this.url = target.url.href;
    this.workFolder = workFolder;
    this.#target = target;
    this.#clock = clock;
    ({ bucket: this.#bucket, prefix: this.#prefix } = s3Location(target.url));
  }

  async put(
    key: string,
    path: string,
    before: StoredObject | undefined,
    kind: ObjectKind,
    signal: AbortSignal,
  ): Promise<void> {
    const { size } = await stat(path);
    const wanted = await sha256(createReadStream(path));
    await this.#retrying(key, signal, async () => {
      try {
        await this.#upload(key, path, size, before, kind, signal);
      } catch (error) {
        // 409: a write at the same time. Either may be our own, whose answer was lost.
        if (!isTaken(error) && httpStatus(error) !== 409) throw error;
        if ((await this.#stored(key, signal)) === wanted) return;
        if (!isTaken(error)) throw error;
        throw replaced(this.#address(key));
      }
    });
    const stored = await this.#retrying(key, signal, () => this.#stored(key, signal));
    if (stored === wanted) return;
    throw new UserpulseError('archive_damaged', `${this.#address(key)} does not read as it was written.`, {
      hint: 'Nothing was removed. Check what stands between this machine and the S3 server, and run the same command again.',
    });
  }

  async remove(keys: readonly string[], signal: AbortSignal): Promise<void> {
    for (let at = 0; at < keys.length; at += DELETIONS) {
      await Promise.all(
        keys.slice(at, at + DELETIONS).map((key) =>
          this.#retrying(key, signal, () =>
            this.#target.s3.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key }), {
              abortSignal: signal,
            }),
          ),
        ),
      );
    }
  }

  async #upload(
    key: string,
    path: string,
    size: number,
    before: StoredObject | undefined,
    { contentType, contentSha256 }: ObjectKind,
    signal: AbortSignal,
  ): Promise<void> {
    const upload = new Upload({
      client: this.#target.s3,
      params: {
        Bucket: this.#bucket,
        Key: this.#prefix + key,
        Body: createReadStream(path),
        ContentType: contentType,
        ...(contentSha256 === undefined ? {} : { Metadata: { [SHA_METADATA]: contentSha256 } }),
        ...(before === undefined ? { IfNoneMatch: '*' } : { IfMatch: before.version }),
      },
      partSize: Math.max(LEAST_PART_BYTES, Math.ceil(size / MAX_PARTS)),
      queueSize: 2,
      leavePartsOnError: false,
    });
    const abort = (): void => void upload.abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await upload.done();
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** SHA-256 of what a key holds. */
  async #stored(key: string, signal: AbortSignal): Promise<string> {
    const { Body } = await this.#target.s3.send(
      new GetObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key }),
      { abortSignal: signal },
    );
    if (!(Body instanceof Readable)) throw new Error('S3 answered without a body.');
    return sha256(Body);
  }

  #retrying<T>(key: string, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    return retrying(run, {
      clock: this.#clock,
      signal,
      classify: (error, failures): Verdict => {
        if (error instanceof UserpulseError) return { kind: 'give_up' };
        const failure = archiveFailure(this.#target, error);
        const { code, message } = failure;
        if (code === 'archive_unreachable' && failures + 1 < MAX_ATTEMPTS)
          return { kind: 'retry', reason: code, message };
        return {
          kind: 'give_up',
          error: errorOf({ ...failure, message: `${this.#address(key)}: ${message}` }, error),
        };
      },
    });
  }

  #address(key: string): string {
    return `s3://${this.#bucket}/${this.#prefix}${key}`;
  }
}

async function sha256(bytes: Readable): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(bytes, hash);
  return hash.digest('hex');
}
