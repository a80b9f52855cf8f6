import { DescribeStreamSummaryCommand, type KinesisClient } from '@aws-sdk/client-kinesis';
import { counted } from '../format.ts';
import { awsFailure, CREDENTIALS_HINT, REGION_HINT } from '../aws/failure.ts';
import { failed, passed, warned, type Check, type FailedCheck } from '../check.ts';

/** Where the stream is according to the settings, for messages. */
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
        const text = `Stream "${target.stream}" is ${status}: ${counted(shards, 'open shard')}, retention ${summary?.RetentionPeriodHours ?? 24} h.`;
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
        'The credentials need kinesis:DescribeStreamSummary, kinesis:ListShards, kinesis:GetShardIterator and kinesis:GetRecords on the stream; for "setup --create" also kinesis:CreateStream.',
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
      return failed(
        'stream',
        'stream_unreachable',
        `${where} cannot be reached: ${failure.reason}.`,
        target.endpoint === undefined
          ? 'Check AWS_REGION, and that this machine can reach AWS.'
          : 'Start the Kinesis server, or correct AWS_ENDPOINT_URL_KINESIS.',
      );
    case 'other':
      return failed(
        'stream',
        'stream_unreachable',
        `${where} returned an error for stream "${target.stream}" (USERPULSE_STREAM): ${failure.reason}.`,
        'Try again. If the error persists, check the AWS Health Dashboard or the log of the Kinesis server.',
      );
    default:
      return failure satisfies never;
  }
}
