import { numberIn, objectOf, recordMembers, stringIn, textOf } from './api-record.ts';

/** A record of GetRecords, members named as in the API and typed as in the SDK. */
export interface ApiRecord {
  /** A part of a block of memory that neighbours share. */
  readonly Data: Uint8Array;
  readonly PartitionKey: string | undefined;
  readonly SequenceNumber: string | undefined;
  readonly ApproximateArrivalTimestamp: Date | undefined;
}

export interface GetRecordsAnswer {
  readonly Records: readonly ApiRecord[];
  readonly NextShardIterator: string | undefined;
  readonly MillisBehindLatest: number | undefined;
}

/**
 * The body of an answer of GetRecords. Record by record, because the text of a whole page is a string of megabytes, and those outlive every
 * collection but the full ones.
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html#API_GetRecords_ResponseSyntax
 *
 * @param body not kept
 * @throws Error for what is no such answer
 */
export function readGetRecords(body: Buffer): GetRecordsAnswer {
  const array = recordsArray(body);
  const rest =
    array === undefined
      ? textOf(body, 0, body.length)
      : `${textOf(body, 0, array.start)}[]${textOf(body, array.end, body.length)}`;
  const answer = objectOf(rest);
  return {
    Records: array === undefined ? [] : readRecords(body, array.elements),
    NextShardIterator: stringIn(answer, 'NextShardIterator'),
    MillisBehindLatest: numberIn(answer, 'MillisBehindLatest'),
  };
}

/** Records are given up one after the other, so a block is free soon after its last one; a small block per record would cost more than decoding it. */
const BLOCK_BYTES = 64 * 1024;

type Range = readonly [start: number, end: number];

function readRecords(body: Buffer, elements: readonly Range[]): ApiRecord[] {
  let block = Buffer.alloc(0);
  let at = 0;
  return elements.map(([start, end]) => {
    const { data, partitionKey, sequenceNumber, arrivalSeconds } = recordMembers(body, start, end);
    const bytes = base64Bytes(data);
    if (at + bytes > block.length) {
      block = Buffer.allocUnsafeSlow(Math.max(bytes, BLOCK_BYTES));
      at = 0;
    }
    // Node passes over what is not base64; then they are fewer.
    if (block.write(data, at, 'base64') !== bytes) throw new Error('Data in an answer of GetRecords is not base64.');
    const Data = block.subarray(at, at + bytes);
    at += bytes;
    return {
      Data,
      PartitionKey: partitionKey,
      SequenceNumber: sequenceNumber,
      ApproximateArrivalTimestamp:
        arrivalSeconds === undefined ? undefined : new Date(Math.round(arrivalSeconds * 1000)),
    };
  });
}

/** Bytes that correct base64 stands for. */
function base64Bytes(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return Math.floor(((text.length - padding) * 3) / 4);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const NAME = Buffer.from('"Records"');

/** Where the array `Records` of the top-level object lies, and the objects in it. Only strings and brackets are looked at: JSON.parse does the rest. */
function recordsArray(body: Buffer): { start: number; end: number; elements: Range[] } | undefined {
  const elements: Range[] = [];
  let depth = 0;
  let start = -1;
  let elementStart = -1;
  let named = false;
  for (let at = 0; at < body.length; at++) {
    switch (body[at]) {
      case QUOTE: {
        const end = endOfString(body, at);
        named = depth === 1 && end - at === NAME.length && body.compare(NAME, 0, NAME.length, at, end) === 0;
        at = end - 1;
        break;
      }
      case 0x5b: // [
        if (named && depth === 1) start = at;
        depth++;
        break;
      case 0x7b: // {
        if (start !== -1 && depth === 2) elementStart = at;
        depth++;
        break;
      case 0x7d: // }
        depth--;
        if (start !== -1 && depth === 2) elements.push([elementStart, at + 1]);
        break;
      case 0x5d: // ]
        depth--;
        if (start !== -1 && depth === 1) return { start, end: at + 1, elements };
        break;
      case COLON:
      case 0x20:
      case 0x09:
      case 0x0a:
      case 0x0d:
        break;
      default:
        named = false;
    }
  }
  if (start !== -1) throw new Error('An answer of GetRecords ends in the middle of its records.');
  return undefined;
}

/** Index after the closing quote of the string that opens at `at`. */
function endOfString(body: Buffer, at: number): number {
  for (let quote = body.indexOf(QUOTE, at + 1); quote !== -1; quote = body.indexOf(QUOTE, quote + 1)) {
    let backslashes = 0;
    while (body[quote - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  throw new Error('An answer of GetRecords ends in the middle of a string.');
}
