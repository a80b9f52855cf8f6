import type { InteractionEvent, RejectionCode } from './event.ts';
import { decodeFrame, hashOutside, isFrame } from './kpl.ts';
import { parseEvent, type ArrivalRule } from './parse.ts';

/** One record as GetRecords returns it. */
export interface StreamRecord {
  readonly data: Uint8Array;
  readonly partitionKey: string;
  readonly sequenceNumber: string;
  /** ApproximateArrivalTimestamp in ms. */
  readonly approximateArrivalMs: number;
}

/** Hash keys of a shard, both ends included, 0 to 2^128-1. */
export interface HashRange {
  readonly start: bigint;
  readonly end: bigint;
}

export type DecodedItem =
  | {
      readonly kind: 'event';
      /** Position inside a KPL-aggregated record from 0; undefined where the record is the event itself. */
      readonly subSequence: number | undefined;
      readonly event: InteractionEvent;
      /** Archive line without its final newline; see {@link parseEvent}. */
      readonly line: Uint8Array;
    }
  | {
      readonly kind: 'rejection';
      readonly subSequence: number | undefined;
      readonly code: RejectionCode;
      readonly reason: string;
      /** The original bytes of the record, or of the sub-record where `subSequence` says which. */
      readonly data: Uint8Array;
    };

export interface DecodeOptions {
  /** How far `occurredAt` may be ahead of the record's arrival, in ms. */
  readonly maxAheadMs: number;
  /** Of the shard that the record was read from; without it nothing counts as outside. */
  readonly hashRange?: HashRange;
}

export interface DecodedRecord {
  /** One per user record, in order; at least one for every record, whatever its bytes. */
  readonly items: readonly DecodedItem[];
  /**
   * Sub-records whose hash key lies outside the shard, as happens around a split. They are kept: the KPL sends none twice, and the
   * consumer library that drops them loses them for good.
   */
  readonly outsideShard: number;
}

/** A record of the stream → events and rejections. Pure; never throws, whatever the bytes. */
export function decodeRecord(record: StreamRecord, options: DecodeOptions): DecodedRecord {
  const rule: ArrivalRule = { arrivalMs: record.approximateArrivalMs, maxAheadMs: options.maxAheadMs };
  if (!isFrame(record.data)) return { items: [decodeItem(record.data, undefined, rule)], outsideShard: 0 };

  const frame = decodeFrame(record.data);
  if ('code' in frame) {
    return { items: [{ kind: 'rejection', subSequence: undefined, ...frame, data: record.data }], outsideShard: 0 };
  }
  const items: DecodedItem[] = [];
  const outside = options.hashRange === undefined ? undefined : hashOutside(options.hashRange);
  let outsideShard = 0;
  for (const [subSequence, sub] of frame.records.entries()) {
    if (sub.kind === 'broken') {
      items.push({ kind: 'rejection', subSequence, code: 'kpl_key_broken', reason: sub.reason, data: sub.data });
      continue;
    }
    if (outside?.(sub) === true) outsideShard++;
    items.push(decodeItem(sub.data, subSequence, rule));
  }
  return { items, outsideShard };
}

function decodeItem(data: Uint8Array, subSequence: number | undefined, rule: ArrivalRule): DecodedItem {
  const parsed = parseEvent(data, rule);
  return 'code' in parsed
    ? { kind: 'rejection', subSequence, code: parsed.code, reason: parsed.reason, data }
    : { kind: 'event', subSequence, event: parsed.event, line: parsed.line };
}
