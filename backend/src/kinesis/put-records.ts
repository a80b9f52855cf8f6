import {
  ListShardsCommand,
  PutRecordsCommand,
  type KinesisClient,
  type ListShardsCommandOutput,
  type PutRecordsRequestEntry,
} from '@aws-sdk/client-kinesis';
import { streamFailure, type StreamTarget } from './stream-check.ts';
import { errorOf } from '../check.ts';
import type { ShardEnds } from './entry.ts';
import type { CallFailure, Put } from './sender.ts';

/** PutRecords on a stream. The client must not retry: the sender does, and counts it. */
export function putTo(kinesis: KinesisClient, stream: string, signal: AbortSignal): Put {
  return async (entries) => {
    const records = entries.map(({ data, partitionKey, explicitHashKey }): PutRecordsRequestEntry => ({
      Data: data,
      PartitionKey: partitionKey,
      ...(explicitHashKey === undefined ? {} : { ExplicitHashKey: explicitHashKey }),
    }));
    const answer = await kinesis.send(new PutRecordsCommand({ StreamName: stream, Records: records }), {
      abortSignal: signal,
    });
    // An entry that the response does not mention may not be on the stream.
    return entries.map((_entry, n) => {
      const result = answer.Records?.[n];
      return result === undefined ? 'NoAnswer' : result.ErrorCode;
    });
  };
}

/** The whole call was refused: nothing of it is on the stream. */
const THROTTLED = /^(ProvisionedThroughputExceeded|LimitExceeded|KMSThrottling|Throttling)(Exception)?$/;

/** What a failed PutRecords call means. */
export function classifyPut(target: StreamTarget, error: unknown): CallFailure {
  const described = errorOf(streamFailure(target, error), error);
  if (!(error instanceof Error)) return { kind: 'fatal', error: described };
  if (THROTTLED.test(error.name)) return { kind: 'retry', error: described, uncertain: false };
  if (described.code !== 'stream_unreachable') return { kind: 'fatal', error: described };
  const refusedConnection = 'code' in error && error.code === 'ECONNREFUSED';
  const clientFault = '$fault' in error && error.$fault === 'client';
  return clientFault
    ? { kind: 'fatal', error: described }
    : { kind: 'retry', error: described, uncertain: !refusedConnection };
}

/** The last hash key of each open shard, ascending. */
export async function openShardEnds(kinesis: KinesisClient, stream: string, signal: AbortSignal): Promise<ShardEnds> {
  const ends: bigint[] = [];
  let token: string | undefined;
  do {
    const page: ListShardsCommandOutput = await kinesis.send(
      new ListShardsCommand(token === undefined ? { StreamName: stream } : { NextToken: token }),
      { abortSignal: signal },
    );
    for (const { HashKeyRange: range, SequenceNumberRange: numbers } of page.Shards ?? []) {
      // A closed shard has a last sequence number.
      if (range?.EndingHashKey !== undefined && numbers?.EndingSequenceNumber === undefined) {
        ends.push(BigInt(range.EndingHashKey));
      }
    }
    token = page.NextToken;
  } while (token !== undefined);
  return ends.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
