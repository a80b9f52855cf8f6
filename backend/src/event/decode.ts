import type { IdFormats } from '../../../contract/ids.ts';
import type { ArrivalRule } from './arrival-rule.ts';
import { compressionOf, decompress, type Compression } from './decompress.ts';
import type { InteractionEvent, Rejection, RejectionCode } from './event.ts';
import { decodeFrame, hashOutside, isFrame } from './kpl.ts';
import { parseEvent, RECORD, type Erase, type ParsedEvent, type Subject } from './parse.ts';
import { MAX_EVENTS, splitArray, splitLines, type Split } from './split.ts';

/** What decides what a record of the stream is. */
export interface ArrivedData {
  readonly data: Uint8Array;
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
      /**
       * Position among all that a record holds, from 0: in a KPL aggregate, in a record that was split, in an aggregate of such records.
       * Undefined where the record is the event itself.
       */
      readonly subSequence: number | undefined;
      readonly event: InteractionEvent;
      /** Archive line without its final newline; see {@link parseEvent}. */
      readonly line: Uint8Array;
      /** As of a rejection. */
      readonly data: Uint8Array;
    }
  | {
      readonly kind: 'rejection';
      readonly subSequence: number | undefined;
      readonly code: RejectionCode;
      readonly reason: string;
      /**
       * The bytes of the record as they were received, or of the sub-record where `subSequence` says which. What was split from a compressed
       * record has never been received by itself: these are its bytes as they were compressed.
       */
      readonly data: Uint8Array;
    };

export interface DecodeOptions {
  /** How far `occurredAt` may be ahead of the record's arrival, in ms. */
  readonly maxAheadMs: number;
  /** In which formats compressed records are decompressed; absent: in none. */
  readonly decompress?: readonly Compression[];
  /** In which ways a record may hold several events; absent: in none. */
  readonly split?: readonly Split[];
  /** How ids are written; absent: in the default formats. */
  readonly ids?: IdFormats;
  /** What is left of an event that names someone who has been forgotten; absent: nobody has. */
  readonly erase?: Erase | undefined;
  /** Of the shard that the record was read from; without it nothing counts as outside. */
  readonly hashRange?: HashRange;
}

/** The options that are settings. A range of records that is archived again is decoded by those it was archived by first. */
export type DecodeSettings = Required<Omit<DecodeOptions, 'hashRange' | 'erase'>>;

export interface DecodedRecord {
  /** One per user record, in order; at least one for every record, whatever its bytes. */
  readonly items: readonly DecodedItem[];
  /**
   * Sub-records whose hash key lies outside the shard, as happens around a split. They are kept: the KPL sends none twice, and the
   * consumer library that drops them loses them for good.
   */
  readonly outsideShard: number;
  /** Bytes that decompression has made, and that the items hold beside those of the record. */
  readonly decompressedBytes: number;
}

/** A record of the stream → events and rejections. Pure; never throws, whatever the bytes. */
export function decodeRecord(record: ArrivedData, options: DecodeOptions): DecodedRecord {
  const rule: ArrivalRule = {
    arrivalMs: record.approximateArrivalMs,
    maxAheadMs: options.maxAheadMs,
    ids: options.ids,
  };
  const items: DecodedItem[] = [];
  if (!isFrame(record.data)) {
    return { items, outsideShard: 0, decompressedBytes: decodeInto(items, record.data, false, rule, options) };
  }
  const frame = decodeFrame(record.data);
  if ('code' in frame) {
    items.push({ kind: 'rejection', subSequence: undefined, ...frame, data: record.data });
    return { items, outsideShard: 0, decompressedBytes: 0 };
  }
  const outside = options.hashRange === undefined ? undefined : hashOutside(options.hashRange);
  let outsideShard = 0;
  let decompressedBytes = 0;
  for (const sub of frame.records) {
    if (sub.kind === 'broken') {
      const { reason, data } = sub;
      items.push({ kind: 'rejection', subSequence: items.length, code: 'kpl_key_broken', reason, data });
      continue;
    }
    if (outside?.(sub) === true) outsideShard++;
    decompressedBytes += decodeInto(items, sub.data, true, rule, options);
  }
  return { items, outsideShard, decompressedBytes };
}

/**
 * What a record or a sub-record holds, behind the items of the sub-records before it.
 * @param numbered whether it is a sub-record: its one item has a position, too
 * @returns bytes that decompression has made
 */
function decodeInto(
  items: DecodedItem[],
  data: Uint8Array,
  numbered: boolean,
  rule: ArrivalRule,
  options: DecodeOptions,
): number {
  const subSequence = numbered ? items.length : undefined;
  let bytes = data;
  let subject = RECORD;
  if (options.decompress !== undefined) {
    const compression = compressionOf(data);
    if (compression !== undefined && options.decompress.includes(compression)) {
      const result = decompress(data, compression);
      if (typeof result === 'string') {
        const reason = `The record ${result}. Send its events again.`;
        items.push({ kind: 'rejection', subSequence, code: 'decompress_failed', reason, data });
        return 0;
      }
      bytes = result;
      subject = DECOMPRESSED;
    }
  }
  const parsed = parseEvent(bytes, rule, subject);
  const decompressedBytes = bytes === data ? 0 : bytes.length;
  if ('line' in parsed) {
    items.push(itemOf(data, parsed, options.erase, subSequence));
    return decompressedBytes;
  }
  const pieces = options.split === undefined ? undefined : piecesOf(bytes, parsed.code, rule, options.split);
  if (Array.isArray(pieces)) {
    for (const { data: piece, parsed: of } of pieces) items.push(itemOf(piece, of, options.erase, items.length));
    return decompressedBytes;
  }
  const { code, reason } = pieces ?? parsed;
  items.push({ kind: 'rejection', subSequence, code, reason, data });
  return 0;
}

const DECOMPRESSED: Subject = { name: 'The record, decompressed,', whole: true };
const PIECE: Subject = { name: 'This event of the record', whole: false };

/** One of several events of a record. */
interface Piece {
  readonly data: Uint8Array;
  readonly parsed: ParsedEvent | Rejection;
}

/**
 * The events of a record that is not one event.
 * @param code why it is not
 * @returns why it cannot be split, or undefined where it does not hold several or is not to be split in that way
 */
function piecesOf(
  bytes: Uint8Array,
  code: RejectionCode,
  rule: ArrivalRule,
  splits: readonly Split[],
): Piece[] | Rejection | undefined {
  const isArray = code === 'not_an_object' && bytes.find((byte) => byte > 0x20) === OPENING_BRACKET;
  const isText = code === 'not_json' || code === 'not_utf8';
  const split: Split | undefined = isArray ? 'array' : isText ? 'ndjson' : undefined;
  if (split === undefined || !splits.includes(split)) return undefined;
  const pieces = split === 'array' ? splitArray(bytes) : splitLines(bytes);
  if (pieces === undefined) {
    return {
      code: 'too_many_events',
      reason: `The record holds more than ${MAX_EVENTS} events. Send fewer per record.`,
    };
  }
  if (pieces.length === 0 && split === 'array') {
    return { code: 'record_empty', reason: 'The record is an array without events. Send nothing instead.' };
  }
  if (pieces.length < 2 && split === 'ndjson') return undefined;
  const parsed = pieces.map((data): Piece => ({ data, parsed: parseEvent(data, rule, PIECE) }));
  // Without a single object these are the lines of something else: one dead letter tells as much as one for each of them.
  return split === 'ndjson' && !parsed.some(isObject) ? undefined : parsed;
}

const OPENING_BRACKET = 0x5b;

/** An erased event is as if it had come so: the bytes of whoever was forgotten must not get into a dead letter either. */
function itemOf(
  data: Uint8Array,
  parsed: ParsedEvent | Rejection,
  erase: Erase | undefined,
  subSequence: number | undefined,
): DecodedItem {
  if (!('line' in parsed)) return { kind: 'rejection', subSequence, code: parsed.code, reason: parsed.reason, data };
  const erased = erase?.(parsed.event);
  const { event, line } = erased ?? parsed;
  return { kind: 'event', subSequence, event, line, data: erased === undefined ? data : line };
}

const isObject = ({ parsed }: Piece): boolean =>
  'line' in parsed || !['not_json', 'not_utf8', 'not_an_object'].includes(parsed.code);
