import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createHash, randomUUID } from 'node:crypto';
import { awsFailure, httpStatus } from '../aws/failure.ts';
import { isTaken, s3Location } from './s3.ts';

/** Below the archive's own prefix, beside `_rejected/`. No pattern for events or dead letters matches it. */
export const PROBE_PREFIX = '_probe/';

/** A call as IAM names what allows it. */
export type S3Action = 's3:PutObject' | 's3:GetObject' | 's3:AbortMultipartUpload';

/** What a trial of everything that the archive writer does has found. */
export type S3ProbeResult =
  | {
      readonly kind: 'capable';
      /** Whether an acknowledged write has the body's MD5 as its ETag. Otherwise the writer reads each object back. */
      readonly plainETags: boolean;
      /** Key of the probe object where it could not be deleted. */
      readonly left: string | undefined;
    }
  /** A call failed that works with `condition: false`, or has no condition. */
  | { readonly kind: 'failed'; readonly action: S3Action; readonly key: string; readonly error: unknown }
  /** The store does not know If-None-Match: the same write works without it. */
  | { readonly kind: 'no_conditions'; readonly error: unknown }
  /** A second write of the key was accepted although it carried If-None-Match: *. */
  | { readonly kind: 'condition_ignored'; readonly how: 'in one request' | 'in parts' }
  /** What was read is not what was written. */
  | { readonly kind: 'altered'; readonly key: string };

/** A write of the trial failed. */
class Failed extends Error {
  readonly action: S3Action;
  constructor(action: S3Action, cause: unknown) {
    super('A call of the probe failed.', { cause });
    this.action = action;
  }
}

/**
 * Does once, with a small object under a key of its own, what the archive writer does: writes only if the key is free, in one request and in
 * parts; finds the second write refused; and reads the object back. Deletes it again where it may; ingest needs no such right.
 * @throws the signal's reason when aborted
 */
export async function probeS3(s3: S3Client, url: URL, signal: AbortSignal): Promise<S3ProbeResult> {
  const { bucket: Bucket, prefix } = s3Location(url);
  const Key = `${prefix}${PROBE_PREFIX}${randomUUID()}`;
  const Body = Buffer.from(`A check of Userpulse wrote this at ${new Date().toISOString()}. It may be deleted.\n`);
  const at = { Bucket, Key };
  const options = { abortSignal: signal };
  const md5 = createHash('md5').update(Body).digest();
  const write = { ...at, Body, ContentMD5: md5.toString('base64') };

  const tried = async (): Promise<Omit<Extract<S3ProbeResult, { kind: 'capable' }>, 'left'> | S3ProbeResult> => {
    let etag: string | undefined;
    try {
      ({ ETag: etag } = await s3.send(new PutObjectCommand({ ...write, IfNoneMatch: '*' }), options));
    } catch (error) {
      // Whether it is the condition that the store cannot do shows where the same write works without it.
      if (!isRefusal(error)) throw new Failed('s3:PutObject', error);
      try {
        await s3.send(new PutObjectCommand(write), options);
      } catch {
        throw new Failed('s3:PutObject', error);
      }
      return { kind: 'no_conditions', error };
    }
    if (!(await isRefused(() => s3.send(new PutObjectCommand({ ...write, IfNoneMatch: '*' }), options)))) {
      return { kind: 'condition_ignored', how: 'in one request' };
    }
    if (!(await isRefused(() => writeInParts(s3, at, Body, signal)))) {
      return { kind: 'condition_ignored', how: 'in parts' };
    }
    let stored: Uint8Array | undefined;
    try {
      stored = await (await s3.send(new GetObjectCommand(at), options)).Body?.transformToByteArray();
    } catch (error) {
      throw new Failed('s3:GetObject', error);
    }
    if (stored === undefined || !Body.equals(stored)) return { kind: 'altered', key: Key };
    return { kind: 'capable', plainETags: etag?.replaceAll('"', '') === md5.toString('hex') };
  };

  let result: Awaited<ReturnType<typeof tried>> | undefined;
  try {
    result = await tried();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Failed)) throw error;
    result = { kind: 'failed', action: error.action, key: Key, error: error.cause };
  }
  const deleted = await s3.send(new DeleteObjectCommand(at), options).then(
    () => true,
    () => false,
  );
  return result.kind === 'capable' ? { ...result, left: deleted ? undefined : Key } : result;
}

/** Completes an upload of one part under a key that is taken; the parts are given up afterwards. */
async function writeInParts(
  s3: S3Client,
  at: { readonly Bucket: string; readonly Key: string },
  Body: Buffer,
  signal: AbortSignal,
): Promise<void> {
  const options = { abortSignal: signal };
  let UploadId: string | undefined;
  try {
    ({ UploadId } = await s3.send(new CreateMultipartUploadCommand(at), options));
    const { ETag } = await s3.send(new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body }), options);
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    await s3.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload, IfNoneMatch: '*' }), options);
  } catch (error) {
    if (UploadId !== undefined) await abortUpload(s3, { ...at, UploadId }, signal);
    throw error;
  }
}

async function abortUpload(
  s3: S3Client,
  upload: { readonly Bucket: string; readonly Key: string; readonly UploadId: string },
  signal: AbortSignal,
): Promise<void> {
  try {
    await s3.send(new AbortMultipartUploadCommand(upload), { abortSignal: signal });
  } catch (error) {
    // Some stores forget the upload with the failed completion.
    if (awsFailure(error).kind !== 'not_found') throw new Failed('s3:AbortMultipartUpload', error);
  }
}

/** @returns whether the key counts as taken; false where the write went through */
async function isRefused(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write();
    return false;
  } catch (error) {
    if (isTaken(error)) return true;
    throw error instanceof Failed ? error : new Failed('s3:PutObject', error);
  }
}

/** The store has understood the request and does not do it: not a failure of the network, of rights, or of the moment. */
function isRefusal(error: unknown): boolean {
  const status = httpStatus(error);
  return (
    awsFailure(error).kind === 'other' && status !== undefined && (status === 501 || (status >= 400 && status < 500))
  );
}
