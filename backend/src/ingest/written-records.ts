import { dayOf } from '../archive/keys.ts';
import type { DecodedItem } from '../event/decode.ts';
import type { StreamRecords } from '../kinesis/stream-records.ts';
import { Ints } from '../memory/ints.ts';

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

/** Of an item: its day, and where it is (see {@link WHOLE}). */
const ITEM = 2;
/** Line and data are the record itself, which is so of nearly all items. Any other item has a place among {@link WrittenRecords.#parts}. */
const WHOLE = -1;
/** It does not lie within the record's bytes, and is kept as an object. */
const ELSEWHERE = -2;
/** Of an item that lies within the record's bytes: sub-sequence, and where in them line and data begin and end. */
const PART = 5;
const NO_SUB_SEQUENCE = -1;

/** Consecutive records of one page. */
interface Run {
  readonly records: StreamRecords;
  /** The first of them. */
  readonly first: number;
  /** What a record's number in the page is more than its number here. */
  readonly shift: number;
}

/**
 * Records of one shard on their way from a batch to the archive, with the items that they hold, as columns; see {@link StreamRecords}. Items are
 * numbered through, over all records.
 */
export class WrittenRecords {
  readonly #runs: Run[] = [];
  /** The run that was asked for last: records are asked for in order. */
  #run = 0;
  #length = 0;
  /** The first item of each record. */
  readonly #firsts = new Ints();
  readonly #items = new Ints();
  readonly #parts = new Ints();
  readonly #elsewhere = new Map<number, ArchiveItem>();
  readonly #refusals = new Map<number, string>();

  get length(): number {
    return this.#length;
  }

  /** Adds a record without items. */
  add(records: StreamRecords, place: number): void {
    const last = this.#runs.at(-1);
    if (last?.records !== records || this.#length + last.shift !== place) {
      this.#runs.push({ records, first: this.#length, shift: place - this.#length });
    }
    this.#length++;
    this.#firsts.push(this.items);
  }

  /** Adds an item to the last record, of whose bytes `record` is the view that was decoded. */
  addItem(item: DecodedItem, record: Uint8Array): void {
    if (item.kind === 'event' && item.line.buffer === record.buffer && item.data.buffer === record.buffer) {
      const { event, subSequence, line, data } = item;
      const whole = subSequence === undefined && line === record && data === record;
      const place = whole ? WHOLE : this.#addPart(subSequence ?? NO_SUB_SEQUENCE, line, data, record.byteOffset);
      this.#items.push(dayOf(event.occurredAtMs));
      this.#items.push(place);
      return;
    }
    this.#elsewhere.set(this.items, archiveItem(item));
    this.#items.push(0);
    this.#items.push(ELSEWHERE);
  }

  /** @returns its place */
  #addPart(subSequence: number, line: Uint8Array, data: Uint8Array, from: number): number {
    const place = this.#parts.length / PART;
    this.#parts.push(subSequence);
    for (const { byteOffset, byteLength } of [line, data]) {
      this.#parts.push(byteOffset - from);
      this.#parts.push(byteOffset - from + byteLength);
    }
    return place;
  }

  /** Number of items of all records. */
  get items(): number {
    return this.#items.length / ITEM;
  }

  /** The first item of a record; that of the next record is behind its last one. */
  firstItem(at: number): number {
    return this.#firsts.at(at) ?? this.items;
  }

  /** The record that holds an item. */
  recordOf(item: number): number {
    let at = 0;
    while (at + 1 < this.length && this.firstItem(at + 1) <= item) at++;
    return at;
  }

  /** @param at of its record, which is not released yet */
  item(at: number, item: number): ArchiveItem {
    const day = this.#items.at(item * ITEM) ?? 0;
    const place = this.#items.at(item * ITEM + 1) ?? ELSEWHERE;
    if (place === ELSEWHERE) {
      const elsewhere = this.#elsewhere.get(item);
      if (elsewhere === undefined) throw new RangeError(`There is no item ${item} of ${this.items}.`);
      return elsewhere;
    }
    const record = this.data(at);
    if (place === WHOLE) return { kind: 'line', subSequence: undefined, day, line: record, data: record };
    const [subSequence, lineFrom, lineTo, dataFrom, dataTo] = this.#part(place);
    return {
      kind: 'line',
      subSequence: subSequence === NO_SUB_SEQUENCE ? undefined : subSequence,
      day,
      line: record.subarray(lineFrom, lineTo),
      data: record.subarray(dataFrom, dataTo),
    };
  }

  #part(place: number): [subSequence: number, lineFrom: number, lineTo: number, dataFrom: number, dataTo: number] {
    const at = (column: number): number => this.#parts.at(place * PART + column) ?? 0;
    return [at(0), at(1), at(2), at(3), at(4)];
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
    const { records, shift } = this.#runOf(at);
    return records.data(at + shift);
  }
  dataBytes(at: number): number {
    const { records, shift } = this.#runOf(at);
    return records.dataBytes(at + shift);
  }
  arrivalMs(at: number): number {
    const { records, shift } = this.#runOf(at);
    return records.arrivalMs(at + shift);
  }
  sequenceNumber(at: number): string {
    const { records, shift } = this.#runOf(at);
    return records.sequenceNumber(at + shift);
  }
  partitionKey(at: number): string {
    const { records, shift } = this.#runOf(at);
    return records.partitionKey(at + shift);
  }

  /** The archive holds a copy of the record, or it is dropped. */
  release(at: number): void {
    const { records, shift } = this.#runOf(at);
    records.release(at + shift);
  }

  releaseAll(): void {
    for (let at = 0; at < this.length; at++) this.release(at);
  }

  #runOf(at: number): Run {
    let run = this.#runs[this.#run];
    if (run === undefined || run.first > at) {
      this.#run = 0;
      run = this.#runs[0];
    }
    for (let next = this.#runs[this.#run + 1]; next !== undefined && next.first <= at;) {
      run = next;
      next = this.#runs[++this.#run + 1];
    }
    if (run === undefined || at >= this.length) throw new RangeError(`There is no record ${at} of ${this.length}.`);
    return run;
  }
}

function archiveItem(item: DecodedItem): ArchiveItem {
  if (item.kind === 'rejection') return item;
  const { subSequence, event, line, data } = item;
  return { kind: 'line', subSequence, day: dayOf(event.occurredAtMs), line, data };
}
