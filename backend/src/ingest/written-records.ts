import { dayOf } from '../archive/keys.ts';
import type { DecodedItem } from '../event/decode.ts';
import type { StreamRecords } from '../kinesis/stream-records.ts';

/** What the archive holds of a user record: a line, or a dead letter. */
export type ArchiveItem =
  | {
      readonly kind: 'line';
      readonly subSequence: number | undefined;
      /** Of `occurredAt`; see dayOf. */
      readonly day: number;
      /** Archive line without its newline. */
      readonly line: Uint8Array;
      /** As it was received; an archive line lacks the white space around it. */
      readonly data: Uint8Array;
    }
  | Extract<DecodedItem, { kind: 'rejection' }>;

/** Of an item that lies within the record's own bytes, which nearly all do: sub-sequence, day, and where in them line and data begin and end. */
const COLUMNS = 6;
const NO_SUB_SEQUENCE = -1;
/** In place of a sub-sequence: the item is kept as an object. */
const ELSEWHERE = -2;

/**
 * Records of one shard on their way from a batch to the archive, with the items that they hold, as columns; see {@link StreamRecords}. Items are
 * numbered through, over all records.
 */
export class WrittenRecords {
  readonly #records: StreamRecords[] = [];
  /** Where in its records each record is. */
  readonly #places: number[] = [];
  /** The first item of each record. */
  readonly #firsts: number[] = [];
  readonly #columns: number[] = [];
  readonly #elsewhere = new Map<number, ArchiveItem>();
  readonly #refusals = new Map<number, string>();

  get length(): number {
    return this.#places.length;
  }

  /** Adds a record without items. */
  add(records: StreamRecords, place: number): void {
    this.#records.push(records);
    this.#places.push(place);
    this.#firsts.push(this.items);
  }

  /** Adds an item to the last record. */
  addItem(item: DecodedItem, record: Uint8Array): void {
    const { subSequence, data } = item;
    if (item.kind === 'event' && item.line.buffer === record.buffer && data.buffer === record.buffer) {
      this.#columns.push(
        subSequence ?? NO_SUB_SEQUENCE,
        dayOf(item.event.occurredAtMs),
        item.line.byteOffset - record.byteOffset,
        item.line.byteOffset - record.byteOffset + item.line.byteLength,
        data.byteOffset - record.byteOffset,
        data.byteOffset - record.byteOffset + data.byteLength,
      );
      return;
    }
    this.#elsewhere.set(this.items, archiveItem(item));
    this.#columns.push(ELSEWHERE, 0, 0, 0, 0, 0);
  }

  /** Number of items of all records. */
  get items(): number {
    return this.#columns.length / COLUMNS;
  }

  /** The first item of a record; that of the next record is behind its last one. */
  firstItem(at: number): number {
    return this.#firsts[at] ?? this.items;
  }

  /** The record that holds an item. */
  recordOf(item: number): number {
    const behind = this.#firsts.findIndex((first) => first > item);
    return (behind === -1 ? this.length : behind) - 1;
  }

  /** @param at of its record, which is not released yet */
  item(at: number, item: number): ArchiveItem {
    const column = item * COLUMNS;
    const columns = this.#columns;
    const subSequence = columns[column];
    const elsewhere = subSequence === ELSEWHERE ? this.#elsewhere.get(item) : undefined;
    if (elsewhere !== undefined) return elsewhere;
    const record = this.data(at);
    const line = partOf(record, columns[column + 2] ?? 0, columns[column + 3] ?? 0);
    const data = partOf(record, columns[column + 4] ?? 0, columns[column + 5] ?? 0);
    return {
      kind: 'line',
      subSequence: subSequence === NO_SUB_SEQUENCE ? undefined : subSequence,
      day: columns[column + 1] ?? 0,
      line,
      data,
    };
  }

  /** InfluxDB has refused one of an event's points for good: the event goes to the dead letters instead. */
  refuse(item: number, reason: string): void {
    this.#refusals.set(item, reason);
  }

  /** Why InfluxDB has refused one of the event's points; undefined where it has not. */
  refusal(item: number): string | undefined {
    return this.#refusals.get(item);
  }

  data(at: number): Buffer {
    return this.#of(at).data(this.#placeOf(at));
  }
  dataBytes(at: number): number {
    return this.#of(at).dataBytes(this.#placeOf(at));
  }
  arrivalMs(at: number): number {
    return this.#of(at).arrivalMs(this.#placeOf(at));
  }
  sequenceNumber(at: number): string {
    return this.#of(at).sequenceNumber(this.#placeOf(at));
  }
  partitionKey(at: number): string {
    return this.#of(at).partitionKey(this.#placeOf(at));
  }

  /** The archive holds a copy of the record, or it is dropped. */
  release(at: number): void {
    this.#of(at).release(this.#placeOf(at));
  }

  releaseAll(): void {
    for (let at = 0; at < this.length; at++) this.release(at);
  }

  #of(at: number): StreamRecords {
    const records = this.#records[at];
    if (records === undefined) throw new RangeError(`There is no record ${at} of ${this.length}.`);
    return records;
  }

  #placeOf(at: number): number {
    return this.#places[at] ?? 0;
  }
}

/** Bytes of a record, without a view of their own where they are all of it. */
const partOf = (record: Buffer, from: number, to: number): Uint8Array =>
  from === 0 && to === record.length ? record : record.subarray(from, to);

function archiveItem(item: DecodedItem): ArchiveItem {
  if (item.kind === 'rejection') return item;
  const { subSequence, event, line, data } = item;
  return { kind: 'line', subSequence, day: dayOf(event.occurredAtMs), line, data };
}
