import type { ArchiveObject } from '../archive/archive-writer.ts';
import { archiveKey, dayOf, rejectedKey, type SegmentRange } from '../archive/keys.ts';
import { deadLetterLine, type DeadLetter } from '../archive/dead-letter.ts';
import type { LineEncoder } from '../archive/codec.ts';
import { CODECS, type CodecName } from '../archive/codecs.ts';
import type { NotedRefusal, PendingRange } from '../checkpoint/checkpoint.ts';
import { ByteBudget, type Reservation } from '../memory/byte-budget.ts';
import type { WrittenRecords } from './written-records.ts';

/** Days and arrival days that one segment may touch: each holds a buffer and becomes an object. */
export const MAX_PARTS = 64;
/** Records with refused points in one segment: they are stored with the pending range, and a lease in DynamoDB has 400 KB. */
export const MAX_REFUSALS = 500;

export interface SegmentObject extends ArchiveObject {
  readonly kind: 'archive' | 'rejected';
  readonly lines: number;
}

/**
 * Consecutive records of one shard, gathered into an object per day. What it becomes is a function of its records alone: the same range
 * read again gives the same keys and the same bytes.
 */
export class Segment {
  readonly shardId: string;
  readonly openedAtMs: number;
  readonly codec: CodecName;
  readonly #reservation: Reservation;
  readonly #archive = new Map<number, LineEncoder>();
  readonly #rejected = new Map<number, LineEncoder>();
  readonly #refusals: NotedRefusal[] = [];
  #first: string | undefined;
  #last = '';
  #lastArrivalMs = 0;
  #oldestArrivalMs = Infinity;
  #rawBytes = 0;
  #records = 0;

  /** @param reservation grows and shrinks with the bytes held */
  constructor(
    shardId: string,
    openedAtMs: number,
    codec: CodecName,
    reservation: Reservation = new ByteBudget(Infinity).hold(),
  ) {
    this.shardId = shardId;
    this.openedAtMs = openedAtMs;
    this.codec = codec;
    this.#reservation = reservation;
  }

  get empty(): boolean {
    return this.#first === undefined;
  }
  get rawBytes(): number {
    return this.#rawBytes;
  }
  /** Bytes held in memory: compressed ones, and at most 256 KiB not compressed yet per day. */
  get held(): number {
    return this.#reservation.bytes;
  }
  get parts(): number {
    return this.#archive.size + this.#rejected.size;
  }
  get records(): number {
    return this.#records;
  }
  get refusals(): number {
    return this.#refusals.length;
  }
  /** ms; Infinity when empty */
  get oldestArrivalMs(): number {
    return this.#oldestArrivalMs;
  }
  /** ms; 0 when empty */
  get lastArrivalMs(): number {
    return this.#lastArrivalMs;
  }

  /** Adds a copy of a record whose points are all durable in InfluxDB, or refused by it for good. @returns the record's sequence number */
  append(records: WrittenRecords, at: number): string {
    const sequenceNumber = records.sequenceNumber(at);
    const arrivalMs = records.arrivalMs(at);
    this.#first ??= sequenceNumber;
    this.#last = sequenceNumber;
    this.#lastArrivalMs = arrivalMs;
    this.#records++;
    if (arrivalMs < this.#oldestArrivalMs) this.#oldestArrivalMs = arrivalMs;
    const behind = records.firstItem(at + 1);
    for (let number = records.firstItem(at); number < behind; number++) {
      const item = records.item(at, number);
      if (item.kind === 'rejection') {
        this.#reject(records, at, item);
        continue;
      }
      const reason = records.refusal(number);
      if (reason === undefined) {
        this.#put(this.#archive, item.day, item.line);
        continue;
      }
      const { subSequence, data } = item;
      this.#refusals.push({ sequenceNumber, ...(subSequence === undefined ? {} : { subSequence }), reason });
      this.#reject(records, at, { code: 'influx_refused', reason, subSequence, data });
    }
    return sequenceNumber;
  }

  #reject(
    records: WrittenRecords,
    at: number,
    { code, reason, subSequence, data }: Pick<DeadLetter, 'code' | 'reason' | 'subSequence' | 'data'>,
  ): void {
    const arrivalMs = records.arrivalMs(at);
    const line = deadLetterLine({
      code,
      reason,
      shardId: this.shardId,
      sequenceNumber: records.sequenceNumber(at),
      subSequence,
      partitionKey: records.partitionKey(at),
      arrivalMs,
      data,
    });
    this.#put(this.#rejected, dayOf(arrivalMs), line);
  }

  /** What the checkpoint must know before any of {@link objects} is written. */
  range(): PendingRange {
    if (this.#first === undefined) throw new Error('An empty segment has no range.');
    return { first: this.#first, last: this.#last, codec: this.codec, refusals: this.#refusals };
  }

  /** The objects, days in order. Ends the segment. */
  async objects(): Promise<readonly SegmentObject[]> {
    return Promise.all(this.#parts().map(({ kind, key, lines }) => this.#finish(kind, key, lines)));
  }

  /** The keys of {@link objects}. */
  keys(): string[] {
    return this.#parts().map(({ key }) => key);
  }

  #parts() {
    const { first, last } = this.range();
    const range: SegmentRange = { shardId: this.shardId, first, last };
    return [
      ...byDay(this.#archive).map(([day, lines]) => ({
        kind: 'archive' as const,
        key: archiveKey(day, range, this.codec),
        lines,
      })),
      ...byDay(this.#rejected).map(([day, lines]) => ({
        kind: 'rejected' as const,
        key: rejectedKey(day, range, this.codec),
        lines,
      })),
    ];
  }

  async #finish(kind: SegmentObject['kind'], key: string, encoder: LineEncoder): Promise<SegmentObject> {
    const { chunks, bytes, contentSha256, lines } = await encoder.finish();
    return { kind, key, codec: this.codec, chunks, bytes, contentSha256, lines };
  }

  /** What was held is durable, or not wanted any more. */
  release(): void {
    this.#reservation.release();
  }

  /** It will not be written: releases its bytes as soon as none of them is being compressed. */
  discard(): void {
    const release = (): void => this.release();
    this.objects().then(release, release);
  }

  #put(parts: Map<number, LineEncoder>, day: number, line: Uint8Array): void {
    let lines = parts.get(day);
    if (lines === undefined) {
      lines = CODECS[this.codec].encoder((change) => this.#reservation.adjust(change));
      parts.set(day, lines);
    }
    lines.append(line);
    this.#rawBytes += line.length + 1;
  }
}

const byDay = (parts: ReadonlyMap<number, LineEncoder>): [number, LineEncoder][] =>
  [...parts].sort(([a], [b]) => a - b);
