import { pino } from 'pino';
import { Registry } from 'prom-client';
import { gunzipSync } from 'node:zlib';
import { BlockMemory } from '../../backend/src/block-memory.ts';
import { UserpulseError } from '../../backend/src/errors.ts';
import type { StreamRecord } from '../../backend/src/event/decode.ts';
import { aggregate } from '../../backend/src/event/kpl.ts';
import type {
  CheckpointStore,
  ShardCheckpoint,
  StoredCheckpoints,
  StreamCheckpoint,
} from '../../backend/src/ingest/checkpoint.ts';
import type { Clock } from '../../backend/src/ingest/clock.ts';
import {
  createIngestRuntime,
  startIngest,
  type Ingest,
  type IngestOptions,
  type IngestSettings,
} from '../../backend/src/ingest/ingest.ts';
import type { ShardInfo } from '../../backend/src/ingest/shard-order.ts';
import {
  SourceError,
  type Page,
  type Position,
  type StreamDescription,
  type StreamSource,
} from '../../backend/src/ingest/stream-source.ts';
import type { BucketRole, Schema } from '../../backend/src/schema/buckets.ts';
import type { Archive, ArchiveObject } from '../../backend/src/sinks/archive.ts';
import { LineBlock } from '../../backend/src/schema/line-block.ts';
import type { PointSink, Refusal } from '../../backend/src/sinks/point-sink.ts';
import { VirtualClock } from './virtual-clock.ts';

export { seeded } from './seeded.ts';

/**
 * Stream, InfluxDB, archive and checkpoint store as small models in memory, on virtual time, behind ingest's own ports. They keep what they
 * hold while ingest is killed at any step and started again, so thousands of crashes fit into a unit test.
 */

const HASH_END = 2n ** 128n;

interface ModelShard {
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
      approximateArrivalMs: this.clock.now(),
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

/** As the real source has it: blocks that are used again once ingest has given back what lies in them. */
const memory = new BlockMemory();

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
      return { records: [], next: iterator, millisBehindLatest: 1000 };
    }
    const records = left.slice(0, Math.min(limit, this.#faults.pageRecords ?? limit));
    this.#faults.onRead?.(shardId, records.length);
    const rest = left.length - records.length;
    const last = records.at(-1)?.sequenceNumber ?? after;
    const copies = records.map((record) => {
      const data = memory.take(record.data.byteLength);
      data.set(record.data);
      return { ...record, data };
    });
    return {
      records: copies,
      // The last records of a closed shard come with no next iterator.
      next: shard.closed && rest === 0 ? undefined : `${shardId} ${last}`,
      millisBehindLatest: rest === 0 ? 0 : 1000,
    };
  }
}

const linesOf = (block: LineBlock): string[] =>
  block.length === 0 ? [] : Buffer.from(block.bytes(0, block.length)).toString('latin1').split('\n');

/** InfluxDB: points overwrite each other by series and time. */
export class ModelInflux implements PointSink {
  readonly points = new Map<BucketRole, Map<string, string>>();
  /** Lines that are refused for good. */
  refuses: (role: BucketRole, line: string) => boolean = () => false;
  /** Resolved before each write: an outage is a promise that waits. */
  gate: () => Promise<void> = () => Promise.resolve();
  writes = 0;

  async write(role: BucketRole, block: LineBlock, signal: AbortSignal): Promise<readonly Refusal[]> {
    await abortable(this.gate(), signal);
    this.writes++;
    const refusals: Refusal[] = [];
    linesOf(block).forEach((line, index) => {
      if (this.refuses(role, line)) refusals.push({ index, reason: 'the model refuses it' });
      else this.apply(role, line);
    });
    return refusals;
  }

  apply(role: BucketRole, line: string): void {
    const [series = '', fields = '', time = ''] = line.split(' ');
    let bucket = this.points.get(role);
    if (bucket === undefined) this.points.set(role, (bucket = new Map<string, string>()));
    bucket.set(`${series} ${time}`, fields);
  }

  /** `series fields ms` of every point, sorted. */
  contents(role: BucketRole): string[] {
    return [...(this.points.get(role) ?? [])]
      .map(([key, fields]) => {
        const [series = '', time = ''] = key.split(' ');
        return `${series} ${fields} ${time.slice(0, -6)}`;
      })
      .sort();
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }
}

export class ModelArchive implements Archive {
  readonly url = 'model://archive';
  readonly objects = new Map<string, Buffer>();
  gate: () => Promise<void> = () => Promise.resolve();
  /** Told of each object when it takes effect. */
  onPut: (key: string) => void = () => undefined;
  /** Writes of a key that was there already. */
  repeated = 0;

  async put(object: ArchiveObject, signal: AbortSignal): Promise<void> {
    await abortable(this.gate(), signal);
    this.onPut(object.key);
    const content = Buffer.concat(object.chunks);
    const there = this.objects.get(object.key);
    if (there === undefined) this.objects.set(object.key, content);
    else if (!there.equals(content)) throw new UserpulseError('archive_conflict', `${object.key} holds other bytes.`);
    else this.repeated++;
  }

  close(): void {
    // Nothing to close.
  }

  lines(kind: 'archive' | 'rejected'): string[] {
    return [...this.objects]
      .filter(([key]) => key.startsWith('_rejected/') === (kind === 'rejected'))
      .flatMap(([, content]) => gunzipSync(content).toString().split('\n').slice(0, -1))
      .sort();
  }
}

/** Keeps what was saved; each open takes it over, as a lock of a dead process would be. */
export class ModelCheckpoints {
  stream: StreamCheckpoint | undefined;
  readonly shards = new Map<string, ShardCheckpoint>();
  saves = 0;

  store(): CheckpointStore {
    // Through JSON, as every real store has it.
    const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
    return {
      url: 'model://checkpoints',
      open: async (): Promise<StoredCheckpoints> => {
        await Promise.resolve();
        return { stream: this.stream, shards: new Map(copy([...this.shards])) };
      },
      saveStream: async (checkpoint) => {
        await Promise.resolve();
        this.stream = copy(checkpoint);
      },
      saveShard: async (checkpoint) => {
        await Promise.resolve();
        this.saves++;
        this.shards.set(checkpoint.shardId, copy(checkpoint));
      },
      removeShard: async (shardId) => {
        await Promise.resolve();
        this.shards.delete(shardId);
      },
      close: () => Promise.resolve(),
    };
  }
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        abort = () => reject(signal.reason as Error);
        signal.addEventListener('abort', abort, { once: true });
      }),
    ]);
  } finally {
    if (abort !== undefined) signal.removeEventListener('abort', abort);
  }
}

export const SIMULATED_SCHEMA: Schema = {
  buckets: { made: 'made', received: 'received', share: 'share', total: 'total' },
  userPrefix: { side: 'first', length: 4 },
  sharePrefix: { side: 'first', length: 6 },
};

export const SIMULATED_SETTINGS: IngestSettings = {
  start: { kind: 'trim_horizon' },
  onTrimmed: 'stop',
  maxAheadMs: 600_000,
  rejectMaxRatio: 0.5,
  rejectMinRecords: 1_000,
  rejectWindowMs: 60_000,
  pollIntervalMs: 250,
  batchMaxLines: 20,
  batchMaxAgeMs: 250,
  bufferMaxBytes: 1_048_576,
  archiveMaxBytes: 4_096,
  archiveMaxAgeMs: 3_000,
  drainMs: 30_000,
};

export interface Run {
  readonly ingest: Ingest;
  /** SIGTERM */
  stop(): Promise<void>;
  /**
   * kill -9: from now on nothing that this run asks for happens any more, and nothing answers it. What was asked for before may have happened.
   */
  kill(): void;
  /** Resolves when the run has been killed, by {@link kill} or by its crash point. */
  readonly killed: Promise<void>;
  readonly registry: Registry;
}

/** The process dies at one of its writes: before it has any effect, after it but before the answer, or (points) half-way. */
export interface CrashPoint {
  /** Which write of the run, from 1; of points, objects and checkpoints together. */
  readonly write: number;
  readonly when: 'before' | 'after' | 'half';
}

const WRITES = new Set(['write', 'put', 'saveStream', 'saveShard', 'removeShard']);

/** One process of ingest on models that outlive it. */
export function simulate(options: {
  readonly clock: VirtualClock;
  readonly source: StreamSource;
  readonly sink: PointSink;
  readonly archive: Archive;
  readonly checkpoints: CheckpointStore;
  readonly settings?: Partial<IngestSettings>;
  readonly onWritten?: IngestOptions['onWritten'];
  readonly crash?: CrashPoint;
  /** How long (ms) each half of a write takes; `name` is the port's method. */
  readonly latencyMs?: (name: string) => number;
}): Run {
  const stop = new AbortController();
  let dead = false;
  const isDead = (): boolean => dead;
  let writes = 0;
  let die: () => void = () => undefined;
  const killed = new Promise<void>((resolve) => {
    die = () => {
      dead = true;
      resolve();
    };
  });
  const registry = new Registry();
  const never = new Promise<never>(() => undefined);
  const answered = (result: unknown): unknown =>
    result instanceof Promise
      ? result.then(
          (value: unknown) => (dead ? never : value),
          (error: unknown) => (dead ? never : Promise.reject(error as Error)),
        )
      : result;
  /** A write takes time before it has its effect, and again until its answer is heard: what must come first has to be waited for. */
  const write = async (target: object, member: CallableFunction, name: string | symbol, args: unknown[]) => {
    const { crash, latencyMs = () => 0 } = options;
    const patient = new AbortController().signal;
    await options.clock.sleep(latencyMs(String(name)), patient);
    if (isDead()) return never;
    if (crash !== undefined && ++writes === crash.write) {
      if (crash.when === 'half' && name === 'write') {
        const [role, block, signal] = args as [BucketRole, LineBlock, AbortSignal];
        Reflect.apply(member, target, [role, LineBlock.of(linesOf(block).slice(0, block.length >> 1)), signal]);
      } else if (crash.when === 'after') Reflect.apply(member, target, args);
      die();
      return never;
    }
    const result: unknown = await answered(Reflect.apply(member, target, args));
    await options.clock.sleep(latencyMs(String(name)), patient);
    return isDead() ? never : result;
  };
  /** Wraps a port: a dead process neither asks nor hears an answer. */
  const mortal = <T extends object>(port: T): T =>
    new Proxy(port, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          if (dead) return never;
          return WRITES.has(String(name))
            ? write(target, member, name, args)
            : answered(Reflect.apply(member, target, args));
        };
      },
    });
  const clock: Clock = {
    now: () => options.clock.now(),
    sleep: (ms, signal) => (dead ? never : options.clock.sleep(ms, signal).then(() => (dead ? never : undefined))),
  };
  const ingest = startIngest({
    source: mortal(options.source),
    sink: mortal(options.sink),
    archive: mortal(options.archive),
    checkpoints: mortal(options.checkpoints),
    schema: SIMULATED_SCHEMA,
    settings: { ...SIMULATED_SETTINGS, ...options.settings },
    logger: pino({ level: 'silent' }),
    runtime: createIngestRuntime(registry),
    signal: stop.signal,
    clock,
    slotCapacity: 65_536,
    ...(options.onWritten === undefined ? {} : { onWritten: options.onWritten }),
  });
  ingest.done.catch(() => undefined);
  return {
    ingest,
    registry,
    stop: () => {
      stop.abort();
      return ingest.done;
    },
    kill: die,
    killed,
  };
}

export interface SimulatedEvent {
  readonly eventId: string;
  readonly type: string;
  readonly occurredAt: number;
  readonly actorId: string;
  readonly receiverId?: string;
  readonly shareId?: string;
}

/** What was put, and what the stores must hold for it: computed here, with none of ingest's code. */
export class Oracle {
  readonly #events = new Map<string, SimulatedEvent>();
  readonly #lines: string[] = [];
  readonly #letters: string[] = [];

  /** Bytes of a record with these events: plain for one, KPL-aggregated for several. */
  record(events: readonly SimulatedEvent[], refused: (event: SimulatedEvent) => boolean = () => false): Uint8Array {
    const parts = events.map((event) => {
      const line = JSON.stringify(event);
      this.#events.set(event.eventId, event);
      if (refused(event)) this.#letters.push(Buffer.from(line).toString('base64'));
      else this.#lines.push(line);
      return { data: Buffer.from(line), partitionKey: event.actorId };
    });
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only.data : aggregate(parts).data;
  }

  poison(data: Uint8Array): Uint8Array {
    this.#letters.push(Buffer.from(data).toString('base64'));
    return data;
  }

  get lines(): string[] {
    return [...this.#lines].sort();
  }
  get letters(): string[] {
    return [...this.#letters].sort();
  }
  get events(): readonly SimulatedEvent[] {
    return [...this.#events.values()];
  }

  points(role: BucketRole, refused: (role: BucketRole, line: string) => boolean = () => false): string[] {
    return [...this.#events.values()]
      .flatMap((e) => {
        const { type, occurredAt: ms } = e;
        switch (role) {
          case 'made':
            return [`interaction,prefix=${e.actorId.slice(0, 4)},type=${type} user=${e.actorId}i ${ms}`];
          case 'received':
            return e.receiverId === undefined
              ? []
              : [`interaction,prefix=${e.receiverId.slice(0, 4)},type=${type} user=${e.receiverId}i ${ms}`];
          case 'share':
            return e.shareId === undefined
              ? []
              : [`interaction,prefix=${e.shareId.slice(0, 6)},type=${type} share="${e.shareId}" ${ms}`];
          case 'total':
            return [
              `interaction,type=${type} ${[
                `made=${e.actorId}i`,
                ...(e.receiverId === undefined ? [] : [`received=${e.receiverId}i`]),
                ...(e.shareId === undefined ? [] : [`share="${e.shareId}"`]),
              ].join(',')} ${ms}`,
            ];
          default:
            return role satisfies never;
        }
      })
      .filter((line) => !refused(role, line))
      .sort();
  }
}
