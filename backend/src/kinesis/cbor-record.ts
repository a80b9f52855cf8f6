import { cbor } from '@smithy/core/cbor';
import type { StreamRecord } from '../event/decode.ts';
import { numberIn, stringIn, type JsonObject } from './api-record.ts';
import { argumentOf, endOfHead, endOfItem, FLOAT_64, INDEFINITE, MAJOR, majorOf } from './cbor-items.ts';
import { copied, decoded } from './record-data.ts';

const DATA = Buffer.from('Data');
const PARTITION_KEY = Buffer.from('PartitionKey');
const SEQUENCE_NUMBER = Buffer.from('SequenceNumber');
const ARRIVAL_NAME = 'ApproximateArrivalTimestamp';
const ARRIVAL = Buffer.from(ARRIVAL_NAME);

/** The tag of a time: https://www.rfc-editor.org/rfc/rfc8949#section-3.4.2. Kinesis may write it or not. */
const TIME_TAG = 0xc1;

/**
 * One record, a whole item of CBOR. As Kinesis writes it, it is read straight from the bytes; the SDK's reader reads whatever else CBOR allows
 * (strings in pieces, other tags), at the cost of objects that are garbage at once.
 *
 * @param end behind its last byte
 * @throws Error where it is not such a record
 */
export const cborRecord = (body: Buffer, at: number, end: number): StreamRecord =>
  plainRecord(body, at, end) ?? parsedRecord(body.subarray(at, end));

/** @returns undefined where the record is not written the way Kinesis does */
function plainRecord(body: Buffer, start: number, end: number): StreamRecord | undefined {
  if (majorOf(body[start] ?? 0) !== MAJOR.map) return undefined;
  const last = argumentOf(body, start) === INDEFINITE ? end - 1 : end;
  let data = -1;
  let partitionKey = '';
  let sequenceNumber = '';
  let approximateArrivalMs = 0;
  let at = endOfHead(body, start);
  while (at < last) {
    const name = endOfHead(body, at);
    const value = endOfItem(body, at, end);
    const initial = body[value] ?? 0;
    const major = majorOf(initial);
    at = endOfItem(body, value, end);
    if (isNamed(body, name, value, DATA)) {
      if (major !== MAJOR.bytes || argumentOf(body, value) === INDEFINITE) return undefined;
      data = value;
    } else if (isNamed(body, name, value, SEQUENCE_NUMBER)) {
      if (major !== MAJOR.text || argumentOf(body, value) === INDEFINITE) return undefined;
      sequenceNumber = textOf(body, endOfHead(body, value), at);
    } else if (isNamed(body, name, value, PARTITION_KEY)) {
      if (major !== MAJOR.text || argumentOf(body, value) === INDEFINITE) return undefined;
      partitionKey = textOf(body, endOfHead(body, value), at);
    } else if (isNamed(body, name, value, ARRIVAL)) {
      const number = initial === TIME_TAG ? value + 1 : value;
      if (body[number] === FLOAT_64) approximateArrivalMs = millis(body.readDoubleBE(number + 1));
      else if (majorOf(body[number] ?? 0) === MAJOR.unsigned) approximateArrivalMs = millis(argumentOf(body, number));
      else return undefined;
    }
  }
  const from = data === -1 ? 0 : endOfHead(body, data);
  const to = data === -1 ? 0 : from + argumentOf(body, data);
  return { data: copied(body, from, to), partitionKey, sequenceNumber, approximateArrivalMs };
}

/** Whether the text from `from` to `to` is `name`. */
function isNamed(body: Buffer, from: number, to: number, name: Buffer): boolean {
  if (to - from !== name.length) return false;
  for (let n = 0; n < name.length; n++) if (body[from + n] !== name[n]) return false;
  return true;
}

/** They are short: a loop is cheaper than to ask for isAscii. */
function textOf(body: Buffer, from: number, to: number): string {
  let seen = 0;
  for (let at = from; at < to; at++) seen |= body[at] ?? 0;
  return body.toString(seen < 0x80 ? 'latin1' : 'utf8', from, to);
}

function parsedRecord(item: Buffer): StreamRecord {
  const record = cborObject(item);
  const time = record['ApproximateArrivalTimestamp'];
  const arrival = numberIn({ ...record, ApproximateArrivalTimestamp: isTag(time) ? time.value : time }, ARRIVAL_NAME);
  return {
    data: dataOf(record['Data']),
    partitionKey: stringIn(record, 'PartitionKey') ?? '',
    sequenceNumber: stringIn(record, 'SequenceNumber') ?? '',
    approximateArrivalMs: arrival === undefined ? 0 : millis(arrival),
  };
}

function dataOf(value: unknown): Uint8Array {
  // The SDK for Java takes a text for base64, too; kinesis-local writes it.
  if (typeof value === 'string') return decoded(value);
  if (value == null) return copied(Buffer.alloc(0), 0, 0);
  if (value instanceof Uint8Array) return copied(Buffer.from(value), 0, value.length);
  throw new Error('Data in a response of GetRecords is neither bytes nor base64.');
}

/** A map of CBOR. @throws Error where the item is none */
export function cborObject(item: Uint8Array): JsonObject {
  const value: unknown = cbor.deserialize(item);
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)) {
    return value as JsonObject;
  }
  throw new Error('A response of GetRecords is not a map of CBOR.');
}

const isTag = (value: unknown): value is { readonly tag: unknown; readonly value: unknown } =>
  typeof value === 'object' && value !== null && 'tag' in value && 'value' in value;

/** As milliseconds, this is a time in 1973, and as seconds one in 5138. */
const LEAST_MS = 1e11;

/** Kinesis gives milliseconds, unlike in JSON. Some servers give seconds, as other protocols of AWS that use CBOR do. */
const millis = (value: number): number => Math.round(value < LEAST_MS ? value * 1000 : value);
