import type { Logger } from 'pino';
import type { ArchiveWriter } from '../archive/archive-writer.ts';
import type { CheckpointCell } from '../checkpoint/checkpoint-cell.ts';
import {
  withCompleteTo,
  withDurable,
  withoutPending,
  withPending,
  type PendingRange,
} from '../checkpoint/checkpoint.ts';
import type { Clock } from '../clock.ts';
import type { DecodeSettings } from '../event/decode.ts';
import type { SequenceNumber } from '../event/sequence-number.ts';
import { releaseBytes } from '../memory/blocks.ts';
import type { ByteBudget, Reservation } from '../memory/byte-budget.ts';
import { ListFifo } from '../memory/queues.ts';
import type { Semaphore } from '../semaphore.ts';
import { StateMachine, type Edges } from '../state-machine.ts';
import { WaitingLine } from '../waiting-line.ts';
import type { IngestMetrics } from './metrics.ts';
import { mayBeArchived, refuseOverlap } from './overlap.ts';
import { MAX_PARTS, MAX_REFUSALS, Segment, type SegmentObject } from './segment.ts';
import { heldBytes } from './shard-reader.ts';
import { WarmMarks } from './warm-marks.ts';
import type { WrittenRecords } from './written-records.ts';

/** How stale the checkpoint of a quiet shard may get; see ShardCheckpoint.completeToMs. */
const QUIET_SAVE_MS = 300_000;

/** What the archives of all shards share. */
export interface ArchiveContext {
  readonly archive: ArchiveWriter;
  readonly budget: ByteBudget;
  readonly clock: Clock;
  /** When this run of ingest began (ms). */
  readonly begunMs: number;
  /** Aborted when draining has taken too long. */
  readonly deadline: AbortSignal;
  /** How many objects are written at a time. */
  readonly puts: Semaphore;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** Recorded with a pending range. */
  readonly decoding: DecodeSettings;
  readonly metrics: IngestMetrics;
  readonly logger: Logger;
}

/** What a shard gives its archive. */
export interface ArchivedShard {
  readonly shardId: string;
  readonly checkpoint: CheckpointCell;
  /** Of the records that are appended; each is released when a copy of it is held. */
  readonly unwritten: Reservation;
  /** Aborted here when archive or checkpoint fail for good. When it is aborted, nothing more is begun. */
  readonly life: AbortController;
  /** Of the records behind the checkpoint, where this process has read them before. */
  readonly marks?: WarmMarks | undefined;
}

/**
 * ```
 *            seal                  range saved              all objects durable
 *   open ───────────▶ recording ───────────────▶ writing ───────────────────────▶ advancing
 *    ▲ │                                            ▲                                │
 *    │ └── redo() at start (saved by the last run) ─┘                                │ checkpoint saved
 *    └───────────────────────────────────────────────────────────────────────────────┘
 *   any ── the shard fails: archive or checkpoint for good, or another sink ──▶ failed
 * ```
 */
type ArchiveState = 'open' | 'recording' | 'writing' | 'advancing' | 'failed';

const EDGES: Edges<ArchiveState> = {
  open: ['recording', 'writing', 'failed'],
  recording: ['writing', 'failed'],
  writing: ['advancing', 'failed'],
  advancing: ['open', 'failed'],
  failed: [],
};

/**
 * The archive side of one shard: written records in, durable checkpoint out.
 *
 * While one segment is on its way the next one is filled; when that is full too, records wait in line (and so does, through the byte
 * budget, the reader). At most one range per shard is ever pending, so a restart has at most one to redo.
 */
export class ShardArchive {
  readonly #shard: ArchivedShard;
  readonly #context: ArchiveContext;
  readonly #state: StateMachine<ArchiveState>;
  readonly #marks: WarmMarks;
  #segment: Segment;
  /** Written records that found the open segment full while the one before it was on its way. */
  readonly #line = new ListFifo<WrittenRecords>();
  #sealing: Segment | undefined;
  /** What is held is to be sealed as soon as it can be. */
  #flushing = false;
  /** Nothing that arrived until then (ms) is missing in what was appended. */
  #completeToMs = 0;
  /** See {@link abandon}. */
  #abandoned: PendingRange | undefined;
  readonly #progress = new WaitingLine();

  constructor(shard: ArchivedShard, context: ArchiveContext) {
    this.#shard = shard;
    this.#context = context;
    this.#marks = shard.marks ?? new WarmMarks();
    this.#state = new StateMachine(`The archive of ${shard.shardId}`, EDGES, 'open');
    this.#segment = this.newSegment();
    shard.life.signal.addEventListener('abort', () => this.#state.become('failed'), { once: true });
  }

  /** Whether the open segment must wait for the one before it. */
  get sealing(): boolean {
    const { state } = this.#state;
    switch (state) {
      case 'open':
        return false;
      case 'recording':
      case 'writing':
      case 'advancing':
      case 'failed':
        return true;
      default:
        return state satisfies never;
    }
  }

  /** Bytes that sealing would send on their way. */
  get openBytes(): number {
    return this.#segment.held;
  }
  /** Nothing is held: all that was appended is durable. */
  get settled(): boolean {
    return this.#nothingOpen() && this.#sealing === undefined;
  }
  /** Arrival (ms) of the oldest record that is not durable; Infinity when all are. */
  get oldestArrivalMs(): number {
    return Math.min(
      this.#sealing?.oldestArrivalMs ?? Infinity,
      this.#segment.oldestArrivalMs,
      this.#line.list?.arrivalMs(this.#line.at) ?? Infinity,
    );
  }
  get heldRecords(): number {
    return this.#segment.records + this.#line.size + (this.#sealing?.records ?? 0);
  }

  append(records: WrittenRecords): void {
    this.#line.push(records);
    this.#fill();
  }

  /** Forgets what is not sealed: it will be read again, or never. A range that is on its way still becomes durable. */
  drop(): void {
    this.#line.clear((records, at) => records.release(at));
    if (!this.#segment.empty) this.#segment.discard();
    this.#segment = this.newSegment();
    this.#flushing = false;
    // It is missing from now on.
    this.#completeToMs = 0;
    this.#progress.all();
  }

  /** What a new archive of this shard needs to know of the records up to the checkpoint. */
  get marks(): WarmMarks {
    return this.#marks.upTo(this.#shard.checkpoint.value.sequenceNumber);
  }

  /** Nothing that arrived until then (ms) is missing in what was appended so far. */
  noteComplete(untilMs: number): void {
    this.#completeToMs = Math.max(this.#completeToMs, untilMs);
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
    if (this.#state.state !== 'open' || !this.settled)
      throw new Error('A pending range is redone before anything else.');
    const range = segment.range();
    if (range.first !== pending.first || range.last !== pending.last) {
      throw new Error(`Range ${range.first} to ${range.last} was read, not ${pending.first} to ${pending.last}.`);
    }
    this.#start(segment, 'redo');
  }

  /** The stream no longer holds all of a pending range, and that was accepted: what is left of it may be archived once more. */
  abandon(pending: PendingRange): Promise<void> {
    this.#abandoned = pending;
    return this.#shard.checkpoint.update(withoutPending);
  }

  /**
   * A segment whose bytes count in the budget.
   * @param codec of the pending range that it is to redo
   */
  newSegment(codec = this.#context.archive.codec): Segment {
    const { clock, budget } = this.#context;
    return new Segment(this.#shard.shardId, clock.now(), codec, budget.hold());
  }

  /** Seals what is held, at once or as soon as the range before it is durable. */
  flush(): void {
    this.#flushing = true;
    this.#fill();
  }

  /** Seals when the segment has reached its age. */
  tick(): void {
    const { clock, maxAgeMs } = this.#context;
    if (!this.#segment.empty && clock.now() - this.#segment.openedAtMs >= maxAgeMs) this.flush();
  }

  /** A quiet shard's checkpoint says now and then that nothing is missing: or its last record would look lost when it is trimmed. */
  saveQuiet(): void {
    const { checkpoint, life } = this.#shard;
    const completeToMs = this.#completeToMs;
    if (!this.settled || completeToMs - checkpoint.value.completeToMs < QUIET_SAVE_MS) return;
    checkpoint.update((value) => withCompleteTo(value, completeToMs)).catch((error: unknown) => life.abort(error));
  }

  /** Resolves when everything appended so far is durable. @throws why the shard has failed */
  async settle(): Promise<void> {
    const { signal } = this.#shard.life;
    signal.throwIfAborted();
    while (!this.settled) {
      this.flush();
      await this.#progress.wait(undefined, signal);
    }
  }

  #nothingOpen(): boolean {
    return this.#segment.empty && this.#line.size === 0;
  }

  #full(): boolean {
    const { rawBytes, parts, refusals } = this.#segment;
    return rawBytes >= this.#context.maxBytes || parts >= MAX_PARTS || refusals >= MAX_REFUSALS;
  }

  /** Whether the open segment is to be sealed now. */
  #due(): boolean {
    if (this.sealing || this.#segment.empty) return false;
    return this.#full() || (this.#flushing && this.#line.size === 0);
  }

  /** Moves records from the line into the segment, sealing where it is full; the only caller of {@link #start} in normal life. */
  #fill(): void {
    if (this.#state.state === 'failed') return;
    for (;;) {
      if (this.#due()) {
        this.#flushing = false;
        const segment = this.#segment;
        this.#segment = this.newSegment();
        this.#start(segment, 'new');
      }
      const { list: records, at } = this.#line;
      if (records === undefined || this.#full()) break;
      // A segment's age counts from its first record.
      if (this.#segment.empty) this.#segment = this.newSegment();
      const sequenceNumber = this.#segment.append(records, at);
      this.#marks.note({
        sequenceNumber,
        arrivalMs: records.arrivalMs(at),
        events: records.firstItem(at + 1) - records.firstItem(at),
      });
      // The segment holds a copy: nobody reads the record's own bytes any more.
      this.#shard.unwritten.release(heldBytes(records.dataBytes(at)));
      records.release(at);
      this.#line.shift();
    }
    if (this.#nothingOpen()) this.#flushing = false;
  }

  #start(segment: Segment, kind: 'new' | 'redo'): void {
    this.#sealing = segment;
    this.#makeDurable(segment, kind).catch((error: unknown) => {
      this.#shard.life.abort(error);
      // Where only this shard ends, its bytes are wanted by others.
      segment.release();
    });
    // The state has changed by now: an async function runs up to its first await at once.
  }

  async #makeDurable(segment: Segment, kind: 'new' | 'redo'): Promise<void> {
    const { checkpoint, life } = this.#shard;
    const { decoding } = this.#context;
    // Now, while the latest record noted is the segment's last: what is noted from here on lies beyond the checkpoint to come.
    const warmFrom = this.#marks.from(segment.lastArrivalMs);
    if (kind === 'new') {
      this.#state.become('recording');
      await this.#refuseOverlap(segment);
      life.signal.throwIfAborted();
      await checkpoint.update((value) => withPending(value, { ...segment.range(), decoding }));
      life.signal.throwIfAborted();
    }
    this.#state.become('writing');
    await this.#putAll(segment);
    life.signal.throwIfAborted();
    this.#state.become('advancing');
    await this.#advance(segment, warmFrom);
    life.signal.throwIfAborted();
    this.#state.become('open');
    this.#sealing = undefined;
    segment.release();
    this.#fill();
    this.#progress.all();
  }

  async #refuseOverlap(segment: Segment): Promise<void> {
    const { archive, begunMs, deadline } = this.#context;
    if (!mayBeArchived(segment.oldestArrivalMs, begunMs)) return;
    const { first, last } = segment.range();
    await refuseOverlap(archive, {
      range: { shardId: this.#shard.shardId, first, last },
      keys: segment.keys(),
      accepted: this.#abandoned,
      signal: deadline,
    });
  }

  async #putAll(segment: Segment): Promise<void> {
    const objects = await segment.objects();
    await Promise.all(objects.map((object) => this.#context.puts.run(() => this.#put(object))));
  }

  async #put(object: SegmentObject): Promise<void> {
    const { archive, deadline, metrics, logger } = this.#context;
    const { key, kind, lines, bytes } = object;
    await archive.put(object, deadline);
    for (const chunk of object.chunks) releaseBytes(chunk);
    metrics.archiveObjects.inc({ kind });
    metrics.archiveLines.inc({ kind }, lines);
    metrics.archiveBytes.inc({ kind }, bytes);
    logger.debug({ key, lines, bytes }, 'Archive object written.');
  }

  #advance({ lastArrivalMs }: Segment, warmFrom: SequenceNumber | null): Promise<void> {
    const completeToMs = this.#nothingOpen() ? Math.max(this.#completeToMs, lastArrivalMs) : lastArrivalMs;
    return this.#shard.checkpoint.update((value) => withDurable(value, { completeToMs, warmFrom }));
  }
}
