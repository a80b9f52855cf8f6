import { readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  DescribeStreamSummaryCommand,
  ListShardsCommand,
  MergeShardsCommand,
  SplitShardCommand,
  UpdateShardCountCommand,
  type Shard,
} from '@aws-sdk/client-kinesis';
import type { IngestProcess } from '../support/ingest-process.ts';
import { IngestWorld } from '../support/ingest-world.ts';
import { eventually, influxWrite, kinesis, parts } from '../support/parts.ts';
import { seeded } from '../support/seeded.ts';
import { FaultyProxy, objectIn } from '../support/faulty-proxy.ts';
import { CONFLICT_MS, refuses, SPOILED_RECEIVER, Traffic, type TrafficOptions } from './traffic.ts';

const FAULTY_FS = fileURLToPath(new URL('faulty-fs.mjs', import.meta.url));

export interface FaultyWorldOptions {
  readonly seed: number;
  readonly shards?: number;
  readonly archive?: 'file' | 's3';
  readonly env?: Readonly<Record<string, string>>;
  readonly traffic?: Partial<Omit<TrafficOptions, 'random' | 'oracle'>>;
}

/** The rename of a checkpoint file at which ingest dies; see faulty-fs.mjs. */
export interface CheckpointInstant {
  readonly what: 'pending' | 'durable' | 'done';
  readonly when: 'half' | 'before' | 'after';
}

/**
 * Ingest as users run it (the built program, a process of its own) on the real local servers, each behind a proxy that misbehaves when told
 * to; seeded traffic; and the oracle. Ingest is kept running as a service manager would: it is started again when it was killed, and an
 * end that nobody asked for is a failure.
 */
export class FaultyWorld {
  readonly seed: number;
  readonly random: () => number;
  readonly world: IngestWorld;
  readonly influx: FaultyProxy;
  readonly kinesis: FaultyProxy;
  readonly s3: FaultyProxy;
  readonly traffic: Traffic;
  /** Ends that nobody asked for, with what the process said last. */
  readonly unexpectedEnds: string[] = [];
  /** Pages with records and no next iterator that the proxy has seen go by. */
  lastPages = 0;
  kills = 0;
  /** Starts that ended because a dependency was away. */
  refusedStarts = 0;
  reshards = 0;
  readonly #counts = new Map<string, number>();
  #process: IngestProcess | undefined;
  #keeper: Promise<void> | undefined;
  #keep = false;
  #stopping = false;
  #instant: string | undefined;

  private constructor(
    options: FaultyWorldOptions,
    random: () => number,
    world: IngestWorld,
    proxies: readonly [FaultyProxy, FaultyProxy, FaultyProxy],
  ) {
    this.seed = options.seed;
    this.random = random;
    this.world = world;
    [this.influx, this.kinesis, this.s3] = proxies;
    this.traffic = new Traffic({
      // Its own sequence: what is sent does not depend on how the faults fall.
      random: seeded(options.seed * 7919),
      oracle: world.oracle,
      poison: 0.01,
      aggregated: 40,
      plain: 0.1,
      refused: 0.005,
      ...options.traffic,
    });
  }

  static async create(options: FaultyWorldOptions): Promise<FaultyWorld> {
    const random = seeded(options.seed);
    const proxies = [
      await FaultyProxy.start(parts().influx.url, random),
      await FaultyProxy.start(parts().kinesis.endpoint, random),
      await FaultyProxy.start(parts().s3.endpoint, random),
    ] as const;
    const [influx, kinesisProxy, s3] = proxies;
    const world = await IngestWorld.create({
      shards: options.shards ?? 2,
      archive: options.archive ?? 's3',
      program: 'built',
      env: {
        INFLUX_HOST: influx.url,
        AWS_ENDPOINT_URL_KINESIS: kinesisProxy.url,
        AWS_ENDPOINT_URL_S3: s3.url,
        USERPULSE_ARCHIVE_MAX_AGE_MS: '500',
        ...options.env,
      },
    });
    world.oracle.refuses = refuses;
    await influxWrite(world.buckets.received, [`interaction,prefix=none,type=like user="text" ${CONFLICT_MS}000000`]);
    const made = new FaultyWorld(options, random, world, proxies);
    made.#spoilOneLine();
    made.#watchLastPages();
    return made;
  }

  /** One receiver's lines lose their syntax on the way, for good: InfluxDB itself answers. */
  #spoilOneLine(): void {
    const spoiled = `user=${SPOILED_RECEIVER}i,`;
    this.influx.add({
      kind: 'InfluxDB: 400 for one bad line',
      match: ({ path, text }) =>
        path.startsWith('/api/v2/write') && path.includes(this.world.buckets.received) && text().includes(spoiled),
      action: { kind: 'replace-text', change: (text) => text.replaceAll(spoiled, 'user=not a line,') },
    });
  }

  #watchLastPages(): void {
    this.kinesis.onAnswer = (seen, { status, headers, body }) => {
      if (seen.operation !== 'GetRecords' || status !== 200) return;
      const { NextShardIterator, Records } = objectIn(body, headers['content-type']);
      if (NextShardIterator == null && Array.isArray(Records) && Records.length > 0) this.lastPages++;
    };
  }

  get process(): IngestProcess {
    if (this.#process === undefined) throw new Error('No ingest runs.');
    return this.#process;
  }

  /** What the latest ingest has said; for reports. */
  get lastLog(): string {
    return this.#process?.log ?? '';
  }

  /** Bytes that ingest holds in memory; 0 while it does not tell. */
  async inflightBytes(): Promise<number> {
    const metrics = await this.process.metrics().catch(() => '');
    return Number(/^userpulse_inflight_bytes (\d+)/m.exec(metrics)?.[1] ?? 0);
  }

  /** Puts records with about so many events, in portions over a time. */
  async put(events: number, overMs = 0): Promise<void> {
    const portions = overMs === 0 ? 1 : Math.max(1, Math.round(overMs / 200));
    for (let n = 0; n < portions; n++) {
      if (n > 0) await sleep(overMs / portions);
      await this.world.putBytes(this.traffic.records(Math.ceil(events / portions)));
    }
  }

  /** Starts ingest, and again whenever it was killed, until {@link drain}. */
  run(): void {
    if (this.#keep) return;
    this.#keep = true;
    this.#keeper = this.#keepRunning();
  }

  async #keepRunning(): Promise<void> {
    while (this.#keep) {
      const instant = this.#instant;
      this.#instant = undefined;
      const child = this.world.ingest(
        instant === undefined ? {} : { FAULTY_FS: instant },
        instant === undefined ? undefined : FAULTY_FS,
      );
      this.#process = child;
      const { code, signal } = await child.exit;
      const refused = code === 1 && child.log.includes('userpulse: cannot start');
      if (signal === 'SIGKILL') this.kills++;
      // A start while a dependency is away ends in words; whoever keeps ingest running tries again.
      else if (refused) this.refusedStarts++;
      // A signal that comes before the program has a handler ends it like any other program.
      const stopped = this.#stopping && (code === 0 || signal === 'SIGTERM');
      if (signal === 'SIGKILL' || refused || stopped) {
        if (!refused) this.#stopping = false;
        continue;
      }
      this.unexpectedEnds.push(`exit code ${code}, signal ${signal}:\n${child.log.slice(-2000)}`);
      // A broken ingest must not become a busy loop.
      await sleep(1_000);
    }
  }

  /** kill -9, and the start of the next one. */
  async kill(): Promise<void> {
    const child = this.process;
    child.kill('SIGKILL');
    await child.exit;
    await eventually(() => this.#process !== child, { what: 'the next ingest', intervalMs: 5 });
  }

  /** SIGTERM, its orderly end, and the start of the next one. */
  async restart(): Promise<void> {
    const child = this.process;
    this.#stopping = true;
    child.kill('SIGTERM');
    await child.exit;
    await eventually(() => this.#process !== child, { what: 'the next ingest', intervalMs: 5 });
  }

  /** Restarts ingest so that it dies at the Nth such rename of a checkpoint file, and waits for that. */
  async dieAt({ what, when }: CheckpointInstant, nth = 1, timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      this.#instant = `${what} ${when} ${nth}`;
      await this.kill();
      const child = this.process;
      await eventually(() => child.ended !== undefined, {
        what: `the end ${when} "${what}"; the log: ${child.log.slice(-1000)}`,
        timeoutMs: Math.max(0, deadline - Date.now()),
        intervalMs: 10,
      });
      await eventually(() => this.#process !== child, { what: 'the next ingest', intervalMs: 5 });
      if (child.ended?.signal === 'SIGKILL') return;
    }
  }

  /** Ends ingest in order; all that was put is durable by then. */
  async drain(timeoutMs = 60_000): Promise<void> {
    await this.world.untilDurable(undefined, timeoutMs);
    await this.halt();
  }

  /** Ends ingest in order, whatever it has reached. */
  async halt(): Promise<void> {
    this.#keep = false;
    this.#stopping = true;
    this.process.kill('SIGTERM');
    await this.#keeper;
    this.#stopping = false;
  }

  async end(): Promise<void> {
    this.#keep = false;
    await this.world.end();
    await Promise.all([this.influx.close(), this.kinesis.close(), this.s3.close()]);
  }

  async openShards(): Promise<Shard[]> {
    await this.#untilActive();
    const { Shards = [] } = await kinesis().send(new ListShardsCommand({ StreamName: this.world.stream }));
    return Shards.filter((shard) => shard.SequenceNumberRange?.EndingSequenceNumber === undefined);
  }

  async #untilActive(): Promise<void> {
    await eventually(
      async () => {
        const { StreamDescriptionSummary: summary } = await kinesis().send(
          new DescribeStreamSummaryCommand({ StreamName: this.world.stream }),
        );
        return summary?.StreamStatus === 'ACTIVE';
      },
      { intervalMs: 20, what: 'an active stream' },
    );
  }

  async split(): Promise<void> {
    const open = await this.openShards();
    const shard = open[Math.floor(this.random() * open.length)];
    const start = BigInt(shard?.HashKeyRange?.StartingHashKey ?? 0);
    const end = BigInt(shard?.HashKeyRange?.EndingHashKey ?? 0);
    await kinesis().send(
      new SplitShardCommand({
        StreamName: this.world.stream,
        ShardToSplit: shard?.ShardId,
        NewStartingHashKey: String((start + end) / 2n),
      }),
    );
    await this.#untilActive();
    this.reshards++;
  }

  async merge(): Promise<void> {
    const open = (await this.openShards()).sort((a, b) =>
      BigInt(a.HashKeyRange?.StartingHashKey ?? 0) < BigInt(b.HashKeyRange?.StartingHashKey ?? 0) ? -1 : 1,
    );
    const at = Math.floor(this.random() * (open.length - 1));
    await kinesis().send(
      new MergeShardsCommand({
        StreamName: this.world.stream,
        ShardToMerge: open[at]?.ShardId,
        AdjacentShardToMerge: open[at + 1]?.ShardId,
      }),
    );
    await this.#untilActive();
    this.reshards++;
  }

  async updateShardCount(count: number): Promise<void> {
    await this.#untilActive();
    await kinesis().send(
      new UpdateShardCountCommand({
        StreamName: this.world.stream,
        TargetShardCount: count,
        ScalingType: 'UNIFORM_SCALING',
      }),
    );
    await this.#untilActive();
    this.reshards++;
  }

  /**
   * From now on the checkpoint files of the shards that have one cannot be written: the name under which each is written first leads elsewhere.
   * @param to `/dev/full` fails as a full disk does
   * @param spoiled links that are there already; gets those that are new
   */
  async spoilCheckpoints(to: string, spoiled: Set<string>): Promise<void> {
    const { checkpointFolder } = this.world;
    await eventually(() => this.world.hasCheckpoint(), { what: 'a checkpoint', intervalMs: 20 });
    const shards = (await readdir(checkpointFolder)).filter((file) => /^shardId-.*\.json$/.test(file));
    for (const link of shards.map((file) => join(checkpointFolder, `.${file}.tmp`))) {
      if (spoiled.has(link)) continue;
      // Never under the hands of a write: what it writes would get the file's name.
      for (let placed: boolean | undefined = false; placed !== true;) {
        placed = await this.#whileFrozen(async () => {
          const inUse = await readFile(link).then(
            () => true,
            () => false,
          );
          if (inUse) return false;
          await symlink(to, link);
          return true;
        });
      }
      spoiled.add(link);
    }
  }

  /** Stops every thread of ingest for a moment. @returns undefined where it ended meanwhile */
  async #whileFrozen<T>(work: () => Promise<T>): Promise<T | undefined> {
    const { process: child } = this;
    child.kill('SIGSTOP');
    try {
      await eventually(
        async () =>
          child.ended !== undefined ||
          /^State:\s+T/m.test(await readFile(`/proc/${child.pid ?? 0}/status`, 'utf8').catch(() => '')),
        { what: 'a stopped ingest', intervalMs: 1 },
      );
      await sleep(2);
      return child.ended === undefined ? await work() : undefined;
    } finally {
      child.kill('SIGCONT');
      await sleep(2);
    }
  }

  /** Counts a fault that no proxy has injected. */
  count(kind: string): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  /** How often each kind was injected. */
  injected(): Map<string, number> {
    const out = new Map(this.#counts);
    for (const proxy of [this.influx, this.kinesis, this.s3]) for (const [kind, n] of proxy.injected) out.set(kind, n);
    return out;
  }
}
