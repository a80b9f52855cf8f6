import type { CheckpointCell } from '../checkpoint/checkpoint-cell.ts';
import { withDone, withRelocations, type NotedRelocation } from '../checkpoint/checkpoint.ts';
import type { HashRange, StreamRecord } from '../event/decode.ts';
import type { ShardInfo } from '../kinesis/stream-source.ts';
import type { ByteBudget, HeldBytes, Reservation } from '../memory/byte-budget.ts';
import { Fifo, ResolvedPrefix, type Ticket } from '../memory/queues.ts';
import { StateMachine, type Edges } from '../state-machine.ts';
import { WaitingLine } from '../waiting-line.ts';
import type { WrittenRecord } from './segment.ts';
import { ShardArchive, type ArchiveContext } from './shard-archive.ts';
import type { ReadPage } from './shard-reader.ts';
import type { ShardStatus } from './status.ts';

/**
 * ```
 *             run()             the shard's end was read           all durable, `done` saved
 *   warming ─────────▶ reading ──────────────────────────▶ ending ───────────────────────────▶ done
 *                         │  stop
 *                         └───────▶ draining (what was read is still written)
 *   any but done ── a sink or the checkpoint fails for good ──▶ failed
 * ```
 * Nothing is read in any state but `reading`.
 */
export type ShardState = 'warming' | 'reading' | 'ending' | 'draining' | 'done' | 'failed';

const EDGES: Edges<ShardState> = {
  warming: ['reading', 'failed'],
  reading: ['ending', 'draining', 'failed'],
  ending: ['done', 'failed'],
  draining: ['failed'],
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

/** The records of one shard that are in one batch together. */
export type Portion = Ticket<WrittenRecord[]>;

/**
 * One shard, from its checkpoint to its end or to a stop: read → queue → batch → written → archive. Nothing leaves it out of order, whatever
 * the order in which batches are acknowledged. What happens from written to durable is its {@link ShardArchive}'s.
 */
export class Shard {
  readonly shardId: string;
  readonly hashRange: HashRange;
  readonly checkpoint: CheckpointCell;
  readonly archive: ShardArchive;
  readonly #context: ShardContext;
  readonly #state: StateMachine<ShardState>;
  /** Aborted by whoever finds that what was read cannot become durable any more. */
  readonly #life = new AbortController();
  readonly #queue = new Fifo<StreamRecord>();
  /** Of all records from their page until the archive holds a copy. */
  readonly #unwritten: Reservation;
  readonly #portions = new ResolvedPrefix<WrittenRecord[]>();
  readonly #allWritten = new WaitingLine();
  #batchedRecords = 0;
  #millisBehindLatest = 0;
  #lastReadMs = 0;
  #readToMs: number;
  /** When the reader last saw that there was nothing more; 0 = never. */
  #tipMs = 0;

  constructor({ shardId, hashRange }: ShardInfo, checkpoint: CheckpointCell, context: ShardContext) {
    this.shardId = shardId;
    this.hashRange = hashRange;
    this.checkpoint = checkpoint;
    this.#context = context;
    this.#state = new StateMachine(shardId, EDGES, 'warming');
    this.#unwritten = context.unwritten.hold();
    this.#readToMs = checkpoint.value.completeToMs;
    this.archive = new ShardArchive({ shardId, checkpoint, unwritten: this.#unwritten, life: this.#life }, context);
    this.failure.addEventListener('abort', () => this.#state.become('failed'), { once: true });
  }

  get state(): ShardState {
    return this.#state.state;
  }

  /** Aborted, with the first reason, when what was read cannot become durable any more: nothing more is read or begun. */
  get failure(): AbortSignal {
    return this.#life.signal;
  }

  /** A sink has failed for good. */
  fail(error: unknown): void {
    if (this.state !== 'done') this.#life.abort(error);
  }

  /**
   * From `warming` on; once.
   * @param pages end where the shard ends, at a stop, or when {@link failure} is aborted
   * @returns whether the shard is done: read to its end, and all of it durable
   * @throws why reading or the shard has failed
   */
  async run(pages: AsyncIterable<ReadPage>): Promise<boolean> {
    this.#state.become('reading');
    try {
      const ended = await this.#read(pages);
      this.failure.throwIfAborted();
      this.#state.become(ended ? 'ending' : 'draining');
      await this.settle();
      if (!ended) return false;
      await this.checkpoint.update(withDone);
      this.failure.throwIfAborted();
      this.#state.become('done');
      return true;
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
    const now = this.#context.clock.now();
    this.#lastReadMs = now;
    this.#millisBehindLatest = millisBehindLatest;
    this.#readToMs = Math.max(this.#readToMs, atTip ? now : now - millisBehindLatest);
    if (atTip) this.#tipMs = now;
    this.#unwritten.absorb(reservation);
    for (const record of records) this.#queue.push(record);
    if (records.length > 0) this.#context.onQueued();
    else this.#tellComplete();
  }

  get hasQueued(): boolean {
    return this.#queue.size > 0;
  }

  /** The next record for a batch. */
  take(): StreamRecord | undefined {
    const record = this.#queue.shift();
    if (record !== undefined) this.#batchedRecords++;
    return record;
  }

  /** For the records that a batch takes from here; to be {@link written} once. */
  beginPortion(): Portion {
    return this.#portions.add([]);
  }

  /** Resolves when these are durable, which they must be before any of their points is written. */
  note(relocations: readonly NotedRelocation[]): Promise<void> {
    return this.checkpoint.update((checkpoint) => withRelocations(checkpoint, relocations));
  }

  /** The batch of this portion is written; what is written without a gap goes on to the archive. */
  written(portion: Portion): void {
    const written = this.#portions.resolve(portion).flat();
    this.#batchedRecords -= written.length;
    if (written.length > 0) this.archive.append(written);
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
    const oldest = this.#portions.oldest?.[0]?.arrivalMs ?? this.#queue.first?.approximateArrivalMs;
    const influxWatermarkMs = oldest === undefined ? this.#readToMs : Math.min(oldest, this.#readToMs);
    return {
      shardId: this.shardId,
      state: this.state,
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
