import { StreamRecords, type StreamRecord } from '../../../backend/src/kinesis/stream-records.ts';
import type { ShardInfo } from '../../../backend/src/kinesis/stream-source.ts';
import {
  SourceError,
  type Page,
  type Position,
  type StreamDescription,
  type StreamSource,
} from '../../../backend/src/kinesis/stream-source.ts';
import type { VirtualClock } from '../virtual-clock.ts';

const HASH_END = 2n ** 128n;

export interface ModelShard {
  readonly shardId: string;
  readonly parents: readonly string[];
  readonly hashRange: { readonly start: bigint; readonly end: bigint };
  records: StreamRecord[];
  closed: boolean;
  listed: boolean;
}

/** A Kinesis stream: shards, sequence numbers, retention, resharding. */
export class ModelStream {
  readonly name = 'model';
  readonly clock: VirtualClock;
  retentionMs = 86_400_000;
  createdAtMs: number;
  readonly #shards: ModelShard[] = [];
  #sequence = 10n ** 30n;

  constructor(clock: VirtualClock, shards: number) {
    this.clock = clock;
    this.createdAtMs = clock.now();
    const width = HASH_END / BigInt(shards);
    for (let n = 0; n < shards; n++) {
      const end = n === shards - 1 ? HASH_END - 1n : width * BigInt(n + 1) - 1n;
      this.#add([], { start: width * BigInt(n), end });
    }
  }

  #add(parents: readonly string[], hashRange: ModelShard['hashRange']): ModelShard {
    const shardId = `shardId-${String(this.#shards.length).padStart(12, '0')}`;
    const shard: ModelShard = { shardId, parents, hashRange, records: [], closed: false, listed: true };
    this.#shards.push(shard);
    return shard;
  }

  get shards(): readonly ModelShard[] {
    return this.#shards;
  }

  get open(): readonly ModelShard[] {
    return this.#shards.filter((s) => !s.closed);
  }

  put(shard: ModelShard, data: Uint8Array, partitionKey = 'key'): StreamRecord {
    this.#sequence += 7n;
    const record: StreamRecord = {
      data,
      partitionKey,
      sequenceNumber: this.#sequence.toString(),
      // In whole ms, as Kinesis has it.
      approximateArrivalMs: Math.floor(this.clock.now()),
    };
    shard.records.push(record);
    return record;
  }

  split(shard: ModelShard): void {
    shard.closed = true;
    const { start, end } = shard.hashRange;
    const middle = (start + end) / 2n;
    this.#add([shard.shardId], { start, end: middle });
    this.#add([shard.shardId], { start: middle + 1n, end });
  }

  merge(a: ModelShard, b: ModelShard): void {
    a.closed = true;
    b.closed = true;
    const [low, high] = a.hashRange.start < b.hashRange.start ? [a, b] : [b, a];
    this.#add([low.shardId, high.shardId], { start: low.hashRange.start, end: high.hashRange.end });
  }

  /** What retention does: old records go, and closed shards without any are listed no more. */
  trim(): void {
    const horizon = this.clock.now() - this.retentionMs;
    for (const shard of this.#shards) {
      shard.records = shard.records.filter((r) => r.approximateArrivalMs >= horizon);
      if (shard.closed && shard.records.length === 0) shard.listed = false;
    }
  }

  source(faults: SourceFaults = {}): StreamSource {
    return new ModelSource(this, faults);
  }
}

export interface SourceFaults {
  readonly random?: () => number;
  /** Chance of each failure per call. */
  readonly throttled?: number;
  readonly expired?: number;
  readonly emptyPage?: number;
  /** Most records of a page, whatever was asked. */
  readonly pageRecords?: number;
  readonly onRead?: (shardId: string, records: number) => void;
}

class ModelSource implements StreamSource {
  readonly stream: string;
  readonly #model: ModelStream;
  readonly #faults: SourceFaults;

  constructor(model: ModelStream, faults: SourceFaults) {
    this.stream = model.name;
    this.#model = model;
    this.#faults = faults;
  }

  #chance(p: number | undefined): boolean {
    return p !== undefined && (this.#faults.random?.() ?? 1) < p;
  }

  async describe(): Promise<StreamDescription> {
    await Promise.resolve();
    return { createdAtMs: this.#model.createdAtMs, retentionMs: this.#model.retentionMs };
  }

  async listShards(): Promise<readonly ShardInfo[]> {
    await Promise.resolve();
    if (this.#chance(this.#faults.throttled)) throw new SourceError('throttled', 'model');
    return this.#model.shards
      .filter((s) => s.listed)
      .map(({ shardId, parents, hashRange }) => ({ shardId, parents, hashRange }));
  }

  async iterator(shardId: string, position: Position): Promise<string> {
    await Promise.resolve();
    if (this.#chance(this.#faults.throttled)) throw new SourceError('throttled', 'model');
    const shard = this.#model.shards.find((s) => s.shardId === shardId && s.listed);
    if (shard === undefined) throw new SourceError('not_found', 'model');
    // An iterator names the last sequence number that it lies behind.
    if (position.kind === 'trim_horizon') return `${shardId} 0`;
    if (position.kind === 'time') {
      const before = shard.records.filter((r) => r.approximateArrivalMs < position.ms).at(-1);
      return `${shardId} ${before?.sequenceNumber ?? '0'}`;
    }
    return `${shardId} ${BigInt(position.sequenceNumber) - 1n}`;
  }

  async records(iterator: string, limit: number): Promise<Page> {
    await Promise.resolve();
    if (this.#chance(this.#faults.throttled)) throw new SourceError('throttled', 'model');
    if (this.#chance(this.#faults.expired)) throw new SourceError('iterator_expired', 'model');
    const [shardId = '', after = '0'] = iterator.split(' ');
    const shard = this.#model.shards.find((s) => s.shardId === shardId);
    if (shard === undefined) throw new SourceError('not_found', 'model');
    const left = shard.records.filter((r) => BigInt(r.sequenceNumber) > BigInt(after));
    if (left.length > 0 && this.#chance(this.#faults.emptyPage)) {
      return { records: StreamRecords.of([]), next: iterator, millisBehindLatest: 1000 };
    }
    const records = left.slice(0, Math.min(limit, this.#faults.pageRecords ?? limit));
    this.#faults.onRead?.(shardId, records.length);
    const rest = left.length - records.length;
    const last = records.at(-1)?.sequenceNumber ?? after;
    return {
      // As the real source has it: in blocks that are used again once ingest has released what lies in them.
      records: StreamRecords.of(records),
      // The last records of a closed shard come with no next iterator.
      next: shard.closed && rest === 0 ? undefined : `${shardId} ${last}`,
      millisBehindLatest: rest === 0 ? 0 : 1000,
    };
  }
}
