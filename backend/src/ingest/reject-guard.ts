import { UserpulseError } from '../errors.ts';
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
  readonly shardId: string;
  readonly sequenceNumber: string;
}

/** Parts of the window; it moves on by one of them at a time. */
const SLICES = 12;

interface Slice {
  readonly startMs: number;
  events: number;
  rejections: number;
  readonly byCode: Map<RejectionCode, { count: number; readonly example: string }>;
}

/**
 * Notices a bad deploy: a producer that has begun to send what is no event. Dead letters are for the odd bad record; a stream that is mostly bad
 * should wait where it is, behind the checkpoint, rather than become a million of them.
 *
 * Events count when they are decoded, so a point that InfluxDB refuses later turns one of them into a rejection.
 */
export class RejectGuard {
  readonly #clock: Clock;
  readonly #limit: RejectLimit;
  readonly #slices: Slice[] = [];

  constructor(clock: Clock, limit: RejectLimit) {
    this.#clock = clock;
    this.#limit = limit;
  }

  accepted(events: number): void {
    this.#now().events += events;
  }

  rejected(seen: SeenRejection): void {
    this.#note(seen.code, () => `${seen.reason} (shard ${seen.shardId}, record ${seen.sequenceNumber})`);
  }

  /** InfluxDB has refused an event that was accepted before. */
  refused(reason: string): void {
    this.#note('influx_refused', () => reason);
    this.#now().events--;
  }

  /** @throws UserpulseError `too_many_rejected` */
  check(): void {
    const { maxRatio, minRecords, windowMs } = this.#limit;
    this.#now();
    let rejections = 0;
    let records = 0;
    for (const slice of this.#slices) {
      rejections += slice.rejections;
      records += slice.events + slice.rejections;
    }
    if (records < minRecords || rejections <= maxRatio * records) return;
    const [code, most] = this.#mostFrequent();
    throw new UserpulseError(
      'too_many_rejected',
      `Ingest stops because ${rejections} of the last ${records} records (within ${windowMs / 1000} s) are no events, more than USERPULSE_REJECT_MAX_RATIO=${maxRatio} allows. ` +
        `Most of them (${most.count}) are "${code}", for example: ${most.example}`,
      {
        hint: 'Has a bad version of a producer been deployed? Fix that first; the stream keeps the records meanwhile. Then start ingest with USERPULSE_REJECT_MAX_RATIO=1 until it has passed them: they become dead letters, which "userpulse dead-letters" counts, shows and puts back.',
      },
    );
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
    const { windowMs } = this.#limit;
    const latest = this.#slices.at(-1);
    if (latest !== undefined && nowMs - latest.startMs < windowMs / SLICES) return latest;
    while (this.#slices[0] !== undefined && nowMs - this.#slices[0].startMs >= windowMs) this.#slices.shift();
    const slice: Slice = { startMs: nowMs, events: 0, rejections: 0, byCode: new Map() };
    this.#slices.push(slice);
    return slice;
  }

  #mostFrequent(): [RejectionCode | '', { count: number; readonly example: string }] {
    const sums = new Map<RejectionCode, { count: number; readonly example: string }>();
    for (const { byCode } of this.#slices) {
      for (const [code, { count, example }] of byCode) {
        const sum = sums.get(code);
        if (sum === undefined) sums.set(code, { count, example });
        else sum.count += count;
      }
    }
    return [...sums].sort(([, a], [, b]) => b.count - a.count)[0] ?? ['', { count: 0, example: '' }];
  }
}
