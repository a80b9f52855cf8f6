import {
  GetObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  type ListObjectsV2CommandOutput,
} from '@aws-sdk/client-s3';
import { Readable } from 'node:stream';
import { archiveFailure, type S3ArchiveTarget } from './archive-check.ts';
import { errorOf } from '../check.ts';
import { UserpulseError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import { Retries, retrying, type RetryOptions, type Verdict } from '../retry.ts';
import { replaced, type ArchiveReader, type StoredObject } from './archive-reader.ts';
import { isTaken, s3Location } from './s3.ts';

/** Attempts in a row without a byte in between after which reading is given up. */
const MAX_ATTEMPTS = 6;

/** The archive in S3. */
export class S3ArchiveReader implements ArchiveReader {
  readonly url: string;
  readonly #target: S3ArchiveTarget;
  readonly #clock: Clock;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor(target: S3ArchiveTarget, clock: Clock) {
    this.url = target.url.href;
    this.#target = target;
    this.#clock = clock;
    ({ bucket: this.#bucket, prefix: this.#prefix } = s3Location(target.url));
  }

  async *list(from: string, to: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    let token: string | undefined;
    do {
      const page = await this.#listPage(
        // S3 starts after this key, which no object of ours has: `from` ends in a slash.
        token === undefined ? { StartAfter: this.#prefix + from } : { ContinuationToken: token },
        signal,
      );
      for (const { Key, Size, ETag } of page.Contents ?? []) {
        const key = Key?.slice(this.#prefix.length) ?? '';
        if (key >= to) return;
        if (key >= from) yield { key, bytes: Size ?? 0, version: ETag ?? '' };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  async *read(key: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const retries = new Retries(this.#retryOptions(signal, key));
    let at = 0;
    let length = Infinity;
    while (at < length) {
      try {
        const { Body, ContentLength } = await this.#target.s3.send(
          new GetObjectCommand({
            Bucket: this.#bucket,
            Key: this.#prefix + key,
            ...(at === 0 ? {} : { Range: `bytes=${at}-` }),
          }),
          { abortSignal: signal },
        );
        if (!(Body instanceof Readable)) throw new Error('S3 answered without a body.');
        length = at + (ContentLength ?? 0);
        for await (const chunk of Body as AsyncIterable<Uint8Array>) {
          at += chunk.length;
          retries.succeeded();
          yield chunk;
        }
        if (at < length) throw new Error(`The connection ended after ${at} of ${length} bytes.`);
      } catch (error) {
        await retries.failed(error);
      }
    }
  }

  slice(object: StoredObject, from: number, to: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const { key, version } = object;
    return retrying(
      async () => {
        const { Body } = await this.#target.s3.send(
          new GetObjectCommand({
            Bucket: this.#bucket,
            Key: this.#prefix + key,
            Range: `bytes=${from}-${to - 1}`,
            IfMatch: version,
          }),
          { abortSignal: signal },
        );
        const bytes = new Uint8Array((await Body?.transformToByteArray()) ?? []);
        if (bytes.length !== to - from) throw new Error(`S3 answered ${bytes.length} of ${to - from} bytes.`);
        return bytes;
      },
      this.#retryOptions(signal, key),
    );
  }

  #listPage(
    where: Pick<ListObjectsV2CommandInput, 'StartAfter' | 'ContinuationToken'>,
    signal: AbortSignal,
  ): Promise<ListObjectsV2CommandOutput> {
    const command = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: this.#prefix, ...where });
    return retrying(() => this.#target.s3.send(command, { abortSignal: signal }), this.#retryOptions(signal));
  }

  #retryOptions(signal: AbortSignal, key?: string): RetryOptions {
    return { clock: this.#clock, signal, classify: (error, failures) => this.#classify(error, failures, key) };
  }

  #classify(error: unknown, failures: number, key: string | undefined): Verdict {
    // 412: only slices name the version that they want.
    if (isTaken(error)) return { kind: 'give_up', error: replaced(this.#url(key)) };
    if (error instanceof Error && error.name === 'NoSuchKey') {
      return {
        kind: 'give_up',
        error: new UserpulseError('archive_not_found', `${this.#url(key)} (USERPULSE_ARCHIVE) no longer exists.`, {
          hint: 'It was deleted after it had been listed. Restore it and try again.',
          cause: error,
        }),
      };
    }
    const failure = archiveFailure(this.#target, error);
    const { code, message } = failure;
    if (code === 'archive_unreachable' && failures + 1 < MAX_ATTEMPTS) return { kind: 'retry', reason: code, message };
    const where = key === undefined ? '' : `${this.#url(key)}: `;
    return { kind: 'give_up', error: errorOf({ ...failure, message: `${where}${message}` }, error) };
  }

  #url(key: string | undefined): string {
    return `s3://${this.#bucket}/${this.#prefix}${key ?? ''}`;
  }
}
