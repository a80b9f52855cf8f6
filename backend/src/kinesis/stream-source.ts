import {
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  ListShardsCommand,
  type GetShardIteratorCommandInput,
  type KinesisClient,
  type Shard,
} from '@aws-sdk/client-kinesis';
import { awsFailure } from '../aws/failure.ts';
import { sentences } from '../format.ts';
import type { HashRange } from '../event/decode.ts';
import type { StreamRecords } from './stream-records.ts';
import type { GetRecordsResponse } from './get-records.ts';

/** Where an iterator begins. */
export type Position =
  | { readonly kind: 'trim_horizon' }
  | { readonly kind: 'time'; readonly ms: number }
  /** At this record, which comes first if the stream still holds it. */
  | { readonly kind: 'at'; readonly sequenceNumber: string };

export interface Page {
  readonly records: StreamRecords;
  /** undefined: the shard is closed and these were its last records. */
  readonly next: string | undefined;
  readonly millisBehindLatest: number;
}

/** A shard as ListShards describes it. */
export interface ShardInfo {
  readonly shardId: string;
  /** None for an original shard, one after a split, two after a merge. They may no longer be listed. */
  readonly parents: readonly string[];
  readonly hashRange: HashRange;
}

export interface StreamDescription {
  readonly createdAtMs: number;
  readonly retentionMs: number;
}

/** Port: the stream. Each call is one request; the caller decides what a failure means. @throws SourceError */
export interface StreamSource {
  readonly stream: string;
  describe(signal: AbortSignal): Promise<StreamDescription>;
  listShards(signal: AbortSignal): Promise<readonly ShardInfo[]>;
  iterator(shardId: string, position: Position, signal: AbortSignal): Promise<string>;
  /** @param limit 1 to 10,000 records; a page also ends at 10 MB */
  records(iterator: string, limit: number, signal: AbortSignal): Promise<Page>;
}

export type SourceFailure =
  /** Iterators live for five minutes. */
  | 'iterator_expired'
  /** The stream or shard does not exist, or (for an iterator at a record) that record does not. */
  | 'not_found'
  /** The request is invalid: for an iterator at a record, the record is not of this stream. */
  | 'invalid'
  | 'throttled'
  /** Another reader has the subscription, or had it a moment ago; or the consumer is not ready. */
  | 'in_use'
  | 'unauthorized'
  | 'network'
  | 'unavailable';

/** The message is what the service said, as sentences. */
export class SourceError extends Error {
  readonly kind: SourceFailure;
  constructor(kind: SourceFailure, cause: unknown) {
    const failure = awsFailure(cause);
    super(sentences(failure.reason, failure.kind === 'unauthorized' ? failure.advice : undefined), { cause });
    this.kind = kind;
  }
}

/** The stream through the official client. Its retries are off, because they know neither our quota nor our signals. */
export class KinesisSource implements StreamSource {
  readonly stream: string;
  readonly #client: KinesisClient;

  constructor(client: KinesisClient, stream: string) {
    this.#client = client;
    this.stream = stream;
  }

  async describe(signal: AbortSignal): Promise<StreamDescription> {
    const { StreamDescriptionSummary: summary } = await call(signal, () =>
      this.#client.send(new DescribeStreamSummaryCommand({ StreamName: this.stream }), { abortSignal: signal }),
    );
    return {
      createdAtMs: summary?.StreamCreationTimestamp?.getTime() ?? 0,
      retentionMs: (summary?.RetentionPeriodHours ?? 24) * 3_600_000,
    };
  }

  async listShards(signal: AbortSignal): Promise<readonly ShardInfo[]> {
    const shards: ShardInfo[] = [];
    let token: string | undefined;
    do {
      const input = token === undefined ? { StreamName: this.stream } : { NextToken: token };
      const page = await call(signal, () => this.#client.send(new ListShardsCommand(input), { abortSignal: signal }));
      for (const shard of page.Shards ?? []) shards.push(shardInfo(shard));
      token = page.NextToken;
    } while (token !== undefined);
    return shards;
  }

  async iterator(shardId: string, position: Position, signal: AbortSignal): Promise<string> {
    const input = { StreamName: this.stream, ShardId: shardId, ...iteratorInput(position) };
    const { ShardIterator } = await call(signal, () =>
      this.#client.send(new GetShardIteratorCommand(input), { abortSignal: signal }),
    );
    if (ShardIterator === undefined) throw new SourceError('unavailable', 'GetShardIterator returned no iterator.');
    return ShardIterator;
  }

  async records(iterator: string, limit: number, signal: AbortSignal): Promise<Page> {
    const answer = await call(signal, () =>
      this.#client.send(new GetRecordsCommand({ ShardIterator: iterator, Limit: limit }), { abortSignal: signal }),
    );
    // KinesisProtocol has read it, into other records than the SDK would.
    const page = answer as unknown as GetRecordsResponse;
    return {
      records: numbered(page.Records),
      // At the end of a shard the API returns null; some servers leave the member out, and some send an empty string.
      next: page.NextShardIterator == null || page.NextShardIterator === '' ? undefined : page.NextShardIterator,
      millisBehindLatest: page.MillisBehindLatest ?? 0,
    };
  }
}

/** The same records, each of which has a sequence number. @throws SourceError */
export function numbered(records: StreamRecords): StreamRecords {
  for (let at = 0; at < records.length; at++) {
    if (!records.isNumbered(at)) throw new SourceError('unavailable', 'A record has no sequence number.');
  }
  return records;
}

function iteratorInput(position: Position): Pick<
  GetShardIteratorCommandInput,
  'ShardIteratorType' | 'StartingSequenceNumber' | 'Timestamp'
> & {
  ShardIteratorType: NonNullable<GetShardIteratorCommandInput['ShardIteratorType']>;
} {
  switch (position.kind) {
    case 'trim_horizon':
      return { ShardIteratorType: 'TRIM_HORIZON' };
    case 'time':
      return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(position.ms) };
    case 'at':
      return { ShardIteratorType: 'AT_SEQUENCE_NUMBER', StartingSequenceNumber: position.sequenceNumber };
    default:
      return position satisfies never;
  }
}

function shardInfo(shard: Shard): ShardInfo {
  const { ShardId: shardId, HashKeyRange: range } = shard;
  if (shardId === undefined || range?.StartingHashKey === undefined || range.EndingHashKey === undefined) {
    throw new SourceError('unavailable', 'ListShards returned a shard without ID or hash range.');
  }
  return {
    shardId,
    parents: [shard.ParentShardId, shard.AdjacentParentShardId].filter(
      (id): id is string => id !== undefined && id !== '',
    ),
    hashRange: { start: BigInt(range.StartingHashKey), end: BigInt(range.EndingHashKey) },
  };
}

/** Runs a request of the SDK. @throws SourceError; the signal's reason */
export async function call<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw sourceError(error);
  }
}

/** What has failed, as a SourceError. */
export const sourceError = (error: unknown): SourceError =>
  error instanceof SourceError ? error : new SourceError(failureOf(error), error);

const THROTTLED =
  /^(ProvisionedThroughputExceededException|LimitExceededException|KMSThrottlingException|ThrottlingException|RequestLimitExceeded|TooManyRequestsException)$/;

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html#API_GetRecords_Errors */
function failureOf(error: unknown): SourceFailure {
  const name = error instanceof Error ? error.name : '';
  if (name === 'ExpiredIteratorException') return 'iterator_expired';
  if (THROTTLED.test(name)) return 'throttled';
  if (name === 'ResourceInUseException') return 'in_use';
  if (name === 'InvalidArgumentException' || name === 'ValidationException') return 'invalid';
  const failure = awsFailure(error);
  switch (failure.kind) {
    case 'unreachable':
      return 'network';
    case 'unauthorized':
    case 'no_credentials':
    case 'no_region':
      return 'unauthorized';
    case 'not_found':
      return 'not_found';
    case 'wrong_region':
    case 'other':
      return 'unavailable';
    default:
      return failure satisfies never;
  }
}
