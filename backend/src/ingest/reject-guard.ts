import { counted } from '../format.ts';
import type { RejectionCode } from '../event/event.ts';
import type { Clock } from '../clock.ts';

export interface RejectLimit {
  /** Largest fraction of rejections that is taken for normal life; 1 = any. */
  readonly maxRatio: number;
  /** Events and rejections below which a fraction says nothing. */
  readonly minRecords: number;
  readonly windowMs: number;
}

export interface SeenRejection {
  readonly code: RejectionCode;
  readonly reason: string;
  readonly sequenceNumber: string;
}

/** A shard of which too much is rejected. */
export interface BadShard {
  readonly shardId: string;
  /** Sentences: how much, and what most of it is. */
  readonly reason: string;
}

/** Parts of the window; it moves on by one of them at a time. */
const SLICES = 12;

interface Slice {
  readonly startMs: number;
  events: number;
  rejections: number;
  readonly byCode: Map<RejectionCode, CodeCount>;
}

interface CodeCount {
  count: number;
  readonly example: string;
}

/**
 * Notices a bad deploy: a producer that has begun to send what is no event. Dead letters are for the odd bad record; a shard that is mostly bad
 * should wait where it is, behind the checkpoint, rather than become a million of them.
 *
 * A bad producer's records spread over shards by their partition keys. So the shards whose own fraction is too large are judged together: once they
 * have `minRecords` among them, each of them that has at least its share of that is bad. Healthy shards are never held for others.
 */
export class RejectGuard {
  readonly #clock: Clock;
  readonly #limit: RejectLimit;
  readonly #windows = new Map<string, RejectWindow>();

  constructor(clock: Clock, limit: RejectLimit) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /**
   * Begins to watch a shard, with nothing seen of it.
   * @param releasedToMs records that arrived until then are not counted
   */
  watch(shardId: string, releasedToMs: number): RejectWindow {
    const window = new RejectWindow(this.#clock, this.#limit.windowMs, releasedToMs);
    this.#windows.set(shardId, window);
    return window;
  }

  forget(shardId: string): void {
    this.#windows.delete(shardId);
  }

  /** The shards to be held now. */
  bad(): readonly BadShard[] {
    const { maxRatio, minRecords, windowMs } = this.#limit;
    const share = minRecords / this.#windows.size;
    const suspects: (BadShard & { readonly records: number })[] = [];
    for (const [shardId, window] of this.#windows) {
      const { rejections, records } = window.sums();
      if (records < share || rejections <= maxRatio * records) continue;
      const [code, most] = window.mostFrequent();
      const reason =
        `${rejections} of the last ${counted(records, 'record')} (within ${windowMs / 1000} s) are not valid events, more than USERPULSE_REJECT_MAX_RATIO=${maxRatio} allows. ` +
        `Most of them (${most.count}) are "${code}", for example: ${most.example}`;
      suspects.push({ shardId, reason, records });
    }
    return suspects.reduce((sum, { records }) => sum + records, 0) >= minRecords ? suspects : [];
  }
}

/**
 * What was seen of a shard lately. Events count when they are decoded, so a point that InfluxDB refuses later turns one of them into a rejection.
 * Times of arrival are in ms.
 */
export class RejectWindow {
  readonly releasedToMs: number;
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #slices: Slice[] = [];

  constructor(clock: Clock, windowMs: number, releasedToMs: number) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.releasedToMs = releasedToMs;
  }

  accepted(events: number, arrivalMs: number): void {
    if (arrivalMs > this.releasedToMs) this.#now().events += events;
  }

  rejected({ code, reason, sequenceNumber }: SeenRejection, arrivalMs: number): void {
    if (arrivalMs > this.releasedToMs) this.#note(code, () => `${reason} (record ${sequenceNumber})`);
  }

  /** InfluxDB has refused an event that was accepted before. */
  refused(reason: string, arrivalMs: number): void {
    if (arrivalMs <= this.releasedToMs) return;
    this.#note('influx_refused', () => reason);
    this.#now().events--;
  }

  sums(): { readonly rejections: number; readonly records: number } {
    this.#now();
    let rejections = 0;
    let records = 0;
    for (const slice of this.#slices) {
      rejections += slice.rejections;
      records += slice.events + slice.rejections;
    }
    return { rejections, records };
  }

  mostFrequent(): [RejectionCode | '', Readonly<CodeCount>] {
    const sums = new Map<RejectionCode, CodeCount>();
    for (const { byCode } of this.#slices) {
      for (const [code, { count, example }] of byCode) {
        const sum = sums.get(code);
        if (sum === undefined) sums.set(code, { count, example });
        else sum.count += count;
      }
    }
    return [...sums].sort(([, a], [, b]) => b.count - a.count)[0] ?? ['', { count: 0, example: '' }];
  }

  #note(code: RejectionCode, example: () => string): void {
    const slice = this.#now();
    slice.rejections++;
    const seen = slice.byCode.get(code);
    if (seen === undefined) slice.byCode.set(code, { count: 1, example: example() });
    else seen.count++;
  }

  #now(): Slice {
    const nowMs = this.#clock.now();
    const latest = this.#slices.at(-1);
    if (latest !== undefined && nowMs - latest.startMs < this.#windowMs / SLICES) return latest;
    while (this.#slices[0] !== undefined && nowMs - this.#slices[0].startMs >= this.#windowMs) this.#slices.shift();
    const slice: Slice = { startMs: nowMs, events: 0, rejections: 0, byCode: new Map() };
    this.#slices.push(slice);
    return slice;
  }
}
