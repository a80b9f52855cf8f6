import type { CheckpointCell } from '../checkpoint/checkpoint-cell.ts';
import { withDone, withRelocations, type NotedRelocation, type ShardHold } from '../checkpoint/checkpoint.ts';
import { UserpulseError } from '../errors.ts';
import type { HashRange } from '../event/decode.ts';
import type { StreamRecords } from '../kinesis/stream-records.ts';
import type { ShardInfo } from '../kinesis/stream-source.ts';
import type { ByteBudget, HeldBytes, Reservation } from '../memory/byte-budget.ts';
import { ListFifo, ResolvedPrefix, type Ticket } from '../memory/queues.ts';
import { StateMachine, type Edges } from '../state-machine.ts';
import { WaitingLine } from '../waiting-line.ts';
import type { RejectWindow } from './reject-guard.ts';
import { ShardArchive, type ArchiveContext } from './shard-archive.ts';
import type { ReadPage } from './shard-reader.ts';
import type { ShardStatus } from './status.ts';
import type { WarmMarks } from './warm-marks.ts';
import { WrittenRecords } from './written-records.ts';

/**
 * ```
 *             run()             the shard's end was read           all durable, `done` saved
 *   warming ─────────▶ reading ──────────────────────────▶ ending ───────────────────────────▶ done
 *                         │  stop
 *                         └───────▶ draining (what was read is still written)
 *   reading, ending, draining ── too much is rejected ──▶ held (what is not sealed is dropped: it is read again when the shard is released)
 *   any but done ── a sink or the checkpoint fails for good, or another process has the shard ──▶ failed
 * ```
 * Nothing is read in any state but `reading`. A held shard is not read on: once it is released, another {@link Shard} begins at its checkpoint.
 */
export type ShardState = 'warming' | 'reading' | 'ending' | 'draining' | 'held' | 'done' | 'failed';

const EDGES: Edges<ShardState> = {
  warming: ['reading', 'failed'],
  reading: ['ending', 'draining', 'held', 'failed'],
  ending: ['done', 'held', 'failed'],
  draining: ['held', 'failed'],
  held: ['failed'],
  done: [],
  failed: [],
};

/** What all shards share. */
export interface ShardContext extends ArchiveContext {
  /** The part of the byte budget that records may take between the stream and InfluxDB. */
  readonly unwritten: ByteBudget;
  /** Called when records wait for a batch. */
  readonly onQueued: () => void;
}

/** How the life of a shard ends: read to its end and durable; stopped, with all that was read durable; or held at its checkpoint. */
export type ShardEnd = 'done' | 'stopped' | 'held';

/** The records of one shard that are in one batch together. */
export type Portion = Ticket<WrittenRecords>;

/**
 * One shard, from its checkpoint to its end or to a stop: read → queue → batch → written → archive. Nothing leaves it out of order, whatever
 * the order in which batches are acknowledged. What happens from written to durable is its {@link ShardArchive}'s.
 */
export class Shard {
  readonly shardId: string;
  readonly hashRange: HashRange;
  readonly checkpoint: CheckpointCell;
  readonly archive: ShardArchive;
  /** What was seen of its rejections lately. */
  readonly rejects: RejectWindow;
  readonly #context: ShardContext;
  readonly #state: StateMachine<ShardState>;
  /** Aborted by whoever finds that what was read cannot become durable any more. */
  readonly #life = new AbortController();
  readonly #holding = new AbortController();
  #hold: ShardHold | undefined;
  /** What is not sealed was dropped, and so is what still comes. */
  #dropped = false;
  readonly #queue = new ListFifo<StreamRecords>();
  /** Of all records from their page until the archive holds a copy. */
  readonly #unwritten: Reservation;
  readonly #portions = new ResolvedPrefix<WrittenRecords>();
  readonly #allWritten = new WaitingLine();
  #batchedRecords = 0;
  #millisBehindLatest = 0;
  #lastReadMs = 0;
  #readToMs: number;
  /** When the reader last saw that there was nothing more; 0 = never. */
  #tipMs = 0;

  /** @param marks of the {@link Shard} before this one, where the shard was held */
  constructor(
    { shardId, hashRange }: ShardInfo,
    checkpoint: CheckpointCell,
    rejects: RejectWindow,
    context: ShardContext,
    marks?: WarmMarks,
  ) {
    this.rejects = rejects;
    this.shardId = shardId;
    this.hashRange = hashRange;
    this.checkpoint = checkpoint;
    this.#context = context;
    this.#state = new StateMachine(shardId, EDGES, 'warming');
    this.#unwritten = context.unwritten.hold();
    this.#readToMs = checkpoint.value.completeToMs;
    this.archive = new ShardArchive(
      { shardId, checkpoint, unwritten: this.#unwritten, life: this.#life, marks },
      context,
    );
    this.failure.addEventListener('abort', () => this.#state.become('failed'), { once: true });
  }

  get state(): ShardState {
    return this.#state.state;
  }

  /** Aborted, with the first reason, when what was read cannot become durable any more: nothing more is read or begun. */
  get failure(): AbortSignal {
    return this.#life.signal;
  }

  /** Aborted when the shard is held: nothing more is read. */
  get holding(): AbortSignal {
    return this.#holding.signal;
  }

  /** Why it is held; undefined where it is not. */
  get hold(): ShardHold | undefined {
    return this.#hold;
  }

  /**
   * Too much of what is read is rejected: drops what is not sealed, as a crash would, so that the checkpoint stays before it. {@link run} ends when
   * the batches that have records of it are written and the range that is pending is durable.
   * @returns false where the shard is not at a stage that can be held
   */
  holdBack(hold: ShardHold): boolean {
    if (!EDGES[this.state].includes('held')) return false;
    this.#state.become('held');
    this.#hold = hold;
    this.#holding.abort(new UserpulseError('aborted', `${this.shardId} is held.`));
    this.#drop();
    return true;
  }

  /**
   * Another process has the shard: this one drops what is not durable, as a crash would, and goes on with its other shards. A range whose objects are
   * being written is written to its end: the same objects, whoever writes them.
   */
  lose(error: unknown): void {
    this.fail(error);
    this.#drop();
  }

  #drop(): void {
    this.#dropped = true;
    this.#queue.clear((records, at) => records.release(at));
    this.archive.drop();
    this.#releaseDropped();
  }

  /** Once no batch has records of it any more. */
  #releaseDropped(): void {
    if (this.#unwrittenRecords > 0) return;
    this.#unwritten.release();
    this.#allWritten.all();
  }

  /** A sink has failed for good. */
  fail(error: unknown): void {
    if (this.state !== 'done') this.#life.abort(error);
  }

  /**
   * From `warming` on; once.
   * @param pages end where the shard ends, at a stop, or when {@link failure} or {@link holding} is aborted
   * @throws why reading or the shard has failed
   */
  async run(pages: AsyncIterable<ReadPage>): Promise<ShardEnd> {
    this.#state.become('reading');
    try {
      const ended = await this.#read(pages);
      this.failure.throwIfAborted();
      if (this.#hold === undefined) this.#state.become(ended ? 'ending' : 'draining');
      await this.settle();
      if (this.#hold !== undefined) return 'held';
      if (!ended) return 'stopped';
      await this.checkpoint.update(withDone);
      this.failure.throwIfAborted();
      this.#state.become('done');
      return 'done';
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /** @returns whether the shard's end was reached */
  async #read(pages: AsyncIterable<ReadPage>): Promise<boolean> {
    for await (const page of pages) {
      this.#accept(page);
      if (page.ended) return true;
    }
    return false;
  }

  #accept({ records, reservation, millisBehindLatest, atTip }: ReadPage): void {
    if (this.#dropped) {
      reservation.release();
      records.releaseAll();
      return;
    }
    this.#unwritten.absorb(reservation);
    const now = this.#context.clock.now();
    this.#lastReadMs = now;
    this.#millisBehindLatest = millisBehindLatest;
    this.#readToMs = Math.max(this.#readToMs, atTip ? now : now - millisBehindLatest);
    if (atTip) this.#tipMs = now;
    this.#queue.push(records);
    if (records.length > 0) this.#context.onQueued();
    else this.#tellComplete();
  }

  get hasQueued(): boolean {
    return this.#queue.size > 0;
  }

  /** The next record for a batch goes into the portion; only where {@link hasQueued}. */
  take({ value }: Portion): void {
    const { list, at } = this.#queue;
    if (list === undefined) throw new Error(`${this.shardId} has no record in its queue.`);
    value.add(list, at);
    this.#queue.shift();
    this.#batchedRecords++;
  }

  /** For the records that a batch takes from here; to be {@link written} once. */
  beginPortion(): Portion {
    return this.#portions.add(new WrittenRecords());
  }

  /** Resolves when these are durable, which they must be before any of their points is written. */
  note(relocations: readonly NotedRelocation[]): Promise<void> {
    return this.checkpoint.update((checkpoint) => withRelocations(checkpoint, relocations));
  }

  /** The batch of this portion is written; what is written without a gap goes on to the archive, unless the shard is held. */
  written(portion: Portion): void {
    const resolved = this.#portions.resolve(portion);
    for (const written of resolved) this.#batchedRecords -= written.length;
    if (this.#dropped) {
      for (const written of resolved) written.releaseAll();
      this.#releaseDropped();
      return;
    }
    for (const written of resolved) this.archive.append(written);
    if (this.#unwrittenRecords > 0) return;
    this.#tellComplete();
    this.#allWritten.all();
  }

  /** Resolves when all that was read is durable everywhere. @throws why the shard has failed */
  async settle(): Promise<void> {
    while (this.#unwrittenRecords > 0) await this.#allWritten.wait(undefined, this.failure);
    await this.archive.settle();
  }

  /** All that was read is durable everywhere. */
  get settled(): boolean {
    return this.#unwrittenRecords === 0 && this.archive.settled;
  }

  /** To be called a few times a second. */
  tick(): void {
    this.archive.tick();
    if (this.state === 'reading') this.archive.saveQuiet();
  }

  get held(): HeldBytes {
    const { openBytes, sealing } = this.archive;
    return { openBytes, queuedBytes: this.#unwritten.bytes, sealing };
  }

  status(): ShardStatus {
    const oldest = this.#portions.oldest?.arrivalMs(0) ?? this.#queue.list?.arrivalMs(this.#queue.at);
    const readToMs = this.#hold === undefined ? this.#readToMs : this.checkpoint.value.completeToMs;
    const influxWatermarkMs = oldest === undefined ? readToMs : Math.min(oldest, readToMs);
    return {
      shardId: this.shardId,
      state: this.state,
      hold: this.#hold,
      millisBehindLatest: this.#millisBehindLatest,
      lastReadMs: this.#lastReadMs,
      checkpoint: this.checkpoint.value.sequenceNumber,
      unwrittenRecords: this.#unwrittenRecords,
      unarchivedRecords: this.unarchivedRecords,
      influxWatermarkMs,
      archiveWatermarkMs: Math.min(influxWatermarkMs, this.archive.oldestArrivalMs),
    };
  }

  /** Records read that are not durable everywhere. */
  get unarchivedRecords(): number {
    return this.#unwrittenRecords + this.archive.heldRecords;
  }

  get #unwrittenRecords(): number {
    return this.#queue.size + this.#batchedRecords;
  }

  /** Where all that was read has gone on to the archive, nothing that arrived until the tip was last seen is missing there. */
  #tellComplete(): void {
    if (this.#unwrittenRecords === 0) this.archive.noteComplete(this.#tipMs);
  }
}
