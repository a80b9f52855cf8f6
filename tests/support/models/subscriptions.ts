import { EventStreamCodec } from '@smithy/core/event-streams';
import { SourceError, type Position } from '../../../backend/src/kinesis/stream-source.ts';
import type { ShardSubscriptions } from '../../../backend/src/kinesis/subscriptions.ts';
import type { ModelShard, ModelStream } from './stream.ts';

/** Kinesis sends an event so often (ms) where there is nothing new, and ends a subscription after five minutes. */
const HEARTBEAT_MS = 5_000;
const SUBSCRIPTION_MS = 300_000;
const POLL_MS = 100;

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text, 'utf8'),
);
const text = (value: string) => ({ type: 'string', value }) as const;

/** A frame as the SDK's codec writes it. */
export const frameOf = (headers: Readonly<Record<string, string>>, body: unknown): Buffer =>
  Buffer.from(
    codec.encode({
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, text(value)])),
      body: Buffer.from(JSON.stringify(body)),
    }),
  );

export const eventFrame = (body: unknown): Buffer =>
  frameOf(
    { ':message-type': 'event', ':event-type': 'SubscribeToShardEvent', ':content-type': 'application/json' },
    body,
  );

/** What Kinesis sends instead of an event. */
export const exceptionFrame = (name: string, message: string): Buffer =>
  frameOf({ ':message-type': 'exception', ':exception-type': name, ':content-type': 'application/json' }, { message });

export interface SubscriptionFaults {
  readonly random: () => number;
  /** Chance, per call, that another one has the subscription. */
  readonly inUse?: number;
  /** Chance, per event, that the connection breaks in the middle of it, says nothing any more, or ends behind it. */
  readonly broken?: number;
  readonly silent?: number;
  /** How long (ms) the subscription of a connection that is broken or silent is in use from then on; absent: not at all. */
  readonly keptMs?: () => number;
  readonly ended?: number;
  /** Whether the end of a shard is told by its children, as Kinesis does; kinesis-local only ends the subscription. */
  readonly tellsChildren: boolean;
}

/** Subscriptions to the shards of a {@link ModelStream}. */
export class ModelSubscriptions implements ShardSubscriptions {
  readonly #model: ModelStream;
  readonly #faults: SubscriptionFaults;
  /** Until when (ms) the subscription of a shard is in use by a connection that is lost. */
  readonly #keptUntilMs = new Map<string, number>();

  constructor(model: ModelStream, faults: SubscriptionFaults) {
    this.#model = model;
    this.#faults = faults;
  }

  #chance(p = 0): boolean {
    return this.#faults.random() < p;
  }

  async subscribe(shardId: string, position: Position, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    await Promise.resolve();
    const isKept = this.#model.clock.now() < (this.#keptUntilMs.get(shardId) ?? -Infinity);
    if (isKept || this.#chance(this.#faults.inUse)) {
      if (this.#chance(0.5)) throw new SourceError('in_use', 'model');
      return this.#inUse();
    }
    const shard = this.#model.shards.find((s) => s.shardId === shardId && s.listed);
    if (shard === undefined) throw new SourceError('not_found', 'model');
    return this.#events(shard, position, signal);
  }

  async *#inUse(): AsyncGenerator<Buffer> {
    await Promise.resolve();
    yield exceptionFrame('ResourceInUseException', 'model');
  }

  #keep({ shardId }: ModelShard): void {
    const { clock } = this.#model;
    if (this.#faults.keptMs !== undefined) this.#keptUntilMs.set(shardId, clock.now() + this.#faults.keptMs());
  }

  async *#events(shard: ModelShard, position: Position, signal: AbortSignal): AsyncGenerator<Buffer> {
    const { clock } = this.#model;
    const endMs = clock.now() + SUBSCRIPTION_MS;
    let after = behind(shard, position);
    let toldMs = -Infinity;
    while (clock.now() < endMs) {
      const left = shard.records.filter((r) => BigInt(r.sequenceNumber) > after);
      const records = left.slice(0, 1 + Math.floor(this.#faults.random() * 7));
      const isEnd = shard.closed && records.length === left.length;
      if (records.length > 0 || isEnd || clock.now() - toldMs >= HEARTBEAT_MS) {
        toldMs = clock.now();
        after = BigInt(records.at(-1)?.sequenceNumber ?? after);
        const children = this.#model.shards.filter(({ parents }) => parents.includes(shard.shardId));
        const frame = eventFrame({
          Records: records.map((r) => ({
            Data: Buffer.from(r.data).toString('base64'),
            PartitionKey: r.partitionKey,
            SequenceNumber: r.sequenceNumber,
            ApproximateArrivalTimestamp: r.approximateArrivalMs / 1000,
          })),
          ContinuationSequenceNumber: String(after),
          MillisBehindLatest: records.length < left.length ? 1_000 : 0,
          ...(isEnd && this.#faults.tellsChildren
            ? { ChildShards: children.map(({ shardId, parents }) => ({ ShardId: shardId, ParentShards: parents })) }
            : {}),
        });
        if (this.#chance(this.#faults.silent)) {
          this.#keep(shard);
          await clock.sleep(SUBSCRIPTION_MS, signal);
          return;
        }
        yield* this.#pieces(shard, frame);
        if (isEnd || this.#chance(this.#faults.ended)) return;
      }
      await clock.sleep(POLL_MS, signal);
    }
  }

  *#pieces(shard: ModelShard, frame: Buffer): Generator<Buffer> {
    const cut = Math.floor(this.#faults.random() * frame.length);
    yield frame.subarray(0, cut);
    if (this.#chance(this.#faults.broken)) {
      this.#keep(shard);
      throw new Error('The connection was cut.');
    }
    yield frame.subarray(cut);
  }
}

/** The sequence number that the first record lies behind. */
function behind(shard: ModelShard, position: Position): bigint {
  switch (position.kind) {
    case 'trim_horizon':
      return 0n;
    case 'time':
      return BigInt(shard.records.filter((r) => r.approximateArrivalMs < position.ms).at(-1)?.sequenceNumber ?? 0);
    case 'at':
      return BigInt(position.sequenceNumber) - 1n;
    default:
      return position satisfies never;
  }
}
