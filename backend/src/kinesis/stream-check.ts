import {
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  ListShardsCommand,
  type ConsumerStatus,
  type KinesisClient,
} from '@aws-sdk/client-kinesis';
import { counted, sentences } from '../format.ts';
import { awsFailure, CREDENTIALS_HINT, REGION_HINT } from '../aws/failure.ts';
import {
  failed,
  passed,
  unavailable,
  warned,
  type Check,
  type CheckDepth,
  type CheckResult,
  type FailedCheck,
} from '../check.ts';
import { findConsumer, missingText, REGISTER_HINT } from './consumer.ts';

/** Where the stream is according to the settings, for messages. */
export interface StreamTarget {
  readonly stream: string;
  /** AWS_ENDPOINT_URL_KINESIS or AWS_ENDPOINT_URL where one is set. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  /** USERPULSE_CONSUMER where reading is by fan-out. */
  readonly consumer?: string | undefined;
}

/**
 * Does the stream exist, and may it be read?
 * @param depth `look`: one call for the stream's state. `try`: also the calls that reading needs, each of which is a right of its own, with the
 *   oldest record of one shard.
 */
export function streamCheck(kinesis: KinesisClient, target: StreamTarget, depth: CheckDepth): Check {
  return {
    name: 'stream',
    run: async (signal) => {
      try {
        const { StreamDescriptionSummary: summary } = await kinesis.send(
          new DescribeStreamSummaryCommand({ StreamName: target.stream }),
          { abortSignal: signal },
        );
        const status = summary?.StreamStatus ?? 'unknown';
        const shards = summary?.OpenShardCount ?? 0;
        const text = `Stream "${target.stream}" is ${status}: ${counted(shards, 'open shard')}, retention ${summary?.RetentionPeriodHours ?? 24} h.`;
        if (status === 'CREATING') return warned('stream', text, 'Wait until it is ACTIVE.');
        if (status !== 'ACTIVE' && status !== 'UPDATING') {
          return failed(
            'stream',
            'stream_not_found',
            text,
            'Set USERPULSE_STREAM to a stream that is not being deleted.',
          );
        }
        if (depth === 'try') await readOne(kinesis, target.stream, signal);
        const { stream, consumer } = target;
        if (consumer === undefined) return passed('stream', text);
        const found = await findConsumer(kinesis, { stream, consumer }, signal);
        return found === undefined
          ? failed('stream', 'stream_not_found', missingText({ stream, consumer }), REGISTER_HINT)
          : judgeConsumer(consumer, found.ConsumerStatus, text);
      } catch (error) {
        return streamFailure(target, error);
      }
    },
  };
}

function judgeConsumer(consumer: string, status: ConsumerStatus | undefined, text: string): CheckResult {
  const said = `Consumer "${consumer}" (USERPULSE_CONSUMER) is ${status ?? 'not ready'}.`;
  if (status === 'ACTIVE') return passed('stream', sentences(text, said));
  if (status === 'DELETING') return failed('stream', 'stream_not_found', said, REGISTER_HINT);
  return unavailable('stream', 'stream_unreachable', said, 'Wait until it is ACTIVE.');
}

/** Only a record shows whether the key that encrypts the stream may be used, so it is the oldest one that is asked for. */
async function readOne(kinesis: KinesisClient, StreamName: string, signal: AbortSignal): Promise<void> {
  const options = { abortSignal: signal };
  const { Shards } = await kinesis.send(new ListShardsCommand({ StreamName, MaxResults: 1 }), options);
  const ShardId = Shards?.[0]?.ShardId;
  if (ShardId === undefined) return;
  const { ShardIterator } = await kinesis.send(
    new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' }),
    options,
  );
  try {
    await kinesis.send(new GetRecordsCommand({ ShardIterator, Limit: 1 }), options);
  } catch (error) {
    // Five calls a second and shard, for all readers together. What is throttled is allowed.
    if (!(error instanceof Error) || error.name !== 'ProvisionedThroughputExceededException') throw error;
  }
}

/** A failed call to Kinesis, with the settings to correct. */
export function streamFailure(target: StreamTarget, error: unknown): FailedCheck {
  const failure = awsFailure(error);
  const where =
    target.endpoint === undefined
      ? `Kinesis in ${target.region ?? 'the default region'} (AWS_REGION)`
      : `Kinesis at ${target.endpoint} (AWS_ENDPOINT_URL_KINESIS)`;
  switch (failure.kind) {
    case 'not_found':
      return failed(
        'stream',
        'stream_not_found',
        `Stream "${target.stream}" (USERPULSE_STREAM) does not exist in ${where}.`,
        'Create it with "userpulse setup --create", or correct USERPULSE_STREAM or AWS_REGION.',
      );
    case 'unauthorized':
      return failed(
        'stream',
        'stream_unauthorized',
        `${where} denies access to stream "${target.stream}" (USERPULSE_STREAM): ${failure.reason}.`,
        failure.advice ??
          'The credentials need kinesis:DescribeStreamSummary, kinesis:ListShards, kinesis:GetShardIterator and kinesis:GetRecords on the stream; for "setup --create" also kinesis:CreateStream. With USERPULSE_READ=fanout, they need kinesis:DescribeStreamConsumer and kinesis:SubscribeToShard on the consumer; for "consumer register" also kinesis:RegisterStreamConsumer. If a KMS key encrypts the stream, they need kms:Decrypt on that key.',
      );
    case 'no_credentials':
      return failed(
        'stream',
        'stream_unauthorized',
        `No AWS credentials were found for stream "${target.stream}" (USERPULSE_STREAM).`,
        CREDENTIALS_HINT,
      );
    case 'no_region':
      return failed(
        'stream',
        'config_invalid',
        `AWS_REGION is not set. It is needed for stream "${target.stream}" (USERPULSE_STREAM).`,
        REGION_HINT,
      );
    case 'unreachable':
      return unavailable(
        'stream',
        'stream_unreachable',
        `${where} cannot be reached: ${failure.reason}.`,
        target.endpoint === undefined
          ? 'Check AWS_REGION, and that this machine can reach AWS.'
          : 'Start the Kinesis server, or correct AWS_ENDPOINT_URL_KINESIS.',
      );
    case 'wrong_region':
    case 'other':
      return (failure.kind === 'other' && failure.transient ? unavailable : failed)(
        'stream',
        'stream_unreachable',
        `${where} returned an error for stream "${target.stream}" (USERPULSE_STREAM): ${failure.reason}.`,
        'Try again. If the error persists, check the AWS Health Dashboard or the log of the Kinesis server.',
      );
    default:
      return failure satisfies never;
  }
}
