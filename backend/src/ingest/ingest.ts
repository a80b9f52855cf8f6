import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { UserpulseError } from '../errors.ts';
import type { Schema } from '../schema/buckets.ts';
import type { ArchiveWriter } from '../archive/archive-writer.ts';
import type { PointSink } from '../influx/point-sink.ts';
import type { WrittenNotice } from './batch.ts';
import { Batcher } from './batcher.ts';
import { ByteBudget } from '../memory/byte-budget.ts';
import type { CheckpointStore, StoredCheckpoints } from '../checkpoint/checkpoint-store.ts';
import { withCompleteTo, withDone, type ShardCheckpoint, type StartPosition } from '../checkpoint/checkpoint.ts';
import { after, isAborted, systemClock, type Clock } from '../clock.ts';
import { Lane } from './lane.ts';
import { Semaphore } from '../semaphore.ts';
import type { IngestMetrics } from './metrics.ts';
import { openCheckpoints } from './opening.ts';
import { EventPlacer } from './place-events.ts';
import { segmentToSeal } from './pressure.ts';
import { RejectGuard } from './reject-guard.ts';
import type { IngestRuntime } from './runtime.ts';
import { ShardArchive } from './shard-archive.ts';
import { CheckpointCell, checkpointOutage, saveDurably, type SaveContext } from '../checkpoint/checkpoint-cell.ts';
import type { ShardInfo } from '../kinesis/stream-source.ts';
import { readShard, type ShardReaderOptions } from './shard-reader.ts';
import { ShardSchedule } from './shard-schedule.ts';
import { StreamCalls } from './stream-calls.ts';
import type { StreamSource } from '../kinesis/stream-source.ts';
import { warmUp } from './warm-up.ts';

/** Settings of ingest; see config.ts for what they mean and their bounds. */
export interface IngestSettings {
  readonly start: StartPosition | { readonly kind: 'latest' };
  readonly onTrimmed: 'stop' | 'continue';
  readonly maxAheadMs: number;
  readonly rejectMaxRatio: number;
  readonly rejectMinRecords: number;
  readonly rejectWindowMs: number;
  readonly pollIntervalMs: number;
  readonly batchMaxLines: number;
  readonly batchMaxAgeMs: number;
  readonly bufferMaxBytes: number;
  readonly archiveMaxBytes: number;
  readonly archiveMaxAgeMs: number;
  readonly drainMs: number;
}

export interface IngestOptions {
  readonly source: StreamSource;
  readonly sink: PointSink;
  readonly archive: ArchiveWriter;
  readonly checkpoints: CheckpointStore;
  readonly schema: Schema;
  readonly settings: IngestSettings;
  readonly logger: Logger;
  /** Made before, so that sinks can count there too. */
  readonly runtime: IngestRuntime;
  /** Abort to stop: what was read is still written, within `drainMs`. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Called after points have become visible in InfluxDB. */
  readonly onWritten?: (notice: WrittenNotice) => void;
  /** Points that are remembered against collisions; tests use fewer. */
  readonly offsetCapacity?: number;
}

export interface ShardStatus {
  readonly shardId: string;
  readonly state: string;
  readonly millisBehindLatest: number;
  /** ms; 0 = not read yet */
  readonly lastReadMs: number;
  readonly checkpoint: string | null;
  readonly unwrittenRecords: number;
  readonly unarchivedRecords: number;
  /** Arrival times (ms) up to which everything is durable. */
  readonly influxWatermarkMs: number;
  readonly archiveWatermarkMs: number;
}

/**
 * ```
 *   opening ──▶ warming ──▶ running ──stop, or a failure──▶ draining ──▶ stopped
 *      └───────────┴── stop, or a failure ─────────────────────────────────▲
 * ```
 */
export type IngestMode = 'opening' | 'warming' | 'running' | 'draining' | 'stopped';

export interface IngestStatus {
  readonly mode: IngestMode;
  /** Since when (ms) the stream cannot be read. */
  readonly streamTroubleSinceMs: number | undefined;
  readonly inflightBytes: number;
  readonly shards: readonly ShardStatus[];
}

export interface Ingest {
  /**
   * Resolves after a stop when everything that was read is durable.
   * @throws UserpulseError why ingest has ended otherwise: `checkpoint_locked`, `checkpoint_unusable`, `checkpoint_trimmed`, `archive_conflict`,
   *   `stream_not_found`, `too_many_rejected`, `drain_timeout`
   */
  readonly done: Promise<void>;
  status(): IngestStatus;
}

/** Reads the stream into InfluxDB and archive until the signal is aborted. */
export function startIngest(options: IngestOptions): Ingest {
  const ingestion = new Ingestion(options);
  return { done: ingestion.run(), status: () => ingestion.status() };
}

/** How often ages are looked at. */
const TICK_MS = 250;
/** How stale the checkpoint of a quiet shard may get; see ShardCheckpoint.completeToMs. */
const QUIET_SAVE_MS = 300_000;
const MAX_IN_FLIGHT = 4;
/**
 * Share of the byte budget for records that are not written yet. Reading further ahead brings nothing, since writing is what takes time; it only makes
 * more for the garbage collector to move about. The rest is for open archive segments, which grow for minutes.
 */
const READ_AHEAD = 2 / 5;
const MAX_PUTS = 4;

class Ingestion {
  readonly #o: IngestOptions;
  readonly #clock: Clock;
  readonly #metrics: IngestMetrics;
  readonly #budget: ByteBudget;
  /** The part of the budget that records may take between the stream and InfluxDB. */
  readonly #unwritten: ByteBudget;
  readonly #placer: EventPlacer;
  readonly #batcher: Batcher;
  readonly #puts = new Semaphore(MAX_PUTS);
  readonly #saves: SaveContext;
  readonly #calls: StreamCalls;
  /** Aborted by a stop or a failure: nothing more is read. */
  readonly #stop = new AbortController();
  /** Aborted when draining has taken too long: nothing more is written. */
  readonly #deadline = new AbortController();
  readonly #lanes = new Map<string, Lane>();
  readonly #tasks = new Set<Promise<void>>();
  #mode: IngestMode = 'opening';
  #schedule: ShardSchedule | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: IngestOptions) {
    this.#o = options;
    this.#clock = options.clock ?? systemClock;
    this.#metrics = options.runtime.metrics;
    options.runtime.ingestion = {
      live: () => ({
        inflightBytes: this.#budget.used,
        lanes: [...this.#lanes.values()],
        waiting: this.#schedule?.waiting ?? 0,
        relocations: this.#placer.relocations,
        nowMs: this.#clock.now(),
      }),
    };
    // Every shard, sleep and request listens to these: more than the ten that Node takes for a leak.
    setMaxListeners(0, this.#stop.signal, this.#deadline.signal);
    const { settings } = options;
    this.#budget = new ByteBudget(settings.bufferMaxBytes, () => this.#relievePressure());
    this.#unwritten = new ByteBudget(Math.floor(settings.bufferMaxBytes * READ_AHEAD), undefined, this.#budget);
    this.#placer = new EventPlacer({
      schema: options.schema,
      maxAheadMs: settings.maxAheadMs,
      ...(options.offsetCapacity === undefined ? {} : { offsetCapacity: options.offsetCapacity }),
    });
    this.#calls = new StreamCalls({
      source: options.source,
      clock: this.#clock,
      signal: this.#stop.signal,
      metrics: this.#metrics,
      logger: options.logger,
      onTrimmed: settings.onTrimmed,
    });
    this.#saves = {
      store: options.checkpoints,
      clock: this.#clock,
      signal: this.#deadline.signal,
      outage: checkpointOutage(options.logger, this.#clock),
      onRetry: (reason) => this.#metrics.retries.inc({ target: 'checkpoint', reason }),
    };
    this.#batcher = new Batcher({
      sink: options.sink,
      placer: this.#placer,
      metrics: this.#metrics,
      guard: new RejectGuard(this.#clock, {
        maxRatio: settings.rejectMaxRatio,
        minRecords: settings.rejectMinRecords,
        windowMs: settings.rejectWindowMs,
      }),
      clock: this.#clock,
      maxLines: settings.batchMaxLines,
      maxAgeMs: settings.batchMaxAgeMs,
      maxInFlight: MAX_IN_FLIGHT,
      signal: this.#deadline.signal,
      onWritten: (notice, oldestArrivalMs) => {
        this.#metrics.visibleSeconds.observe(Math.max(0, this.#clock.now() - oldestArrivalMs) / 1000);
        options.onWritten?.(notice);
      },
      onSettled: () => this.#relievePressure(),
      onFailure: (error) => {
        for (const lane of this.#lanes.values()) lane.fail(error);
        this.#fail(error);
      },
    });
  }

  status(): IngestStatus {
    return {
      mode: this.#mode,
      streamTroubleSinceMs: this.#calls.troubleSinceMs,
      inflightBytes: this.#budget.used,
      shards: [...this.#lanes.values()].map((lane) => ({
        shardId: lane.shardId,
        state: lane.mode,
        millisBehindLatest: lane.millisBehindLatest,
        lastReadMs: lane.lastReadMs,
        checkpoint: lane.cell.value.sequenceNumber,
        unwrittenRecords: lane.unwritten,
        unarchivedRecords: lane.unwritten + lane.archive.heldRecords,
        influxWatermarkMs: lane.influxWatermarkMs(),
        archiveWatermarkMs: lane.archiveWatermarkMs(),
      })),
    };
  }

  async run(): Promise<void> {
    const { signal, logger, checkpoints, settings } = this.#o;
    const onStop = (): void => this.#beginStop();
    signal.addEventListener('abort', onStop, { once: true });
    if (signal.aborted) this.#stop.abort(signal.reason);
    let cancelDeadline: (() => void) | undefined;
    const startDeadline = (): void => {
      cancelDeadline = after(this.#clock, settings.drainMs, () => this.#deadline.abort(this.#drainTimeout()));
    };
    if (isAborted(this.#stop.signal)) startDeadline();
    else this.#stop.signal.addEventListener('abort', startDeadline, { once: true });
    let ticker: Promise<void> | undefined;
    try {
      const { stored, start } = await openCheckpoints({
        saves: this.#untilStop(),
        calls: this.#calls,
        start: settings.start,
        logger,
      });
      this.#become('warming');
      const listed = await this.#listShards();
      const resume = await warmUp(
        { ...this.#reading(), placer: this.#placer },
        {
          stored: [...stored.shards.values()],
          listed,
          createLane: (shard, checkpoint) => this.#createLane(shard, checkpoint),
        },
      );
      this.#become('running');
      ticker = this.#tick();
      this.#schedule = this.#scheduleOf(stored, (lane) => this.#readLane(lane, start, resume.get(lane.shardId)));
      await this.#schedule.run(listed);
    } catch (error) {
      // Stopped while waiting for something: not a failure.
      if (!this.#stop.signal.aborted) this.#fail(error);
    }
    this.#become('draining');
    logger.info({ records: this.#heldRecords(), bytes: this.#budget.used }, 'Draining: writing what was read.');
    this.#batcher.flush();
    // A lane that was only warmed up may have a pending range on its way.
    const unstarted = [...this.#lanes.values()].filter((lane) => this.#schedule?.hasStarted(lane.shardId) !== true);
    await Promise.allSettled([...this.#tasks, ...unstarted.map((lane) => lane.settle())]);
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
    logger.info('Everything that was read is written.');
  }

  #become(mode: IngestMode): void {
    this.#mode = mode;
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
    const shards = [...this.#lanes.values()].filter((lane) => !lane.settled).length;
    return new UserpulseError(
      'drain_timeout',
      `${this.#heldRecords()} records of ${shards} ${shards === 1 ? 'shard' : 'shards'} were read and could not be written to every sink within ${this.#o.settings.drainMs} ms (USERPULSE_DRAIN_MS).`,
      { hint: 'Nothing is lost: the next start reads them again. The log says which sink was slow or away.' },
    );
  }

  #heldRecords(): number {
    let records = 0;
    for (const lane of this.#lanes.values()) records += lane.unwritten + lane.archive.heldRecords;
    return records;
  }

  /** For saves that a stop may break off, because nothing that was read depends on them. */
  #untilStop(): SaveContext {
    return { ...this.#saves, signal: this.#stop.signal };
  }

  #listShards(): Promise<readonly ShardInfo[]> {
    return this.#calls.call(() => this.#o.source.listShards(this.#stop.signal));
  }

  /** How every reader of the stream reads, live or again. */
  #reading(): Pick<
    ShardReaderOptions,
    'source' | 'clock' | 'signal' | 'pageBytes' | 'onRetry' | 'onSuccess' | 'onGap'
  > {
    const { onRetry, onSuccess, onGap } = this.#calls;
    return {
      source: this.#o.source,
      clock: this.#clock,
      signal: this.#stop.signal,
      pageBytes: this.#pageBytes(),
      onRetry,
      onSuccess,
      onGap,
    };
  }

  #scheduleOf(stored: StoredCheckpoints, read: (lane: Lane) => Promise<boolean>): ShardSchedule {
    const { source, checkpoints } = this.#o;
    return new ShardSchedule({
      stored: stored.shards,
      clock: this.#clock,
      signal: this.#stop.signal,
      listShards: () => this.#listShards(),
      isDone: (shardId) => this.#lanes.get(shardId)?.mode === 'done',
      start: (shard, checkpoint) => {
        const lane = this.#lanes.get(shard.shardId) ?? this.#createLane(shard, checkpoint);
        this.#batcher.add(lane);
        const task = this.#runLane(lane, read).finally(() => this.#tasks.delete(task));
        this.#tasks.add(task);
        // Its failure has been noted by then.
        task.catch(() => undefined);
      },
      onLost: async ({ shardId, sequenceNumber, completeToMs }) => {
        const { retentionMs } = await this.#calls.call(() => source.describe(this.#stop.signal));
        this.#calls.onGap({ shardId, sequenceNumber, completeToMs, retentionMs });
      },
      forget: async (shardId) => {
        this.#lanes.delete(shardId);
        await saveDurably(this.#untilStop(), () => checkpoints.removeShard(shardId));
      },
    });
  }

  #createLane(shard: ShardInfo, checkpoint: ShardCheckpoint): Lane {
    const { settings } = this.#o;
    const cell = new CheckpointCell(checkpoint, this.#saves);
    const archive: ShardArchive = new ShardArchive({
      shardId: shard.shardId,
      cell,
      archive: this.#o.archive,
      budget: this.#budget,
      clock: this.#clock,
      signal: this.#deadline.signal,
      puts: this.#puts,
      maxBytes: settings.archiveMaxBytes,
      maxAgeMs: settings.archiveMaxAgeMs,
      onAppended: (records) => lane.releaseCharge(records),
      onObject: (object) => {
        const { kind } = object;
        this.#metrics.archiveObjects.inc({ kind });
        this.#metrics.archiveLines.inc({ kind }, object.lines);
        this.#metrics.archiveBytes.inc({ kind }, object.bytes);
        this.#o.logger.debug({ key: object.key, lines: object.lines, bytes: object.bytes }, 'Archive object written.');
      },
      onProgress: () => this.#relievePressure(),
      onFailure: (error) => {
        lane.fail(error);
        this.#fail(error);
      },
      completeToMs: (archiveEmpty, lastArrivalMs) => lane.completeToMs(archiveEmpty, lastArrivalMs),
    });
    const lane: Lane = new Lane({
      shardId: shard.shardId,
      hashRange: shard.hashRange,
      cell,
      archive,
      budget: this.#unwritten,
      now: () => this.#clock.now(),
    });
    this.#lanes.set(shard.shardId, lane);
    return lane;
  }

  /** One shard from its checkpoint to its end, or to a stop. */
  async #runLane(lane: Lane, read: (lane: Lane) => Promise<boolean>): Promise<void> {
    try {
      const ended = await read(lane);
      lane.become(ended ? 'ending' : 'draining');
      await lane.settle();
      if (ended) {
        await lane.cell.update(withDone);
        lane.become('done');
        this.#batcher.remove(lane);
        this.#o.logger.info({ shardId: lane.shardId }, 'A shard is read to its end; its children may begin.');
        this.#schedule?.lookSoon();
      }
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /**
   * @param resume the last record that needs no reading any more, where warming up has found it
   * @returns whether the shard's end was reached
   */
  async #readLane(lane: Lane, start: StartPosition, resume: string | null | undefined): Promise<boolean> {
    const signal = AbortSignal.any([this.#stop.signal, lane.abandoned]);
    setMaxListeners(0, signal);
    const { completeToMs, sequenceNumber: checkpoint } = lane.cell.value;
    const sequenceNumber = resume ?? checkpoint;
    this.#o.logger.info({ shardId: lane.shardId, after: sequenceNumber }, 'Reading a shard.');
    const pages = readShard({
      ...this.#reading(),
      shardId: lane.shardId,
      signal,
      start,
      after: { sequenceNumber, completeToMs },
      pollIntervalMs: this.#o.settings.pollIntervalMs,
      budget: this.#unwritten,
    });
    try {
      for await (const page of pages) {
        lane.accept(page.records, page);
        if (page.records.length > 0) this.#batcher.pump();
        if (page.ended) return true;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return false;
  }

  /** Small enough that many shards fit side by side, large enough that four a second reach the quota of 2 MB/s. */
  #pageBytes(): number {
    return Math.min(512 * 1024, Math.max(64 * 1024, Math.floor(this.#o.settings.bufferMaxBytes / 8)));
  }

  /** Frees bytes where open archive segments hold too many of them. */
  #relievePressure(): void {
    const lanes = [...this.#lanes.values()];
    const choice = segmentToSeal(
      lanes.map((lane) => ({
        openBytes: lane.archive.openBytes,
        queuedBytes: lane.queuedBytes,
        sealing: lane.archive.mode !== 'open',
      })),
      { maxBytes: this.#budget.maxBytes, waiters: this.#budget.waiters },
    );
    if (choice !== undefined) lanes[choice]?.archive.seal();
  }

  async #tick(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      for (const lane of this.#lanes.values()) {
        lane.archive.tick();
        this.#saveQuiet(lane);
      }
      this.#relievePressure();
      try {
        await this.#clock.sleep(TICK_MS, signal);
      } catch {
        return;
      }
    }
  }

  /** A quiet shard's checkpoint says now and then that nothing is missing: or its last record would look lost when it is trimmed. */
  #saveQuiet(lane: Lane): void {
    if (lane.mode !== 'reading' || !lane.settled || lane.tipMs - lane.cell.value.completeToMs < QUIET_SAVE_MS) return;
    const completeToMs = lane.tipMs;
    lane.cell
      .update((checkpoint) => withCompleteTo(checkpoint, completeToMs))
      .catch((error: unknown) => {
        lane.fail(error);
        this.#fail(error);
      });
  }
}
