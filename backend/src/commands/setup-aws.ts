import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  type KinesisClient,
  type StreamStatus,
} from '@aws-sdk/client-kinesis';
import { BucketLocationConstraint, CreateBucketCommand } from '@aws-sdk/client-s3';
import { setTimeout as sleep } from 'node:timers/promises';
import { archiveFailure, createArchiveFolder, findBucket, type ArchiveTarget } from '../archive/archive-check.ts';
import { awsFailure } from '../aws/failure.ts';
import { errorOf } from '../check.ts';
import { streamFailure, type StreamTarget } from '../kinesis/stream-check.ts';
import { UserpulseError } from '../errors.ts';

/** Time for a new stream to become ACTIVE, in ms. AWS takes about half a minute. */
const STREAM_ACTIVE_MS = 180_000;

/**
 * Creates the stream if it is missing, and waits until it is ACTIVE. An existing stream keeps its shards.
 * @returns whether this call created it
 */
export async function ensureStream(
  kinesis: KinesisClient,
  target: StreamTarget,
  options: { readonly shards: number; readonly signal: AbortSignal; readonly pollMs?: number },
): Promise<{ readonly created: boolean; readonly shards: number }> {
  const { signal } = options;
  let created = false;
  const deadline = Date.now() + STREAM_ACTIVE_MS;
  for (;;) {
    let status: StreamStatus | undefined;
    let shards = 0;
    try {
      const { StreamDescriptionSummary: summary } = await kinesis.send(
        new DescribeStreamSummaryCommand({ StreamName: target.stream }),
        { abortSignal: signal },
      );
      status = summary?.StreamStatus;
      shards = summary?.OpenShardCount ?? 0;
    } catch (error) {
      if (awsFailure(error).kind !== 'not_found') throw errorOf(streamFailure(target, error), error);
      if (!created) {
        await createStream(kinesis, target, options.shards, signal);
        created = true;
      }
    }
    if (status === 'ACTIVE' || status === 'UPDATING') return { created, shards };
    if (Date.now() >= deadline) {
      throw new UserpulseError(
        'stream_unreachable',
        `Stream "${target.stream}" (USERPULSE_STREAM) is still ${status ?? 'not visible'} after ${STREAM_ACTIVE_MS / 1000} s.`,
        { hint: 'Run setup again in a minute.' },
      );
    }
    await sleep(options.pollMs ?? 500, undefined, { signal });
  }
}

async function createStream(
  kinesis: KinesisClient,
  target: StreamTarget,
  shards: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await kinesis.send(new CreateStreamCommand({ StreamName: target.stream, ShardCount: shards }), {
      abortSignal: signal,
    });
  } catch (error) {
    // Another setup was faster.
    if (error instanceof Error && error.name === 'ResourceInUseException') return;
    throw errorOf(streamFailure(target, error), error);
  }
}

/** Creates the archive's S3 bucket or folder if it is missing. @returns whether this call created it */
export async function ensureArchive(
  target: ArchiveTarget,
  signal: AbortSignal,
): Promise<{ readonly created: boolean }> {
  if (target.kind === 'file') {
    try {
      return { created: await createArchiveFolder(target.url) };
    } catch (error) {
      throw new UserpulseError(
        'archive_unauthorized',
        `The archive folder ${target.url.href} (USERPULSE_ARCHIVE) cannot be created: ${error instanceof Error ? error.message : String(error)}.`,
        {
          hint: 'Give this user write access to its parent folder, or set USERPULSE_ARCHIVE to another folder.',
          cause: error,
        },
      );
    }
  }
  const bucket = target.url.hostname;
  try {
    await findBucket(target.s3, bucket, signal);
    return { created: false };
  } catch (error) {
    if (awsFailure(error).kind !== 'not_found') throw errorOf(archiveFailure(target, error), error);
  }
  try {
    await target.s3.send(
      new CreateBucketCommand({
        Bucket: bucket,
        // us-east-1 is the only region that must not be given: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
        ...(target.region === undefined || target.region === 'us-east-1' || target.endpoint !== undefined
          ? {}
          : { CreateBucketConfiguration: { LocationConstraint: locationOf(target.region) } }),
      }),
      { abortSignal: signal },
    );
    return { created: true };
  } catch (error) {
    if (error instanceof Error && error.name === 'BucketAlreadyOwnedByYou') return { created: false };
    throw errorOf(archiveFailure(target, error), error);
  }
}

/** The SDK knows the names of its regions. In a newer region, the bucket must be created by hand. */
function locationOf(region: string): BucketLocationConstraint {
  const known = Object.values(BucketLocationConstraint).find((r) => r === region);
  if (known === undefined) {
    throw new UserpulseError(
      'config_invalid',
      `setup cannot create S3 buckets in region "${region}" (AWS_REGION), which it does not know.`,
      {
        hint: 'Correct AWS_REGION, or create the bucket yourself and run setup again.',
      },
    );
  }
  return known;
}
