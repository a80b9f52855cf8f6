import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { CheckpointStore } from '../../../backend/src/checkpoint/checkpoint-store.ts';
import type { Clock } from '../../../backend/src/clock.ts';
import {
  startIngest,
  type Ingest,
  type IngestOptions,
  type IngestSettings,
} from '../../../backend/src/ingest/ingest.ts';
import { createIngestMetrics } from '../../../backend/src/ingest/metrics.ts';
import { polling } from '../../../backend/src/kinesis/polling-feed.ts';
import type { OpenFeed } from '../../../backend/src/kinesis/shard-feed.ts';
import type { StreamSource } from '../../../backend/src/kinesis/stream-source.ts';
import type { BucketRole, Schema } from '../../../backend/src/schema/buckets.ts';
import { LineBlock } from '../../../backend/src/schema/line-block.ts';
import type { ArchiveWriter } from '../../../backend/src/archive/archive-writer.ts';
import type { PointSink } from '../../../backend/src/influx/point-sink.ts';
import type { VirtualClock } from '../virtual-clock.ts';
import { linesOf } from './sinks.ts';

/*
 * Stream, InfluxDB, archive and checkpoint store stand beside this file as small models in memory, on virtual time, behind ingest's own ports.
 * They keep what they hold while ingest is killed at any step and started again, so thousands of crashes fit into a unit test.
 */

export const SIMULATED_SCHEMA: Schema = {
  buckets: { made: 'made', received: 'received', share: 'share', total: 'total' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
};

export const SIMULATED_SETTINGS: IngestSettings = {
  start: { kind: 'trim_horizon' },
  onTrimmed: 'stop',
  maxAheadMs: 600_000,
  decompress: [],
  split: [],
  rejectMaxRatio: 0.5,
  rejectMinRecords: 1_000,
  rejectWindowMs: 60_000,
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
  /** How it reads the source; absent: by polling. */
  readonly feed?: (source: StreamSource) => OpenFeed;
  readonly sink: PointSink;
  readonly archive: ArchiveWriter;
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
  const source = mortal(options.source);
  const ingest = startIngest({
    source,
    feed: (options.feed ?? ((polled) => polling(polled, 250)))(source),
    sink: mortal(options.sink),
    archive: mortal(options.archive),
    checkpoints: mortal(options.checkpoints),
    schema: SIMULATED_SCHEMA,
    settings: { ...SIMULATED_SETTINGS, ...options.settings },
    logger: pino({ level: 'silent' }),
    metrics: createIngestMetrics(registry),
    signal: stop.signal,
    clock,
    offsetCapacity: 65_536,
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
