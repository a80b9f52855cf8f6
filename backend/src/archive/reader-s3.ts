import { GetObjectCommand, ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { Readable } from 'node:stream';
import { archiveFailure, type ArchiveTarget } from './check.ts';
import { UserpulseError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import { fullJitter, SINK_BACKOFF } from '../retry.ts';
import type { ArchiveReader, StoredObject } from './reader.ts';

/** Attempts in a row without a byte in between after which reading is given up. */
const MAX_ATTEMPTS = 6;

/** The archive in S3. */
export class S3ArchiveReader implements ArchiveReader {
  readonly url: string;
  readonly #target: Extract<ArchiveTarget, { kind: 's3' }>;
  readonly #clock: Clock;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor(target: Extract<ArchiveTarget, { kind: 's3' }>, clock: Clock) {
    this.url = target.url.href;
    this.#target = target;
    this.#clock = clock;
    this.#bucket = target.url.hostname;
    const path = decodeURIComponent(target.url.pathname).replace(/^\/+|\/+$/g, '');
    this.#prefix = path === '' ? '' : `${path}/`;
  }

  async *list(from: string, to: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    let token: string | undefined;
    do {
      const page: ListObjectsV2CommandOutput = await this.#repeated(signal, () =>
        this.#target.s3.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix,
            // S3 begins behind this key, which no object of ours has: `from` ends in a slash.
            ...(token === undefined ? { StartAfter: this.#prefix + from } : { ContinuationToken: token }),
          }),
          { abortSignal: signal },
        ),
      );
      for (const { Key, Size } of page.Contents ?? []) {
        const key = Key?.slice(this.#prefix.length) ?? '';
        if (key >= to) return;
        if (key >= from) yield { key, bytes: Size ?? 0 };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  async *read(key: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let at = 0;
    let length = Infinity;
    for (let failures = 0; at < length;) {
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
          failures = 0;
          yield chunk;
        }
        if (at < length) throw new Error(`The connection ended after ${at} of ${length} bytes.`);
      } catch (error) {
        failures = await this.#mayRepeat(error, failures, signal, key);
      }
    }
  }

  async #repeated<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    for (let failures = 0; ;) {
      try {
        return await call();
      } catch (error) {
        failures = await this.#mayRepeat(error, failures, signal);
      }
    }
  }

  /** Waits before another attempt. @throws where none would help, or there were enough */
  async #mayRepeat(error: unknown, failures: number, signal: AbortSignal, key?: string): Promise<number> {
    if (signal.aborted) throw signal.reason;
    if (error instanceof Error && error.name === 'NoSuchKey') {
      throw new UserpulseError('archive_not_found', `${this.#url(key)} (USERPULSE_ARCHIVE) is gone.`, {
        hint: 'Something has deleted it since it was listed. Put it back and try again.',
        cause: error,
      });
    }
    const result = archiveFailure(this.#target, error);
    const code = result.state === 'error' ? (result.code ?? 'archive_unreachable') : 'archive_unreachable';
    if (code === 'archive_unreachable' && failures + 1 < MAX_ATTEMPTS) {
      await this.#clock.sleep(fullJitter(SINK_BACKOFF, failures, Math.random()), signal);
      return failures + 1;
    }
    throw new UserpulseError(code, key === undefined ? result.message : `${this.#url(key)}: ${result.message}`, {
      ...(result.state === 'error' ? { hint: result.hint } : {}),
      cause: error,
    });
  }

  #url(key: string | undefined): string {
    return `s3://${this.#bucket}/${this.#prefix}${key ?? ''}`;
  }
}
