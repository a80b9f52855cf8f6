import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { UserpulseError } from '../errors.ts';
import type { Schema } from '../schema/buckets.ts';
import type { Archive } from '../sinks/archive.ts';
import type { PointSink } from '../sinks/point-sink.ts';
import { OutageLog, retrying } from '../sinks/retry.ts';
import type { WrittenNotice } from './batch.ts';
import { Batcher } from './batcher.ts';
import { ByteBudget } from './budget.ts';
import {
  freshCheckpoint,
  type CheckpointStore,
  type ShardCheckpoint,
  type StartPosition,
  type StoredCheckpoints,
} from './checkpoint.ts';
import { after, isAborted, systemClock, type Clock } from './clock.ts';
import { Lane } from './lane.ts';
import { Limiter } from './limiter.ts';
import { createIngestMetrics, type IngestMetrics } from './metrics.ts';
import { EventPlacer } from './place-events.ts';
import { segmentToSeal } from './pressure.ts';
import { RejectGuard } from './reject-guard.ts';
import { ShardArchive } from './shard-archive.ts';
import { CheckpointCell, checkpointOutage, saveDurably, type SaveContext } from './shard-checkpoint.ts';
import { decideShards, type ShardInfo, type ShardProgress } from './shard-order.ts';
import { readShard, type Gap } from './shard-reader.ts';
import { SourceError, type StreamSource } from './stream-source.ts';
import { redoSealedRange, warmSlots, type RereadContext } from './warm-up.ts';
import { WARM_BOUNDS } from './warm-marks.ts';

/** Settings of ingest; see config.ts for what they mean and their bounds. */
export interface IngestSettings {
  readonly start: { readonly kind: 'trim_horizon' | 'latest' } | { readonly kind: 'time'; readonly ms: number };
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
  readonly archive: Archive;
  readonly checkpoints: CheckpointStore;
  readonly schema: Schema;
  readonly settings: IngestSettings;
  readonly logger: Logger;
  /** From {@link createIngestRuntime}, so that sinks can count there too. */
  readonly runtime: IngestRuntime;
  /** Abort to stop: what was read is still written, within `drainMs`. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Called after points have become visible in InfluxDB. */
  readonly onWritten?: (notice: WrittenNotice) => void;
  /** Points that are remembered against collisions; tests use fewer. */
  readonly slotCapacity?: number;
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

/** Metrics that ingest and its sinks share; made before either. */
export interface IngestRuntime {
  readonly metrics: IngestMetrics;
  /** Filled in by {@link startIngest}. */
  ingestion: { readonly live: () => LiveView } | undefined;
}

interface LiveView {
  readonly inflightBytes: number;
  readonly lanes: readonly Lane[];
  readonly waiting: number;
  readonly moves: number;
  readonly nowMs: number;
}

export function createIngestRuntime(registry: Registry): IngestRuntime {
  const runtime: { metrics?: IngestMetrics; ingestion: IngestRuntime['ingestion'] } = { ingestion: undefined };
  const live = (): LiveView | undefined => runtime.ingestion?.live();
  const ageSeconds = (watermark: (lane: Lane) => number): number => {
    const view = live();
    const lanes = view?.lanes.filter((lane) => lane.mode !== 'done') ?? [];
    if (view === undefined || lanes.length === 0) return 0;
    return Math.max(0, view.nowMs - Math.min(...lanes.map(watermark))) / 1000;
  };
  const metrics = createIngestMetrics(registry, {
    inflightBytes: () => live()?.inflightBytes ?? 0,
    millisBehindLatest: () =>
      (live()?.lanes ?? []).filter((l) => l.mode !== 'done').map((l) => [l.shardId, l.millisBehindLatest] as const),
    watermarkAgeSeconds: () => ({
      influxdb: ageSeconds((lane) => lane.influxWatermarkMs()),
      archive: ageSeconds((lane) => lane.archiveWatermarkMs()),
    }),
    shards: () => {
      const counts = new Map<string, number>([['waiting', live()?.waiting ?? 0]]);
      for (const lane of live()?.lanes ?? []) counts.set(lane.mode, (counts.get(lane.mode) ?? 0) + 1);
      return counts;
    },
    knownMoves: () => live()?.moves ?? 0,
  });
  runtime.metrics = metrics;
  return {
    metrics,
    get ingestion() {
      return runtime.ingestion;
    },
    set ingestion(value) {
      runtime.ingestion = value;
    },
  };
}

/** Reads the stream into InfluxDB and archive until the signal is aborted. */
export function startIngest(options: IngestOptions): Ingest {
  const ingestion = new Ingestion(options);
  return { done: ingestion.run(), status: () => ingestion.status() };
}

/** How often new shards are looked for; the end of a shard makes ingest look at once. */
const DISCOVERY_MS = 30_000;
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
const MAX_WARMING = 8;

class Ingestion {
  readonly #o: IngestOptions;
  readonly #clock: Clock;
  readonly #metrics: IngestMetrics;
  readonly #budget: ByteBudget;
  /** The part of the budget that records may take between the stream and InfluxDB. */
  readonly #unwritten: ByteBudget;
  readonly #placer: EventPlacer;
  readonly #batcher: Batcher;
  readonly #puts = new Limiter(MAX_PUTS);
  readonly #saves: SaveContext;
  readonly #streamOutage: OutageLog;
  /** Aborted by a stop or a failure: nothing more is read. */
  readonly #stop = new AbortController();
  /** Aborted when draining has taken too long: nothing more is written. */
  readonly #deadline = new AbortController();
  readonly #lanes = new Map<string, Lane>();
  readonly #tasks = new Set<Promise<void>>();
  #stored: StoredCheckpoints = { stream: undefined, shards: new Map() };
  #start: StartPosition = { kind: 'trim_horizon' };
  #mode: IngestMode = 'opening';
  #waiting = 0;
  #failure: { readonly error: unknown } | undefined;
  #discoverNow = false;
  #wakeDiscovery: () => void = () => undefined;

  constructor(options: IngestOptions) {
    this.#o = options;
    this.#clock = options.clock ?? systemClock;
    this.#metrics = options.runtime.metrics;
    options.runtime.ingestion = {
      live: () => ({
        inflightBytes: this.#budget.used,
        lanes: [...this.#lanes.values()],
        waiting: this.#waiting,
        moves: this.#placer.moves,
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
      ...(options.slotCapacity === undefined ? {} : { slotCapacity: options.slotCapacity }),
    });
    this.#streamOutage = new OutageLog('stream', options.logger, this.#clock);
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
      streamTroubleSinceMs: this.#streamOutage.sinceMs,
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
      await this.#open();
      this.#become('warming');
      const listed = await this.#fromStream(() => this.#o.source.listShards(this.#stop.signal));
      await this.#warm(listed);
      this.#become('running');
      ticker = this.#tick();
      await this.#discover(listed);
    } catch (error) {
      // Stopped while waiting for something: not a failure.
      if (!this.#stop.signal.aborted) this.#fail(error);
    }
    this.#become('draining');
    logger.info({ records: this.#heldRecords(), bytes: this.#budget.used }, 'Draining: writing what was read.');
    this.#batcher.hurry();
    // A lane that was only warmed up may have a sealed range on its way.
    const unstarted = [...this.#lanes.values()].filter((lane) => !this.#started.has(lane.shardId));
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
    this.#discoverSoon();
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

  /** Takes the checkpoint, and makes sure that it belongs to this very stream. */
  async #open(): Promise<void> {
    const { checkpoints, source, settings, logger } = this.#o;
    this.#stored = await checkpoints.open(source.stream);
    const { createdAtMs } = await this.#fromStream(() => source.describe(this.#stop.signal));
    const known = this.#stored.stream;
    if (known === undefined) {
      this.#start =
        settings.start.kind === 'latest' ? { kind: 'time', ms: this.#clock.now() } : startPosition(settings.start);
      const { stream } = source;
      await saveDurably({ ...this.#saves, signal: this.#stop.signal }, () =>
        checkpoints.saveStream({ stream, createdAtMs, start: this.#start }),
      );
      logger.info({ stream, start: this.#start }, 'First start on this checkpoint.');
      return;
    }
    if (known.createdAtMs !== createdAtMs) {
      throw new UserpulseError(
        'checkpoint_unusable',
        `The checkpoint ${checkpoints.url} (USERPULSE_CHECKPOINT) belongs to a stream "${source.stream}" that was created at ${new Date(known.createdAtMs).toISOString()}; the one there now was created at ${new Date(createdAtMs).toISOString()}.`,
        {
          hint: 'The stream was deleted and made again: give this ingest a new checkpoint folder, and an archive of its own.',
        },
      );
    }
    this.#start = known.start;
    logger.info({ stream: source.stream, shards: this.#stored.shards.size }, 'Going on from the checkpoint.');
  }

  /**
   * Before anything new is read: the slot table learns of the moves and of the latest records of every shard, and sealed ranges are read
   * again. All shards first, because an event of one may fall on the place of an event of another.
   */
  async #warm(listed: readonly ShardInfo[]): Promise<void> {
    const stored = [...this.#stored.shards.values()];
    this.#placer.restore(stored.flatMap((checkpoint) => checkpoint.moved));
    const newest = Math.max(0, ...stored.map((checkpoint) => checkpoint.completeToMs));
    const limiter = new Limiter(MAX_WARMING);
    const byId = new Map(listed.map((shard) => [shard.shardId, shard]));
    const tasks = stored.map((checkpoint) =>
      limiter.run(async () => {
        const shard = byId.get(checkpoint.shardId);
        if (shard === undefined) return;
        if (checkpoint.done && newest - checkpoint.completeToMs > WARM_BOUNDS.maxAgeMs) return;
        const context = this.#rereadContext();
        const lane = checkpoint.done ? undefined : this.#createLane(shard, checkpoint);
        if (checkpoint.warmFrom !== null && checkpoint.sequenceNumber !== null) {
          await warmSlots(context, shard, checkpoint.warmFrom, checkpoint.sequenceNumber, (record, events) =>
            lane?.archive.noteWarm({
              sequenceNumber: record.sequenceNumber,
              arrivalMs: record.approximateArrivalMs,
              events,
            }),
          );
        }
        if (lane === undefined) return;
        const redone = await redoSealedRange(context, lane);
        this.#resume.set(lane.shardId, redone ?? checkpoint.sequenceNumber);
      }),
    );
    await Promise.all(tasks);
  }

  /** Last record that needs no reading any more, per shard with a checkpoint. */
  readonly #resume = new Map<string, string | null>();

  #rereadContext(): RereadContext {
    return {
      source: this.#o.source,
      clock: this.#clock,
      signal: this.#stop.signal,
      pageBytes: this.#pageBytes(),
      placer: this.#placer,
      ...this.#readerHooks(),
    };
  }

  #readerHooks(): Pick<RereadContext, 'onRetry' | 'onSuccess' | 'onGap'> {
    return {
      onRetry: (reason, message) => this.#streamRetry(reason, message),
      onSuccess: () => this.#streamOutage.succeeded(),
      onGap: (gap) => this.#onGap(gap),
    };
  }

  #streamRetry(reason: string, message: string): void {
    this.#metrics.retries.inc({ target: 'stream', reason });
    // An iterator that has expired is part of normal life: reading had stopped for five minutes.
    if (reason === 'iterator_expired') return;
    this.#streamOutage.failed(
      reason,
      `Stream "${this.#o.source.stream}" (USERPULSE_STREAM) cannot be read: ${message} Trying again; nothing is lost meanwhile.`,
    );
  }

  /** Calls that must work before ingest can go on. */
  async #fromStream<T>(call: () => Promise<T>): Promise<T> {
    try {
      const result = await retrying(call, {
        clock: this.#clock,
        signal: this.#stop.signal,
        classify: (error) =>
          error instanceof SourceError && error.kind !== 'not_found' && error.kind !== 'invalid'
            ? { kind: 'retry', reason: error.kind, message: error.message }
            : { kind: 'give_up' },
        onRetry: (verdict) => this.#streamRetry(verdict.reason, verdict.message),
      });
      this.#streamOutage.succeeded();
      return result;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      throw new UserpulseError(
        'stream_not_found',
        `Stream "${this.#o.source.stream}" (USERPULSE_STREAM) does not exist.`,
        {
          hint: '"userpulse setup --create" makes it; or correct USERPULSE_STREAM or AWS_REGION.',
          cause: error,
        },
      );
    }
  }

  #onGap(gap: Gap): void {
    this.#metrics.trimmed.inc();
    const error = new UserpulseError(
      'checkpoint_trimmed',
      `Records of shard ${gap.shardId} may be lost: they were read ${gap.sequenceNumber === null ? '' : `up to ${gap.sequenceNumber}, `}with nothing missing until ${new Date(gap.completeToMs).toISOString()}, and the stream keeps records for ${gap.retentionMs / 3_600_000} h only.`,
      {
        hint: 'To accept the loss and go on with the oldest record there is, start once with USERPULSE_ON_TRIMMED=continue. To have more time the next time, raise the retention of the stream.',
      },
    );
    if (this.#o.settings.onTrimmed === 'stop') throw error;
    this.#o.logger.error(
      { err: error, shardId: gap.shardId },
      'Going on after a gap, as USERPULSE_ON_TRIMMED=continue says.',
    );
  }

  /** Starts shards as they become free, until stopped. */
  async #discover(first: readonly ShardInfo[]): Promise<void> {
    const { signal } = this.#stop;
    for (let listed = first; !signal.aborted;) {
      await this.#startFree(listed);
      await this.#untilDiscovery(signal);
      if (isAborted(signal)) return;
      this.#discoverNow = false;
      listed = await this.#fromStream(() => this.#o.source.listShards(signal));
    }
  }

  async #untilDiscovery(signal: AbortSignal): Promise<void> {
    if (this.#discoverNow || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const cancel = after(this.#clock, DISCOVERY_MS, resolve);
      this.#wakeDiscovery = () => {
        cancel();
        resolve();
      };
    });
  }

  /** A shard has ended, or ingest stops. Remembered, because discovery may be under way just now. */
  #discoverSoon(): void {
    this.#discoverNow = true;
    this.#wakeDiscovery();
  }

  async #startFree(listed: readonly ShardInfo[]): Promise<void> {
    const progress = new Map<string, ShardProgress>();
    for (const [shardId, checkpoint] of this.#stored.shards) progress.set(shardId, checkpoint.done ? 'done' : 'unread');
    for (const [shardId, lane] of this.#lanes) {
      // A lane that was made to warm up and has not been started is still to be read.
      if (lane.mode === 'done') progress.set(shardId, 'done');
      else if (this.#started.has(shardId)) progress.set(shardId, 'reading');
    }
    const { start, waiting, forget, lost } = decideShards(listed, progress);
    this.#waiting = waiting.length;
    for (const shardId of lost) await this.#giveUpLost(shardId);
    for (const shardId of forget) await this.#forget(shardId);
    for (const shard of start) {
      const lane =
        this.#lanes.get(shard.shardId) ??
        this.#createLane(shard, this.#stored.shards.get(shard.shardId) ?? freshCheckpoint(shard.shardId));
      this.#started.add(shard.shardId);
      this.#o.logger.info(
        { shardId: shard.shardId, after: this.#resume.get(shard.shardId) ?? null },
        'Reading a shard.',
      );
      this.#batcher.add(lane);
      const task = this.#runLane(lane).finally(() => this.#tasks.delete(task));
      this.#tasks.add(task);
      // Its failure has been noted by then.
      task.catch(() => undefined);
    }
  }

  readonly #started = new Set<string>();

  async #forget(shardId: string): Promise<void> {
    this.#lanes.delete(shardId);
    this.#started.delete(shardId);
    const shards = new Map(this.#stored.shards);
    shards.delete(shardId);
    this.#stored = { ...this.#stored, shards };
    await saveDurably({ ...this.#saves, signal: this.#stop.signal }, () => this.#o.checkpoints.removeShard(shardId));
  }

  /** A shard whose checkpoint is not at its end and that the stream does not list any more: its last records are gone. */
  async #giveUpLost(shardId: string): Promise<void> {
    const checkpoint = this.#stored.shards.get(shardId) ?? freshCheckpoint(shardId);
    const { retentionMs } = await this.#fromStream(() => this.#o.source.describe(this.#stop.signal));
    this.#onGap({
      shardId,
      sequenceNumber: checkpoint.sequenceNumber,
      completeToMs: checkpoint.completeToMs,
      retentionMs,
    });
    await this.#forget(shardId);
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
  async #runLane(lane: Lane): Promise<void> {
    try {
      const ended = await this.#readLane(lane);
      lane.become(ended ? 'ending' : 'draining');
      await lane.settle();
      if (ended) {
        await lane.cell.update((checkpoint) => ({ ...checkpoint, done: true }));
        lane.become('done');
        this.#batcher.remove(lane);
        this.#o.logger.info({ shardId: lane.shardId }, 'A shard is read to its end; its children may begin.');
        this.#discoverSoon();
      }
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** @returns whether the shard's end was reached */
  async #readLane(lane: Lane): Promise<boolean> {
    const signal = AbortSignal.any([this.#stop.signal, lane.abandoned]);
    setMaxListeners(0, signal);
    const { completeToMs } = lane.cell.value;
    const pages = readShard({
      source: this.#o.source,
      shardId: lane.shardId,
      clock: this.#clock,
      signal,
      start: this.#start,
      after: { sequenceNumber: this.#resume.get(lane.shardId) ?? lane.cell.value.sequenceNumber, completeToMs },
      pollIntervalMs: this.#o.settings.pollIntervalMs,
      budget: this.#unwritten,
      pageBytes: this.#pageBytes(),
      ...this.#readerHooks(),
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
      .update((checkpoint) => ({ ...checkpoint, completeToMs }))
      .catch((error: unknown) => {
        lane.fail(error);
        this.#fail(error);
      });
  }
}

function startPosition(start: IngestSettings['start']): StartPosition {
  switch (start.kind) {
    case 'trim_horizon':
      return { kind: 'trim_horizon' };
    case 'time':
      return start;
    case 'latest':
      throw new Error('latest is resolved to a time first.');
    default:
      return start satisfies never;
  }
}
