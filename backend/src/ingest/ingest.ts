import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import type { ArchiveWriter } from '../archive/archive-writer.ts';
import { CheckpointCell, checkpointOutage, saveDurably, type SaveContext } from '../checkpoint/checkpoint-cell.ts';
import type { CheckpointStore, StoredCheckpoints } from '../checkpoint/checkpoint-store.ts';
import { LeaseLostError } from '../checkpoint/lease-lost.ts';
import type { ShardLease, ShardLeases } from '../checkpoint/shard-leases.ts';
import {
  withHold,
  withoutHold,
  type ShardCheckpoint,
  type ShardHold,
  type StartPosition,
} from '../checkpoint/checkpoint.ts';
import type { Erase } from '../event/parse.ts';
import { holdHint, holdText } from '../checkpoint/hold.ts';
import { after, isAborted, systemClock, type Clock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import { sentence } from '../format.ts';
import type { PointSink } from '../influx/point-sink.ts';
import type { OpenFeed } from '../kinesis/shard-feed.ts';
import type { ShardInfo, StreamSource } from '../kinesis/stream-source.ts';
import { ByteBudget, segmentToSeal } from '../memory/byte-budget.ts';
import { formatsOf, type Schema } from '../schema/buckets.ts';
import { Semaphore } from '../semaphore.ts';
import { StateMachine, type Edges } from '../state-machine.ts';
import { OffsetAllocator } from './allocate.ts';
import type { WrittenNotice } from './batch.ts';
import { Batcher } from './batcher.ts';
import { registerGauges, type IngestMetrics } from './metrics.ts';
import { RejectGuard } from './reject-guard.ts';
import { readShard, type ReadContext, type ReadPage } from './shard-reader.ts';
import { ShardSchedule } from './shard-schedule.ts';
import { Shard, type ShardContext } from './shard.ts';
import type { Compression } from '../event/decompress.ts';
import type { Split } from '../event/split.ts';
import { openCheckpoints, openLeases, redoPendingRange, warmUp, type RereadContext } from './startup.ts';
import type { IngestMode, IngestStatus, SinkTrouble } from './status.ts';
import { StreamCalls } from './stream-calls.ts';

/** Settings of ingest; see config.ts for what they mean and their bounds. */
export interface IngestSettings {
  readonly start: StartPosition | { readonly kind: 'latest' };
  readonly onTrimmed: 'stop' | 'continue';
  readonly maxAheadMs: number;
  readonly decompress: readonly Compression[];
  readonly split: readonly Split[];
  readonly rejectMaxRatio: number;
  readonly rejectMinRecords: number;
  readonly rejectWindowMs: number;
  readonly batchMaxLines: number;
  readonly batchMaxAgeMs: number;
  readonly bufferMaxBytes: number;
  readonly archiveMaxBytes: number;
  readonly archiveMaxAgeMs: number;
  readonly drainMs: number;
}

export interface IngestOptions {
  readonly source: StreamSource;
  /** How new records are read. Those that an earlier run has read are always polled. */
  readonly feed: OpenFeed;
  readonly sink: PointSink;
  readonly archive: ArchiveWriter;
  /** Of all shards, for this process alone; or leases, where several share the stream. */
  readonly checkpoints: CheckpointStore | ShardLeases;
  readonly schema: Schema;
  readonly settings: IngestSettings;
  /** What is left of events that name someone who has been forgotten; absent: nobody has. */
  readonly erase?: Erase | undefined;
  readonly logger: Logger;
  /** Made before, so that sinks can count there too. */
  readonly metrics: IngestMetrics;
  /** Abort to stop: what was read is still written, within `drainMs`. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Called after points have become visible in InfluxDB. */
  readonly onWritten?: (notice: WrittenNotice) => void;
  /** Points that are remembered against collisions; tests use fewer. */
  readonly offsetCapacity?: number;
}

export interface Ingest {
  /**
   * Resolves after a stop when everything that was read is durable.
   * @throws UserpulseError why ingest has ended otherwise: `checkpoint_locked`, `checkpoint_unusable`, `checkpoint_trimmed`, `archive_conflict`,
   *   `stream_not_found`, `drain_timeout`
   */
  readonly done: Promise<void>;
  status(): IngestStatus;
}

/** Reads the stream into InfluxDB and archive until the signal is aborted. */
export function startIngest(options: IngestOptions): Ingest {
  const ingestion = new Ingestion(options);
  return { done: ingestion.run(), status: () => ingestion.status() };
}

/** How often a held shard looks whether it is released, and how often the log says that it is held. */
const RELEASE_POLL_MS = 2_000;
const HELD_LOG_MS = 600_000;
/** How often ages are looked at. */
const TICK_MS = 250;
/** Batches written at a time. */
const MAX_IN_FLIGHT = 4;
/** Archive objects written at a time. */
const MAX_PUTS = 4;
/**
 * Share of the byte budget for records that are not written yet. Reading further ahead brings nothing, since writing is what takes time; it only makes
 * more for the garbage collector to move about. The rest is for open archive segments, which grow for minutes.
 */
const READ_AHEAD = 2 / 5;

/** Drawn at {@link IngestMode}. */
const EDGES: Edges<IngestMode> = {
  opening: ['warming', 'draining'],
  warming: ['running', 'draining'],
  running: ['draining'],
  draining: ['stopped'],
  stopped: [],
};

class Ingestion {
  readonly #o: IngestOptions;
  readonly #clock: Clock;
  readonly #mode = new StateMachine('Ingest', EDGES, 'opening');
  readonly #budget: ByteBudget;
  readonly #allocator: OffsetAllocator;
  readonly #batcher: Batcher;
  readonly #guard: RejectGuard;
  readonly #saves: SaveContext;
  readonly #calls: StreamCalls;
  readonly #reading: ReadContext;
  readonly #shardContext: ShardContext;
  /** Aborted by a stop or a failure: nothing more is read. */
  readonly #stop = new AbortController();
  /** Aborted when draining has taken too long: nothing more is written. */
  readonly #deadline = new AbortController();
  readonly #shards = new Map<string, Shard>();
  readonly #tasks = new Set<Promise<void>>();
  #schedule: ShardSchedule | undefined;
  #failure: { readonly error: unknown } | undefined;
  #relieving = false;

  constructor(options: IngestOptions) {
    this.#o = options;
    const clock = (this.#clock = options.clock ?? systemClock);
    const { settings, logger, metrics, source } = options;
    const stop = this.#stop.signal;
    const deadline = this.#deadline.signal;
    // Every shard, sleep and request listens to these: more than the ten that Node takes for a leak.
    setMaxListeners(0, stop, deadline);
    this.#budget = new ByteBudget(settings.bufferMaxBytes, () => this.#relieveSoon());
    this.#allocator = new OffsetAllocator({
      schema: options.schema,
      relocates: options.checkpoints.kind === 'store',
      ...(options.offsetCapacity === undefined ? {} : { offsetCapacity: options.offsetCapacity }),
    });
    this.#calls = new StreamCalls({ source, clock, signal: stop, metrics, logger, onTrimmed: settings.onTrimmed });
    this.#reading = { source, clock, signal: stop, pageBytes: pageBytes(settings), events: this.#calls };
    this.#saves = {
      url: options.checkpoints.url,
      clock,
      signal: deadline,
      outage: checkpointOutage(logger, clock),
      onRetry: (reason) => metrics.retries.inc({ target: 'checkpoint', reason }),
    };
    const { maxAheadMs, decompress, split } = settings;
    const decoding = { maxAheadMs, decompress, split, ids: formatsOf(options.schema) };
    this.#guard = new RejectGuard(clock, {
      maxRatio: settings.rejectMaxRatio,
      minRecords: settings.rejectMinRecords,
      windowMs: settings.rejectWindowMs,
    });
    this.#batcher = new Batcher({
      sink: options.sink,
      allocator: this.#allocator,
      metrics,
      decoding,
      erase: options.erase,
      clock,
      maxLines: settings.batchMaxLines,
      maxAgeMs: settings.batchMaxAgeMs,
      maxInFlight: MAX_IN_FLIGHT,
      deadline,
      onJudged: () => this.#holdBad(),
      onWritten: options.onWritten ?? (() => undefined),
    });
    onAbort(this.#batcher.failure, (error) => {
      for (const shard of this.#shards.values()) shard.fail(error);
      this.#fail(error);
    });
    this.#shardContext = {
      archive: options.archive,
      budget: this.#budget,
      unwritten: new ByteBudget(Math.floor(settings.bufferMaxBytes * READ_AHEAD), undefined, this.#budget),
      clock,
      begunMs: clock.now(),
      deadline,
      puts: new Semaphore(MAX_PUTS),
      maxBytes: settings.archiveMaxBytes,
      maxAgeMs: settings.archiveMaxAgeMs,
      decoding,
      metrics,
      logger,
      onQueued: () => this.#batcher.pump(),
    };
    registerGauges(metrics, () => ({
      inflightBytes: this.#budget.used,
      shards: this.status().shards,
      waiting: this.#schedule?.waiting ?? 0,
      relocations: this.#allocator.relocations,
      nowMs: clock.now(),
    }));
  }

  status(): IngestStatus {
    return {
      mode: this.#mode.state,
      streamTroubleSinceMs: this.#calls.troubleSinceMs,
      sinkTroubles: this.#sinkTroubles(),
      inflightBytes: this.#budget.used,
      shards: [...this.#shards.values()].map((shard) => shard.status()),
    };
  }

  #sinkTroubles(): readonly SinkTrouble[] {
    const since: readonly (readonly [SinkTrouble['sink'], number | undefined])[] = [
      ['influxdb', this.#o.sink.troubleSinceMs],
      ['archive', this.#o.archive.troubleSinceMs],
      ['checkpoint', this.#saves.outage.sinceMs],
    ];
    return since.flatMap(([sink, sinceMs]) => (sinceMs === undefined ? [] : [{ sink, sinceMs }]));
  }

  async run(): Promise<void> {
    const { signal, logger, checkpoints, settings } = this.#o;
    const onStop = (): void => this.#beginStop();
    signal.addEventListener('abort', onStop, { once: true });
    if (signal.aborted) this.#stop.abort(signal.reason);
    let cancelDeadline: (() => void) | undefined;
    onAbort(this.#stop.signal, () => {
      cancelDeadline = after(this.#clock, settings.drainMs, () => this.#deadline.abort(this.#drainTimeout()));
    });
    let ticker: Promise<void> | undefined;
    try {
      const read = await (checkpoints.kind === 'store' ? this.#openStore(checkpoints) : this.#openLeases(checkpoints));
      this.#become('running');
      ticker = this.#tick();
      await read();
    } catch (error) {
      // Stopped while waiting for something: not a failure.
      if (!this.#stop.signal.aborted) this.#fail(error);
    }
    this.#become('draining');
    logger.info({ records: this.#unarchivedRecords(), bytes: this.#budget.used }, 'Draining: writing what was read.');
    this.#batcher.flush();
    // A shard that was only warmed up may have a pending range on its way.
    const unstarted = [...this.#shards.values()].filter((shard) => shard.state === 'warming');
    await Promise.allSettled([...this.#tasks, ...unstarted.map((shard) => shard.settle())]);
    cancelDeadline?.();
    await ticker;
    this.#batcher.close();
    signal.removeEventListener('abort', onStop);
    this.#become('stopped');
    try {
      await checkpoints.close();
    } catch (error) {
      logger.warn(
        { err: error },
        'The checkpoint lock could not be removed; the next start finds that its holder is gone.',
      );
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    const { values } = await this.#o.metrics.recordsRead.get();
    logger.info({ records: values[0]?.value ?? 0 }, 'Everything that was read is written.');
  }

  /** All shards of the stream are this process's. @returns reads them until the stop */
  async #openStore(checkpoints: CheckpointStore): Promise<() => Promise<void>> {
    const { logger, settings } = this.#o;
    const { stored, start } = await openCheckpoints({
      checkpoints,
      saves: this.#untilStop(),
      calls: this.#calls,
      start: settings.start,
      logger,
    });
    this.#become('warming');
    const listed = await this.#listShards();
    const resume = await warmUp(this.#rereading(), {
      stored: [...stored.shards.values()],
      listed,
      createShard: (info, checkpoint) => this.#createShard(checkpoints, info, checkpoint, stored),
    });
    const schedule = this.#scheduleOf(checkpoints, stored, start, resume);
    this.#schedule = schedule;
    return () => schedule.run(listed);
  }

  /** Those shards are this process's whose leases it is given. @returns reads them until the stop */
  async #openLeases(leases: ShardLeases): Promise<() => Promise<void>> {
    const start = await openLeases({
      leases,
      saves: this.#untilStop(),
      calls: this.#calls,
      start: this.#o.settings.start,
    });
    this.#become('warming');
    return async () => {
      for await (const lease of leases.given(this.#stop.signal)) this.#track(this.#runLease(leases, lease, start));
    };
  }

  #rereading(): RereadContext {
    return {
      reading: this.#reading,
      allocator: this.#allocator,
      decoding: this.#shardContext.decoding,
      erase: this.#o.erase,
    };
  }

  /** Until it has ended, a stop waits for it. */
  #track(run: Promise<void>): void {
    const task = run.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  /** One shard as long as this process has its lease. */
  async #runLease(leases: ShardLeases, lease: ShardLease, start: StartPosition): Promise<void> {
    const { shardId, checkpoint } = lease;
    const { logger } = this.#o;
    logger.info(
      { shardId, after: checkpoint.sequenceNumber, pending: checkpoint.pending !== null },
      'A lease is given.',
    );
    const cell = new CheckpointCell(checkpoint, this.#saves, (value) => lease.save(value));
    try {
      const listed = await this.#listShards();
      const info = listed.find((one) => one.shardId === shardId);
      if (info === undefined) {
        const { retentionMs } = await this.#calls.call(() => this.#o.source.describe(this.#stop.signal));
        const { sequenceNumber, completeToMs, done } = checkpoint;
        if (!done) this.#calls.gap({ shardId, sequenceNumber, completeToMs, retentionMs });
        lease.end([]);
        return;
      }
      if (!checkpoint.done) {
        // A held shard asks again: see whenReleased.
        const releasedToMs = await leases.releasedToMs(shardId).catch((error: unknown) => {
          logger.warn({ err: error, shardId }, 'Whether the shard is released cannot be read.');
          return 0;
        });
        const rejects = this.#guard.watch(shardId, releasedToMs);
        const leased = this.#adopt(new Shard(info, cell, rejects, this.#shardContext));
        onAbort(lease.lost, (error) => this.#withCell(cell)?.lose(error));
        const redone = await redoPendingRange(this.#rereading(), leased);
        if (isAborted(leased.failure)) return;
        if ((await this.#runShard(leased, info, start, redone)) !== 'done') return;
      }
      const children = (await this.#listShards()).filter(({ parents }) => parents.includes(shardId));
      lease.end(children);
    } catch (error) {
      if (!isAborted(this.#stop.signal) && !isAborted(lease.lost)) this.#fail(error);
    } finally {
      if (isAborted(lease.lost)) logger.info({ shardId }, 'A lease is lost; another worker goes on with the shard.');
      const last = this.#withCell(cell);
      if (last !== undefined) {
        this.#shards.delete(shardId);
        this.#batcher.remove(last);
        this.#guard.forget(shardId);
      }
    }
  }

  /** The present life of the shard with this checkpoint. A lease that was lost and given again is another one. */
  #withCell(cell: CheckpointCell): Shard | undefined {
    return [...this.#shards.values()].find(({ checkpoint }) => checkpoint === cell);
  }

  #become(mode: IngestMode): void {
    this.#mode.become(mode);
    this.#o.logger.debug({ mode }, 'Ingest mode');
  }

  #beginStop(): void {
    this.#stop.abort(new UserpulseError('aborted', 'Ingest stops.'));
    this.#schedule?.lookSoon();
  }

  /** The first failure ends ingest; what other shards have read is still written. */
  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#o.logger.error({ err: error }, 'Ingest stops after a failure.');
    this.#beginStop();
  }

  #drainTimeout(): UserpulseError {
    const shards = [...this.#shards.values()].filter((shard) => !shard.settled).length;
    return new UserpulseError(
      'drain_timeout',
      `${this.#unarchivedRecords()} records of ${shards} ${shards === 1 ? 'shard' : 'shards'} were read and could not be written to every sink within ${this.#o.settings.drainMs} ms (USERPULSE_DRAIN_MS).`,
      { hint: 'Nothing is lost: the next start reads them again. The log says which sink was slow or away.' },
    );
  }

  #unarchivedRecords(): number {
    let records = 0;
    for (const shard of this.#shards.values()) records += shard.unarchivedRecords;
    return records;
  }

  /** For saves that a stop may break off, because nothing that was read depends on them. */
  #untilStop(): SaveContext {
    return { ...this.#saves, signal: this.#stop.signal };
  }

  #listShards(): Promise<readonly ShardInfo[]> {
    return this.#calls.call(() => this.#o.source.listShards(this.#stop.signal));
  }

  /** @param resume per shard the last record that needs no reading any more, where warming up has found it */
  #scheduleOf(
    checkpoints: CheckpointStore,
    stored: StoredCheckpoints,
    start: StartPosition,
    resume: ReadonlyMap<string, string | null>,
  ): ShardSchedule {
    const { source } = this.#o;
    return new ShardSchedule({
      stored: stored.shards,
      clock: this.#clock,
      signal: this.#stop.signal,
      listShards: () => this.#listShards(),
      isDone: (shardId) => this.#shards.get(shardId)?.state === 'done',
      start: (info, checkpoint) => {
        const shard = this.#shards.get(info.shardId) ?? this.#createShard(checkpoints, info, checkpoint, stored);
        this.#track(
          this.#runShard(shard, info, start, resume.get(info.shardId)).then((end) => {
            if (end === 'done') this.#schedule?.lookSoon();
          }),
        );
      },
      onLost: async ({ shardId, sequenceNumber, completeToMs }) => {
        const { retentionMs } = await this.#calls.call(() => source.describe(this.#stop.signal));
        this.#calls.gap({ shardId, sequenceNumber, completeToMs, retentionMs });
      },
      forget: async (shardId) => {
        this.#shards.delete(shardId);
        this.#guard.forget(shardId);
        await saveDurably(this.#untilStop(), () => checkpoints.removeShard(shardId));
      },
    });
  }

  #createShard(
    checkpoints: CheckpointStore,
    info: ShardInfo,
    checkpoint: ShardCheckpoint,
    stored: StoredCheckpoints,
  ): Shard {
    const { shardId } = info;
    const rejects = this.#guard.watch(shardId, stored.releases.get(shardId) ?? 0);
    const cell = new CheckpointCell(checkpoint, this.#saves, (value) => checkpoints.saveShard(value));
    return this.#adopt(new Shard(info, cell, rejects, this.#shardContext));
  }

  #adopt(shard: Shard): Shard {
    this.#shards.set(shard.shardId, shard);
    onAbort(shard.failure, (error) => {
      if (error instanceof LeaseLostError) shard.lose(error);
      else this.#fail(error);
    });
    return shard;
  }

  /**
   * One shard from its checkpoint to its end, or to a stop, with as many lives as it is held. Its failure, if any, is {@link Shard.failure}'s to
   * tell.
   */
  async #runShard(
    first: Shard,
    info: ShardInfo,
    start: StartPosition,
    resume: string | null | undefined,
  ): Promise<'done' | 'stopped' | 'failed'> {
    let shard: Shard | undefined = first;
    let known = resume;
    while (shard !== undefined) {
      this.#batcher.add(shard);
      const end = await shard.run(this.#pages(shard, start, known)).catch(() => 'failed' as const);
      if (end === 'failed' || end === 'stopped') return end;
      this.#batcher.remove(shard);
      if (end === 'done') break;
      shard = await this.#whenReleased(shard, info);
      known = undefined;
    }
    if (shard === undefined) return 'stopped';
    this.#guard.forget(shard.shardId);
    this.#o.logger.info({ shardId: shard.shardId }, 'A shard is read to its end; its children may begin.');
    return 'done';
  }

  #holdBad(): void {
    for (const { shardId, reason } of this.#guard.bad()) {
      this.#guard.forget(shardId);
      const shard = this.#shards.get(shardId);
      const hold: ShardHold = { sinceMs: this.#clock.now(), reason };
      if (shard?.holdBack(hold) === true) this.#logHeld(shardId, hold);
    }
  }

  #logHeld(shardId: string, hold: ShardHold): void {
    this.#o.logger.error({ shardId }, `${sentence(holdText(shardId, hold))} ${holdHint([shardId])}`);
  }

  /** @returns the next life of a held shard; undefined at a stop or a failure */
  async #whenReleased(held: Shard, info: ShardInfo): Promise<Shard | undefined> {
    const { shardId, hold, checkpoint, rejects } = held;
    const { checkpoints, logger } = this.#o;
    const signal = AbortSignal.any([this.#stop.signal, held.failure]);
    setMaxListeners(0, signal);
    if (hold === undefined) throw new Error(`${shardId} is not held.`);
    try {
      // Not before its pending range is durable: that would have ended the hold.
      await checkpoint.update((value) => withHold(value, hold));
      let loggedMs = this.#clock.now();
      let unreadable = false;
      for (;;) {
        await this.#clock.sleep(RELEASE_POLL_MS, signal);
        const releasedToMs = await checkpoints.releasedToMs(shardId).catch((error: unknown) => {
          if (!unreadable)
            logger.warn({ err: error, shardId }, 'Whether the shard is released cannot be read. Trying again.');
          unreadable = true;
          return 0;
        });
        if (releasedToMs > rejects.releasedToMs) {
          logger.info({ shardId, until: new Date(releasedToMs).toISOString() }, `Shard ${shardId} is released.`);
          await checkpoint.update(withoutHold);
          const window = this.#guard.watch(shardId, releasedToMs);
          return this.#adopt(new Shard(info, checkpoint, window, this.#shardContext, held.archive.marks));
        }
        if (this.#clock.now() - loggedMs < HELD_LOG_MS) continue;
        loggedMs = this.#clock.now();
        this.#logHeld(shardId, hold);
      }
    } catch (error) {
      if (!isAborted(signal)) held.fail(error);
      return undefined;
    }
  }

  /** @param resume the last record that needs no reading any more, where warming up has found it */
  #pages(shard: Shard, start: StartPosition, resume: string | null | undefined): AsyncIterable<ReadPage> {
    const { shardId, checkpoint, failure, holding } = shard;
    const signal = AbortSignal.any([this.#stop.signal, failure, holding]);
    setMaxListeners(0, signal);
    const { completeToMs, sequenceNumber } = checkpoint.value;
    const known = { sequenceNumber: resume ?? sequenceNumber, completeToMs };
    this.#o.logger.info({ shardId, after: known.sequenceNumber }, 'Reading a shard.');
    return readShard({
      ...this.#reading,
      shardId,
      signal,
      start,
      after: known,
      feed: this.#o.feed,
      budget: this.#shardContext.unwritten,
    });
  }

  /** In a moment, because those who free bytes or wait for them are in the middle of it. */
  #relieveSoon(): void {
    if (this.#relieving) return;
    this.#relieving = true;
    queueMicrotask(() => {
      this.#relieving = false;
      this.#relievePressure();
    });
  }

  /** Frees bytes where open archive segments hold too many of them. */
  #relievePressure(): void {
    const shards = [...this.#shards.values()];
    const choice = segmentToSeal(
      shards.map((shard) => shard.held),
      this.#budget,
    );
    if (choice !== undefined) shards[choice]?.archive.flush();
  }

  async #tick(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      for (const shard of this.#shards.values()) shard.tick();
      this.#relievePressure();
      try {
        await this.#clock.sleep(TICK_MS, signal);
      } catch {
        return;
      }
    }
  }
}

/** Small enough that several shards fit side by side, large enough that a request costs little beside its records. */
function pageBytes({ bufferMaxBytes }: IngestSettings): number {
  return Math.min(1024 * 1024, Math.max(64 * 1024, Math.floor(bufferMaxBytes / 8)));
}

/** Once: now, where the signal is aborted already. */
function onAbort(signal: AbortSignal, run: (reason: unknown) => void): void {
  const abort = (): void => run(signal.reason);
  if (isAborted(signal)) abort();
  else signal.addEventListener('abort', abort, { once: true });
}
