import { GetObjectCommand, paginateListObjectsV2, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Logger } from 'pino';
import { awsFailure, CREDENTIALS_HINT, httpStatus } from '../aws/failure.ts';
import { UserpulseError } from '../errors.ts';
import { sentences } from '../format.ts';
import type { Clock } from '../clock.ts';
import { CONFLICT_CAUSE, NEED_CONDITIONS, type ArchiveObject, type ArchiveWriter } from './archive-writer.ts';
import { contentSha256 } from './codec.ts';
import { CODECS, type CodecName } from './codecs.ts';
import { isTaken, s3Location } from './s3.ts';
import { OutageLog, retrying, type Verdict } from '../retry.ts';

/** Larger objects are uploaded in parts, so that a broken connection costs one part. S3's bounds for a part: 5 MiB to 5 GiB. */
const MULTIPART_BYTES = 16 * 1024 * 1024;
const PART_BYTES = 8 * 1024 * 1024;
/** Bodies whose memory is reused: as many as are written at a time, and none of a size that only a rare large object needs. */
const SPARE_BODIES = 4;
const SPARE_BODY_BYTES = 2 * 1024 * 1024;
/** User metadata (x-amz-meta-…): the SHA-256 of the lines, for whoever checks the archive. */
export const SHA_METADATA = 'content-sha256';

export interface S3ArchiveWriterOptions {
  readonly client: S3Client;
  /** `s3://BUCKET/PREFIX` */
  readonly url: URL;
  readonly codec: CodecName;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onRetry: (reason: string) => void;
}

/**
 * The archive in S3. Every write carries If-None-Match: *, so an object is never replaced; where one is there already, equal content is
 * success and other content is an error. An acknowledged write is believed only where the ETag is the MD5 of what was sent; otherwise the object
 * is read back.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export class S3ArchiveWriter implements ArchiveWriter {
  readonly url: string;
  readonly codec: CodecName;
  readonly #options: S3ArchiveWriterOptions;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #outage: OutageLog;
  readonly #bodies: Buffer[] = [];

  constructor(options: S3ArchiveWriterOptions) {
    this.url = options.url.href;
    this.codec = options.codec;
    this.#options = options;
    ({ bucket: this.#bucket, prefix: this.#prefix } = s3Location(options.url));
    this.#outage = new OutageLog('archive', options.logger, options.clock);
  }

  put(object: ArchiveObject, signal: AbortSignal): Promise<void> {
    return this.#untilDone(object.key, () => this.#put(object, signal), signal);
  }

  keysBelow(prefix: string, signal: AbortSignal): Promise<readonly string[]> {
    return this.#untilDone(prefix, () => this.#list(prefix, signal), signal);
  }

  /** @param part what fails and works again, apart from all else; see {@link OutageLog} */
  async #untilDone<T>(part: string, run: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const done = await retrying(run, {
      clock: this.#options.clock,
      signal,
      classify: (error) => this.#classify(error),
      onRetry: (verdict) => {
        this.#outage.failed(verdict.reason, verdict.message, part);
        this.#options.onRetry(verdict.reason);
      },
    });
    this.#outage.succeeded(part);
    return done;
  }

  async #list(prefix: string, signal: AbortSignal): Promise<readonly string[]> {
    const keys: string[] = [];
    const pages = paginateListObjectsV2(
      { client: this.#options.client },
      { Bucket: this.#bucket, Prefix: this.#prefix + prefix },
      { abortSignal: signal },
    );
    for await (const { Contents = [] } of pages) {
      for (const { Key } of Contents) if (Key !== undefined) keys.push(Key.slice(this.#prefix.length));
    }
    return keys;
  }

  get troubleSinceMs(): number | undefined {
    return this.#outage.sinceMs;
  }

  close(): void {
    // The client belongs to whoever created it.
  }

  async #put(object: ArchiveObject, signal: AbortSignal): Promise<void> {
    const Key = this.#prefix + object.key;
    const params = {
      Bucket: this.#bucket,
      Key,
      ContentType: CODECS[object.codec].contentType,
      Metadata: { [SHA_METADATA]: object.contentSha256 },
      IfNoneMatch: '*',
    };
    try {
      if (object.bytes <= MULTIPART_BYTES) {
        const memory = this.#takeBody(object.bytes);
        const Body = memory.subarray(0, object.bytes);
        let at = 0;
        for (const chunk of object.chunks) {
          Body.set(chunk, at);
          at += chunk.length;
        }
        // S3 compares the body with Content-MD5 before it stores it.
        const md5 = createHash('md5').update(Body).digest();
        const answer = await this.#options.client.send(
          new PutObjectCommand({ ...params, Body, ContentMD5: md5.toString('base64') }),
          { abortSignal: signal },
        );
        if (plainETag(answer.ETag) !== md5.toString('hex')) await this.#verifyStored(Key, object, signal);
        // Not after a failure: the connection may still be reading it.
        if (memory.length <= SPARE_BODY_BYTES && this.#bodies.length < SPARE_BODIES) this.#bodies.push(memory);
      } else {
        const upload = new Upload({
          client: this.#options.client,
          params: { ...params, Body: Readable.from(object.chunks) },
          partSize: PART_BYTES,
          queueSize: 2,
          // A failed upload is aborted: parts left behind cost money and are not listed.
          leavePartsOnError: false,
        });
        const abort = (): void => void upload.abort();
        signal.addEventListener('abort', abort, { once: true });
        try {
          await upload.done();
        } finally {
          signal.removeEventListener('abort', abort);
        }
        await this.#verifyStored(Key, object, signal);
      }
    } catch (error) {
      if (!isTaken(error)) throw error;
      await this.#verifyStored(Key, object, signal);
    }
  }

  /**
   * Reads an object back. Metadata alone would not do: they say what was sent, not what is stored.
   * @throws UserpulseError `archive_conflict` where the lines are not those of the object; NotStored where nothing is there
   */
  async #verifyStored(Key: string, object: ArchiveObject, signal: AbortSignal): Promise<void> {
    let stored: string | undefined;
    try {
      // Undefined too where the codec cannot read it: then it is not what was sent.
      const { Body } = await this.#options.client.send(new GetObjectCommand({ Bucket: this.#bucket, Key }), {
        abortSignal: signal,
      });
      stored = Body instanceof Readable ? await contentSha256(CODECS[object.codec], Body) : undefined;
    } catch (error) {
      if (error instanceof Error && (error.name === 'NoSuchKey' || httpStatus(error) === 404))
        throw new NotStored(error);
      throw error;
    }
    if (stored === object.contentSha256) return;
    throw new UserpulseError(
      'archive_conflict',
      `The archive object s3://${this.#bucket}/${Key} exists with different content.`,
      { hint: `${CONFLICT_CAUSE} Move the object away, or set USERPULSE_ARCHIVE to a separate archive.` },
    );
  }

  /** Memory for a body in one piece; memory/blocks.ts says why it is reused. */
  #takeBody(bytes: number): Buffer {
    const spare = this.#bodies.pop();
    return spare !== undefined && spare.length >= bytes ? spare : Buffer.allocUnsafeSlow(Math.ceil(bytes * 1.25));
  }

  #classify(error: unknown): Verdict {
    if (error instanceof UserpulseError) return { kind: 'give_up' };
    if (error instanceof NotStored) {
      return {
        kind: 'retry',
        reason: 'not_stored',
        message: `S3 bucket "${this.#bucket}" (USERPULSE_ARCHIVE) acknowledged an object that it has not stored.`,
      };
    }
    const failure = awsFailure(error);
    const bucket = `S3 bucket "${this.#bucket}" (USERPULSE_ARCHIVE)`;
    switch (failure.kind) {
      case 'not_found':
        return {
          kind: 'retry',
          reason: 'not_found',
          message: `${bucket} does not exist. Create it, or correct the setting.`,
        };
      case 'wrong_region':
        return { kind: 'retry', reason: 'not_found', message: `${bucket} is in region ${failure.region}.` };
      case 'unauthorized':
        return {
          kind: 'retry',
          reason: 'unauthorized',
          message: sentences(
            `${bucket} denies access: ${failure.reason}`,
            failure.advice ??
              'The credentials need s3:ListBucket, s3:PutObject, s3:GetObject and s3:AbortMultipartUpload',
          ),
        };
      case 'no_credentials':
        return {
          kind: 'retry',
          reason: 'unauthorized',
          message: sentences(`No AWS credentials were found for ${bucket}`, CREDENTIALS_HINT),
        };
      case 'no_region':
        return {
          kind: 'retry',
          reason: 'no_region',
          message: `AWS_REGION is not set, so ${bucket} cannot be reached.`,
        };
      case 'unreachable':
        return {
          kind: 'retry',
          reason: 'network',
          message: `${bucket} cannot be reached: ${failure.reason}.`,
        };
      case 'other':
        // The store does not know what is asked for, and will not learn it while it is asked again.
        if (httpStatus(error) === 501) {
          return {
            kind: 'give_up',
            error: new UserpulseError(
              'archive_unsupported',
              `${bucket} cannot do what ingest needs: ${failure.reason}.`,
              {
                hint: NEED_CONDITIONS,
                cause: error,
              },
            ),
          };
        }
        return { kind: 'retry', reason: reasonOf(error), message: `${bucket} answered ${failure.reason}.` };
      default:
        return failure satisfies never;
    }
  }
}

/** S3 has acknowledged an object, and does not have it. */
class NotStored extends Error {
  constructor(cause: unknown) {
    super('The object was acknowledged and is not there.', { cause });
  }
}

/**
 * The MD5 of the body, in hex, unless the object is encrypted with a KMS or customer key: then it is something else, and the object is read back.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
 */
const plainETag = (etag: string | undefined): string | undefined => etag?.replace(/^"|"$/g, '').toLowerCase();

/** From a small set, because it labels a metric: throttling, or the status. 409 is a concurrent write to the key, which a retry resolves. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const status = httpStatus(error);
  return error.name === 'SlowDown' || status === 503 || status === 429 ? 'throttled' : `http_${status ?? 'none'}`;
}
