import type { ArchiveObject } from '../archive/archive-writer.ts';
import { archiveKey, dayOf, rejectedKey, type SegmentRange } from '../archive/keys.ts';
import { deadLetterLine } from '../archive/dead-letter.ts';
import type { LineEncoder } from '../archive/codec.ts';
import { CODECS, type CodecName } from '../archive/codecs.ts';
import type { NotedRefusal, PendingRange } from '../checkpoint/checkpoint.ts';
import type { RejectionCode } from '../event/event.ts';
import { ByteBudget, type Reservation } from '../memory/byte-budget.ts';

/** A user record on its way to the archive: a line there, or a dead letter. */
export type ArchiveItem =
  | {
      readonly kind: 'line';
      readonly subSequence: number | undefined;
      readonly occurredAtMs: number;
      /** Archive line without its newline. */
      readonly line: Uint8Array;
      /** As it was received; an archive line lacks the white space around it. */
      readonly data: Uint8Array;
      /** Set when InfluxDB has refused one of its points for good: it goes to the dead letters instead. */
      refused: string | undefined;
    }
  | {
      readonly kind: 'rejection';
      readonly subSequence: number | undefined;
      readonly code: RejectionCode;
      readonly reason: string;
      readonly data: Uint8Array;
    };

/** A record whose points are all durable in InfluxDB, or refused by it for good. */
export interface WrittenRecord {
  readonly sequenceNumber: string;
  readonly partitionKey: string;
  readonly arrivalMs: number;
  /** The record's own bytes. */
  readonly data: Uint8Array;
  readonly items: readonly ArchiveItem[];
}

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
  #last: WrittenRecord | undefined;
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
    return this.#last?.arrivalMs ?? 0;
  }

  append(record: WrittenRecord): void {
    this.#first ??= record.sequenceNumber;
    this.#last = record;
    this.#records++;
    this.#oldestArrivalMs = Math.min(this.#oldestArrivalMs, record.arrivalMs);
    for (const item of record.items) {
      if (item.kind === 'line' && item.refused === undefined) {
        this.#put(this.#archive, dayOf(item.occurredAtMs), item.line);
        continue;
      }
      if (item.kind === 'line') {
        this.#refusals.push({
          sequenceNumber: record.sequenceNumber,
          ...(item.subSequence === undefined ? {} : { subSequence: item.subSequence }),
          reason: item.refused ?? '',
        });
      }
      const deadLetter =
        item.kind === 'line' ? { code: 'influx_refused' as const, reason: item.refused ?? '', data: item.data } : item;
      this.#put(
        this.#rejected,
        dayOf(record.arrivalMs),
        deadLetterLine({
          code: deadLetter.code,
          reason: deadLetter.reason,
          shardId: this.shardId,
          sequenceNumber: record.sequenceNumber,
          subSequence: item.subSequence,
          partitionKey: record.partitionKey,
          arrivalMs: record.arrivalMs,
          data: deadLetter.data,
        }),
      );
    }
  }

  /** What the checkpoint must know before any of {@link objects} is written. */
  range(): PendingRange {
    if (this.#first === undefined || this.#last === undefined) throw new Error('An empty segment has no range.');
    return { first: this.#first, last: this.#last.sequenceNumber, codec: this.codec, refusals: this.#refusals };
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
