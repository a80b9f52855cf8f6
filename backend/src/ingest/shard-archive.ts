import { releaseBytes } from '../memory/blocks.ts';
import type { ArchiveWriter } from '../archive/archive-writer.ts';
import type { CodecName } from '../archive/codecs.ts';
import type { ByteBudget } from '../memory/byte-budget.ts';
import { withDurable, withPending, type PendingRange } from '../checkpoint/checkpoint.ts';
import type { Clock } from '../clock.ts';
import type { Semaphore } from '../semaphore.ts';
import type { CheckpointCell } from '../checkpoint/checkpoint-cell.ts';
import { MAX_PARTS, Segment, type SegmentObject } from './segment.ts';
import { WarmMarks } from './warm-marks.ts';
import type { WrittenRecord } from './written-record.ts';

export interface ShardArchiveOptions {
  readonly shardId: string;
  readonly cell: CheckpointCell;
  readonly archive: ArchiveWriter;
  readonly budget: ByteBudget;
  readonly clock: Clock;
  /** Aborted when draining has taken too long. */
  readonly signal: AbortSignal;
  /** Of all shards together: how many objects are written at a time. */
  readonly puts: Semaphore;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** Bytes of these records have been copied or compressed: their own charge ends. */
  readonly onAppended: (records: readonly WrittenRecord[]) => void;
  readonly onObject: (object: SegmentObject) => void;
  /** A range has become durable, or the segment has become free to be sealed. */
  readonly onProgress: () => void;
  /** Archive or checkpoint have failed for good. */
  readonly onFailure: (error: unknown) => void;
  /** See {@link ShardCheckpoint.completeToMs}: what the reader knows at this moment. */
  readonly completeToMs: (allDurable: boolean, lastArrivalMs: number) => number;
}

type Mode = 'open' | 'recording' | 'writing' | 'advancing' | 'failed';

/**
 * The archive side of one shard: written records in, durable checkpoint out.
 *
 * ```
 *            seal()                range saved              all objects durable
 *   open ───────────▶ recording ───────────────▶ writing ───────────────────────▶ advancing
 *    ▲                    ▲                          │                                │
 *    │                    └── redo() at start ──(range was saved by the last run)──▶  │ checkpoint saved
 *    └────────────────────────────────────────────────────────────────────────────────┘
 *   any ── archive or checkpoint fails for good, or the deadline of draining ──▶ failed
 * ```
 *
 * While one segment is on its way the next one is filled; when that is full too, records wait in line (and so does, through the byte
 * budget, the reader). At most one range per shard is ever pending, so a restart has at most one to redo.
 */
export class ShardArchive {
  readonly #o: ShardArchiveOptions;
  readonly #marks = new WarmMarks();
  #mode: Mode = 'open';
  #segment: Segment;
  /** Written records that found the open segment full while the one before it was on its way. */
  #line: WrittenRecord[] = [];
  #sealing: Segment | undefined;
  #wanted = false;
  #idle: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(options: ShardArchiveOptions) {
    this.#o = options;
    this.#segment = this.#newSegment();
  }

  get mode(): Mode {
    return this.#mode;
  }
  /** Bytes that sealing would send on their way. */
  get openBytes(): number {
    return this.#segment.held;
  }
  /** Nothing is held: all that was appended is durable. */
  get empty(): boolean {
    return this.#segment.empty && this.#line.length === 0 && this.#sealing === undefined;
  }
  /** Arrival (ms) of the oldest record that is not durable; Infinity when all are. */
  get oldestArrivalMs(): number {
    return Math.min(
      this.#sealing?.oldestArrivalMs ?? Infinity,
      this.#segment.oldestArrivalMs,
      this.#line[0]?.arrivalMs ?? Infinity,
    );
  }
  get heldRecords(): number {
    return this.#segment.records + this.#line.length + (this.#sealing?.records ?? 0);
  }

  append(records: readonly WrittenRecord[]): void {
    for (const record of records) this.#line.push(record);
    this.#fill();
  }

  /** Records behind the checkpoint that were read again: they only say where the next start may begin to re-read. */
  noteWarm(record: { readonly sequenceNumber: string; readonly arrivalMs: number; readonly events: number }): void {
    this.#marks.note(record);
  }

  /**
   * Writes a range again that an earlier run had sealed: same keys, same bytes. Only as the very first thing, with the whole range appended
   * to `segment`.
   */
  redo(segment: Segment, pending: PendingRange): void {
    if (this.#mode !== 'open' || !this.empty) throw new Error('A pending range is redone before anything else.');
    const range = segment.range();
    if (range.first !== pending.first || range.last !== pending.last) {
      throw new Error(`Range ${range.first} to ${range.last} was read, not ${pending.first} to ${pending.last}.`);
    }
    this.#sealing = segment;
    this.#run(segment, 'redo');
  }

  /** A segment whose bytes count in the budget. @param codec of the pending range that it is to redo */
  newSegment(codec: CodecName): Segment {
    return this.#newSegment(codec);
  }

  /** Gives back the bytes of a segment from {@link newSegment} that will not be written. */
  discard(segment: Segment): void {
    segment.objects().then(
      () => this.#o.budget.release(segment.held),
      () => this.#o.budget.release(segment.held),
    );
  }

  /** Seals what is open, at once or as soon as the range before it is durable. */
  seal(): void {
    this.#wanted = true;
    this.#fill();
  }

  /** Seals when the segment has reached its age. */
  tick(): void {
    if (!this.#segment.empty && this.#o.clock.now() - this.#segment.openedAtMs >= this.#o.maxAgeMs) this.seal();
  }

  /** Resolves when everything appended so far is durable. @throws why the shard has failed */
  async flush(): Promise<void> {
    while (!this.empty) {
      if (this.#failure !== undefined) throw this.#failure.error;
      this.seal();
      await new Promise<void>((resolve, reject) => this.#idle.push({ resolve, reject }));
    }
  }

  /** Nothing more is begun; whoever waits is told. */
  abandon(error: unknown): void {
    this.#failure ??= { error };
    this.#mode = 'failed';
    for (const waiter of this.#idle.splice(0)) waiter.reject(error);
  }

  #newSegment(codec = this.#o.archive.codec): Segment {
    const { budget } = this.#o;
    return new Segment(this.#o.shardId, this.#o.clock.now(), codec, (change) => {
      if (change >= 0) budget.charge(change);
      else budget.release(-change);
    });
  }

  #full(): boolean {
    return this.#segment.rawBytes >= this.#o.maxBytes || this.#segment.parts >= MAX_PARTS;
  }

  /** Moves records from the line into the segment, sealing where it is full; the only caller of {@link #run} in normal life. */
  #fill(): void {
    if (this.#mode === 'failed') return;
    const appended: WrittenRecord[] = [];
    let taken = 0;
    for (;;) {
      if (
        this.#mode === 'open' &&
        !this.#segment.empty &&
        (this.#full() || (this.#wanted && taken === this.#line.length))
      ) {
        this.#wanted = false;
        const segment = this.#segment;
        this.#segment = this.#newSegment();
        this.#sealing = segment;
        this.#run(segment, 'new');
        continue;
      }
      const record = this.#line[taken];
      if (record === undefined || this.#full()) break;
      // A segment's age counts from its first record.
      if (this.#segment.empty) this.#segment = this.#newSegment();
      taken++;
      this.#segment.append(record);
      this.#marks.note({
        sequenceNumber: record.sequenceNumber,
        arrivalMs: record.arrivalMs,
        events: record.items.length,
      });
      appended.push(record);
    }
    if (this.#segment.empty && this.#line.length === taken) this.#wanted = false;
    if (taken > 0) this.#line = this.#line.slice(taken);
    if (appended.length > 0) this.#o.onAppended(appended);
  }

  #run(segment: Segment, kind: 'new' | 'redo'): void {
    this.#durable(segment, kind).then(
      () => {
        if (this.#mode === 'failed') return;
        this.#mode = 'open';
        this.#sealing = undefined;
        this.#fill();
        for (const waiter of this.#idle.splice(0)) waiter.resolve();
        this.#o.onProgress();
      },
      (error: unknown) => {
        this.abandon(error);
        this.#o.onFailure(error);
      },
    );
    // `#durable` has set the mode by now: it runs up to its first await at once.
  }

  async #durable(segment: Segment, kind: 'new' | 'redo'): Promise<void> {
    const { cell, archive, puts, signal } = this.#o;
    this.#mode = 'recording';
    // Now, while the latest record noted is the segment's last: what is noted from here on lies beyond the checkpoint to come.
    const warmFrom = this.#marks.from(segment.lastArrivalMs);
    if (kind === 'new') await cell.update((checkpoint) => withPending(checkpoint, segment.range()));
    this.#mode = 'writing';
    const objects = await segment.objects();
    await Promise.all(
      objects.map((object) =>
        puts.run(async () => {
          await archive.put(object, signal);
          for (const chunk of object.chunks) releaseBytes(chunk);
          this.#o.onObject(object);
        }),
      ),
    );
    this.#mode = 'advancing';
    const allDurable = this.#segment.empty && this.#line.length === 0;
    await cell.update((checkpoint) =>
      withDurable(checkpoint, {
        completeToMs: this.#o.completeToMs(allDurable, segment.lastArrivalMs),
        warmFrom,
      }),
    );
    this.#o.budget.release(segment.held);
  }
}
