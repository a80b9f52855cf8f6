import { releaseBytes } from '../memory/blocks.ts';
import type { HashRange, StreamRecord } from '../event/decode.ts';
import type { ByteBudget } from '../memory/byte-budget.ts';
import { Fifo } from '../memory/fifo.ts';
import { ResolvedPrefix, type Ticket } from './resolved-prefix.ts';
import type { ShardArchive } from './shard-archive.ts';
import type { CheckpointCell } from '../checkpoint/checkpoint-cell.ts';
import type { WrittenRecord } from './written-record.ts';

/** What a record costs beside its bytes: the objects that carry it through the queues. Measured, rounded up. */
const RECORD_OVERHEAD_BYTES = 400;

export const chargeOf = (data: Uint8Array): number => data.byteLength + RECORD_OVERHEAD_BYTES;

/**
 * ```
 *              reader sees the end of the shard          all durable, `done` saved
 *   reading ──────────────────────────────────▶ ending ─────────────────────────────▶ done
 *      │  stop
 *      └──────▶ draining (what was read is still written)
 * ```
 */
export type LaneMode = 'reading' | 'ending' | 'draining' | 'done';

/** Records of a shard that are in one batch together. */
export interface Span {
  readonly records: WrittenRecord[];
}

export interface LaneParts {
  readonly shardId: string;
  readonly hashRange: HashRange;
  readonly cell: CheckpointCell;
  readonly archive: ShardArchive;
  readonly budget: ByteBudget;
  readonly now: () => number;
}

/**
 * The way of one shard's records: read → queue → batch → written → archive. Nothing leaves it out of order, whatever the order in which
 * batches are acknowledged.
 */
export class Lane {
  readonly shardId: string;
  readonly hashRange: HashRange;
  readonly cell: CheckpointCell;
  readonly archive: ShardArchive;
  readonly #budget: ByteBudget;
  readonly #now: () => number;
  readonly #spans = new ResolvedPrefix<Span>();
  #mode: LaneMode = 'reading';
  readonly #queue = new Fifo<StreamRecord>();
  #queuedBytes = 0;
  #batchedRecords = 0;
  #millisBehind = 0;
  #lastReadMs = 0;
  #readToMs = 0;
  #tipMs = 0;
  #failure: { readonly error: unknown } | undefined;
  #writtenWaiters: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  readonly #abandon = new AbortController();

  constructor(parts: LaneParts) {
    this.shardId = parts.shardId;
    this.hashRange = parts.hashRange;
    this.cell = parts.cell;
    this.archive = parts.archive;
    this.#budget = parts.budget;
    this.#now = parts.now;
    this.#readToMs = parts.cell.value.completeToMs;
  }

  get mode(): LaneMode {
    return this.#mode;
  }

  /** Aborted when the lane has failed: nothing more should be read for it. */
  get abandoned(): AbortSignal {
    return this.#abandon.signal;
  }

  /** A sink has failed for good: what was read cannot become durable any more. Kept: the first failure. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#abandon.abort(error);
    for (const waiter of this.#writtenWaiters.splice(0)) waiter.reject(error);
    this.archive.abandon(error);
  }

  /** Resolves when all that was read is durable everywhere. @throws what {@link fail} was given */
  async settle(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.unwritten > 0) {
      await new Promise<void>((resolve, reject) => this.#writtenWaiters.push({ resolve, reject }));
    }
    await this.archive.flush();
  }

  /** The one place where the mode changes. */
  become(mode: LaneMode): void {
    const allowed: Readonly<Record<LaneMode, readonly LaneMode[]>> = {
      reading: ['ending', 'draining'],
      ending: ['done'],
      draining: [],
      done: [],
    };
    if (!allowed[this.#mode].includes(mode))
      throw new Error(`${this.shardId} cannot go from ${this.#mode} to ${mode}.`);
    this.#mode = mode;
  }

  get millisBehindLatest(): number {
    return this.#millisBehind;
  }
  /** When the shard was read last, ms; 0 = never. */
  get lastReadMs(): number {
    return this.#lastReadMs;
  }
  get hasQueued(): boolean {
    return this.#queue.size > 0;
  }
  /** Bytes charged for records that are not written yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }
  /** Records read and not written yet. */
  get unwritten(): number {
    return this.#queue.size + this.#batchedRecords;
  }
  /** All that was read is durable everywhere. */
  get settled(): boolean {
    return this.unwritten === 0 && this.archive.empty;
  }

  /** Arrival time (ms) up to which all points are durable. */
  influxWatermarkMs(): number {
    const oldest = this.#spans.oldest?.records[0]?.arrivalMs ?? this.#queue.first?.approximateArrivalMs;
    return oldest === undefined ? this.#readToMs : Math.min(oldest, this.#readToMs);
  }

  /** Arrival time (ms) up to which all lines are durable. */
  archiveWatermarkMs(): number {
    return Math.min(this.influxWatermarkMs(), this.archive.oldestArrivalMs);
  }

  /** A page from the reader; its bytes are charged. */
  accept(
    records: readonly StreamRecord[],
    page: { readonly millisBehindLatest: number; readonly atTip: boolean },
  ): void {
    const now = this.#now();
    this.#lastReadMs = now;
    this.#millisBehind = page.millisBehindLatest;
    this.#readToMs = Math.max(this.#readToMs, page.atTip ? now : now - page.millisBehindLatest);
    if (page.atTip) this.#tipMs = now;
    for (const record of records) {
      const bytes = chargeOf(record.data);
      this.#queue.push(record);
      this.#queuedBytes += bytes;
      this.#budget.charge(bytes);
    }
  }

  /** See ShardCheckpoint.completeToMs. */
  completeToMs(archiveEmpty: boolean, lastArrivalMs: number): number {
    return archiveEmpty && this.unwritten === 0 ? Math.max(this.#tipMs, lastArrivalMs) : lastArrivalMs;
  }

  /** Time (ms) at which the reader last saw that there was nothing more; 0 = never. */
  get tipMs(): number {
    return this.#tipMs;
  }

  /** The next record for a batch. */
  take(): StreamRecord | undefined {
    const record = this.#queue.shift();
    if (record !== undefined) this.#batchedRecords++;
    return record;
  }

  openSpan(): Ticket<Span> {
    return this.#spans.add({ records: [] });
  }

  /** The batch that holds this span is written; what is written without a gap goes on to the archive. */
  closeSpan(ticket: Ticket<Span>): void {
    const written = this.#spans.resolve(ticket).flatMap((span) => span.records);
    this.#batchedRecords -= written.length;
    if (written.length > 0) this.archive.append(written);
    if (this.unwritten === 0) for (const waiter of this.#writtenWaiters.splice(0)) waiter.resolve();
  }

  /** The archive holds a copy of these: nobody reads their bytes any more. */
  releaseCharge(records: readonly WrittenRecord[]): void {
    let bytes = 0;
    for (const record of records) {
      bytes += chargeOf(record.data);
      releaseBytes(record.data);
    }
    this.#queuedBytes -= bytes;
    this.#budget.release(bytes);
  }
}
