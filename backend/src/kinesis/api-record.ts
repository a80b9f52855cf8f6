import { isAscii } from 'node:buffer';

/** The members of a GetRecords record that are read. */
export interface RecordMembers {
  /** base64 */
  readonly data: string;
  readonly partitionKey: string | undefined;
  readonly sequenceNumber: string | undefined;
  /** ApproximateArrivalTimestamp, in seconds. */
  readonly arrivalSeconds: number | undefined;
}

/**
 * The members of one record, a JSON object within a response. Kinesis always writes it the same way (no white space, no escapes, only strings
 * and a number), which is read straight from the bytes. JSON.parse reads whatever else JSON allows, at the cost of a string of the whole
 * record, an object, and a second copy of the data, all of it garbage at once.
 *
 * @param start of its opening brace
 * @param end behind its closing one
 * @throws Error where it is not such a record
 */
export function recordMembers(body: Buffer, start: number, end: number): RecordMembers {
  return plainMembers(body, start, end) ?? parsedMembers(body, start, end);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;

const DATA = Buffer.from('Data');
const PARTITION_KEY = Buffer.from('PartitionKey');
const SEQUENCE_NUMBER = Buffer.from('SequenceNumber');
const ARRIVAL = Buffer.from('ApproximateArrivalTimestamp');

/** @returns undefined where the record is not written the way Kinesis does */
function plainMembers(body: Buffer, start: number, end: number): RecordMembers | undefined {
  let data = '';
  let partitionKey: string | undefined;
  let sequenceNumber: string | undefined;
  let arrivalSeconds: number | undefined;
  const last = end - 1;
  for (let at = start + 1; ; at++) {
    if (body[at] !== QUOTE) return undefined;
    const name = at + 1;
    if (isNamed(body, name, DATA)) {
      const value = name + DATA.length + 3;
      at = body.indexOf(QUOTE, value);
      // The length is right for base64; whether all characters are is noticed when they are decoded.
      if (!isText(body, value) || at === -1 || at >= last || (at - value) % 4 !== 0) return undefined;
      data = body.toString('latin1', value, at);
      if (data.includes('\\')) return undefined;
      at++;
    } else if (isNamed(body, name, SEQUENCE_NUMBER)) {
      const value = name + SEQUENCE_NUMBER.length + 3;
      at = endOfPlainText(body, value, last);
      if (!isText(body, value) || at === -1) return undefined;
      sequenceNumber = body.toString('latin1', value, at);
      at++;
    } else if (isNamed(body, name, PARTITION_KEY)) {
      const value = name + PARTITION_KEY.length + 3;
      at = endOfPlainText(body, value, last);
      if (!isText(body, value) || at === -1) return undefined;
      partitionKey = body.toString('latin1', value, at);
      at++;
    } else if (isNamed(body, name, ARRIVAL)) {
      const value = name + ARRIVAL.length + 2;
      if (body[value - 2] !== QUOTE || body[value - 1] !== COLON) return undefined;
      at = endOfNumber(body, value, last);
      // JSON.parse, because Number accepts more than JSON does.
      const parsed: unknown = at === value ? undefined : JSON.parse(body.toString('latin1', value, at));
      if (typeof parsed !== 'number') return undefined;
      arrivalSeconds = parsed;
    } else {
      return undefined;
    }
    if (at === last) return { data, partitionKey, sequenceNumber, arrivalSeconds };
    if (body[at] !== COMMA) return undefined;
  }
}

/** Whether a string begins at `value`, right after the end of its member's name. */
const isText = (body: Buffer, value: number): boolean =>
  body[value - 3] === QUOTE && body[value - 2] === COLON && body[value - 1] === QUOTE;

function isNamed(body: Buffer, at: number, name: Buffer): boolean {
  for (let n = 0; n < name.length; n++) if (body[at + n] !== name[n]) return false;
  return true;
}

/** Index of the quote that ends a string of printable ASCII without escapes; -1 for any other string. */
function endOfPlainText(body: Buffer, from: number, last: number): number {
  for (let at = from; at < last; at++) {
    const byte = body[at] ?? 0;
    if (byte === QUOTE) return at;
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return -1;
  }
  return -1;
}

function endOfNumber(body: Buffer, from: number, last: number): number {
  let at = from;
  while (at < last && isNumberPart(body[at] ?? 0)) at++;
  return at;
}

/** Digits, `-`, `+`, `.`, `e`, `E` */
const isNumberPart = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2b || byte === 0x2e || (byte | 0x20) === 0x65;

function parsedMembers(body: Buffer, start: number, end: number): RecordMembers {
  const record = objectOf(textOf(body, start, end));
  return {
    data: stringIn(record, 'Data') ?? '',
    partitionKey: stringIn(record, 'PartitionKey'),
    sequenceNumber: stringIn(record, 'SequenceNumber'),
    arrivalSeconds: numberIn(record, 'ApproximateArrivalTimestamp'),
  };
}

export function textOf(body: Buffer, start: number, end: number): string {
  const part = body.subarray(start, end);
  return part.toString(isAscii(part) ? 'latin1' : 'utf8');
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function objectOf(text: string): JsonObject {
  const value: unknown = JSON.parse(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new Error('A response of GetRecords is not a JSON object.');
}

export function stringIn(object: JsonObject, name: string): string | undefined {
  const value = object[name];
  if (typeof value === 'string') return value;
  if (value == null) return undefined;
  throw new Error(`${name} in a response of GetRecords is not a string.`);
}

export function numberIn(object: JsonObject, name: string): number | undefined {
  const value = object[name];
  if (typeof value === 'number') return value;
  if (value == null) return undefined;
  throw new Error(`${name} in a response of GetRecords is not a number.`);
}

export function arrayIn(object: JsonObject, name: string): readonly unknown[] {
  const value = object[name];
  if (Array.isArray(value)) return value as readonly unknown[];
  if (value == null) return [];
  throw new Error(`${name} in a response of GetRecords is not an array.`);
}
