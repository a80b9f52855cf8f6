import { DescribeStreamSummaryCommand, type KinesisClient } from '@aws-sdk/client-kinesis';
import { awsFailure, CREDENTIALS_HINT, REGION_HINT } from '../aws/failure.ts';
import { failed, passed, warned, type Check, type CheckResult } from '../check.ts';

/** Where the stream is, as the settings name it; for messages. */
export interface StreamTarget {
  readonly stream: string;
  /** AWS_ENDPOINT_URL_KINESIS or AWS_ENDPOINT_URL where one is set. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
}

/** Does the stream exist, and may it be read? */
export function streamCheck(kinesis: KinesisClient, target: StreamTarget): Check {
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
        const text = `Stream "${target.stream}" is ${status}, ${shards} open ${shards === 1 ? 'shard' : 'shards'}, keeps records ${summary?.RetentionPeriodHours ?? 24} h.`;
        if (status === 'ACTIVE' || status === 'UPDATING') return passed('stream', text);
        if (status === 'CREATING') return warned('stream', text, 'Wait until it is ACTIVE.');
        return failed(
          'stream',
          'stream_not_found',
          text,
          'Set USERPULSE_STREAM to a stream that is not being deleted.',
        );
      } catch (error) {
        return streamFailure(target, error);
      }
    },
  };
}

/** A failed call to Kinesis in the words of the settings. */
export function streamFailure(target: StreamTarget, error: unknown): CheckResult {
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
        '"userpulse setup --create" makes it; or correct USERPULSE_STREAM or AWS_REGION.',
      );
    case 'unauthorized':
      return failed(
        'stream',
        'stream_unauthorized',
        `${where} does not allow this for stream "${target.stream}" (USERPULSE_STREAM): ${failure.reason}.`,
        'The credentials need kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords on the stream (setup --create also CreateStream).',
      );
    case 'no_credentials':
      return failed(
        'stream',
        'stream_unauthorized',
        `No AWS credentials for stream "${target.stream}" (USERPULSE_STREAM) were found.`,
        CREDENTIALS_HINT,
      );
    case 'no_region':
      return failed(
        'stream',
        'config_invalid',
        `AWS_REGION is not set, so stream "${target.stream}" (USERPULSE_STREAM) cannot be found.`,
        REGION_HINT,
      );
    case 'unreachable':
      return failed(
        'stream',
        'stream_unreachable',
        `${where} cannot be reached: ${failure.reason}.`,
        target.endpoint === undefined
          ? 'See whether AWS_REGION is right and this machine can reach AWS.'
          : 'Start the Kinesis server, or correct AWS_ENDPOINT_URL_KINESIS.',
      );
    case 'other':
      return failed(
        'stream',
        'stream_unreachable',
        `${where} answered for stream "${target.stream}" (USERPULSE_STREAM): ${failure.reason}.`,
        'Try again; if it lasts, look at the AWS health page or the log of the Kinesis server.',
      );
    default:
      return failure satisfies never;
  }
}
