import { compareSequence, type SequenceNumber } from '../event/sequence-number.ts';

/** How far behind a checkpoint re-reading for the offset table may begin. */
export interface WarmBounds {
  readonly maxRecords: number;
  readonly maxEvents: number;
  readonly maxAgeMs: number;
}

export const WARM_BOUNDS: WarmBounds = { maxRecords: 10_000, maxEvents: 50_000, maxAgeMs: 60_000 };

interface Mark {
  readonly sequenceNumber: SequenceNumber;
  readonly arrivalMs: number;
  /** Records and events before this one, counted since the start of the process. */
  readonly recordsBefore: number;
  readonly eventsBefore: number;
}

/**
 * Remembers some of a shard's latest records, so that a checkpoint can say from where to read again. Not each of them: one per 500 records
 * (or 1,000 events) is near enough.
 */
export class WarmMarks {
  readonly #bounds: WarmBounds;
  #marks: Mark[] = [];
  #records = 0;
  #events = 0;

  constructor(bounds: WarmBounds = WARM_BOUNDS) {
    this.#bounds = bounds;
  }

  /** Called for each record in order, when it has become durable or is about to. */
  note(record: { readonly sequenceNumber: SequenceNumber; readonly arrivalMs: number; readonly events: number }): void {
    const latest = this.#marks.at(-1);
    if (
      latest === undefined ||
      this.#records - latest.recordsBefore >= 500 ||
      this.#events - latest.eventsBefore >= 1_000 ||
      record.arrivalMs - latest.arrivalMs >= 5_000
    ) {
      this.#marks.push({
        sequenceNumber: record.sequenceNumber,
        arrivalMs: record.arrivalMs,
        recordsBefore: this.#records,
        eventsBefore: this.#events,
      });
    }
    this.#records++;
    this.#events += record.events;
  }

  /** The same, as if nothing behind this record had been noted. */
  upTo(sequenceNumber: SequenceNumber | null): WarmMarks {
    const marks = new WarmMarks(this.#bounds);
    if (sequenceNumber === null) return marks;
    const later = this.#marks.findIndex((mark) => compareSequence(mark.sequenceNumber, sequenceNumber) > 0);
    marks.#marks = later === -1 ? [...this.#marks] : this.#marks.slice(0, later);
    const end = this.#marks[later];
    marks.#records = end?.recordsBefore ?? this.#records;
    marks.#events = end?.eventsBefore ?? this.#events;
    return marks;
  }

  /** The oldest mark within all bounds, seen from the latest record noted; null where there is none. */
  from(latestArrivalMs: number): SequenceNumber | null {
    const { maxRecords, maxEvents, maxAgeMs } = this.#bounds;
    this.#marks = this.#marks.filter(
      (m) =>
        this.#records - m.recordsBefore <= maxRecords &&
        this.#events - m.eventsBefore <= maxEvents &&
        latestArrivalMs - m.arrivalMs <= maxAgeMs,
    );
    return this.#marks[0]?.sequenceNumber ?? null;
  }
}
