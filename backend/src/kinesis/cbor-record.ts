import { cbor } from '@smithy/core/cbor';
import type { RecordsBuilder } from './stream-records.ts';
import { numberIn, stringIn, type JsonObject } from './api-record.ts';
import { argumentOf, endOfHead, endOfItem, FLOAT_64, INDEFINITE, MAJOR, majorOf } from './cbor-items.ts';

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
 * @param into gets a copy
 * @throws Error where it is not such a record
 */
export function readCborRecord(body: Buffer, at: number, end: number, into: RecordsBuilder): void {
  if (!readPlainRecord(body, at, end, into)) readAnyRecord(body.subarray(at, end), into);
}

/** @returns false where the record is not written the way Kinesis does */
function readPlainRecord(body: Buffer, start: number, end: number, into: RecordsBuilder): boolean {
  if (majorOf(body[start] ?? 0) !== MAJOR.map) return false;
  const last = argumentOf(body, start) === INDEFINITE ? end - 1 : end;
  let [data, dataEnd, key, keyEnd, sequence, sequenceEnd] = [0, 0, 0, 0, 0, 0];
  let arrivalMs = 0;
  let at = endOfHead(body, start);
  while (at < last) {
    const name = endOfHead(body, at);
    const value = endOfItem(body, at, end);
    const initial = body[value] ?? 0;
    const major = majorOf(initial);
    at = endOfItem(body, value, end);
    if (isNamed(body, name, value, DATA)) {
      if (major !== MAJOR.bytes || argumentOf(body, value) === INDEFINITE) return false;
      data = endOfHead(body, value);
      dataEnd = at;
    } else if (isNamed(body, name, value, SEQUENCE_NUMBER)) {
      if (major !== MAJOR.text || argumentOf(body, value) === INDEFINITE) return false;
      sequence = endOfHead(body, value);
      sequenceEnd = at;
    } else if (isNamed(body, name, value, PARTITION_KEY)) {
      if (major !== MAJOR.text || argumentOf(body, value) === INDEFINITE) return false;
      key = endOfHead(body, value);
      keyEnd = at;
    } else if (isNamed(body, name, value, ARRIVAL)) {
      const number = initial === TIME_TAG ? value + 1 : value;
      if (body[number] === FLOAT_64) arrivalMs = millis(body.readDoubleBE(number + 1));
      else if (majorOf(body[number] ?? 0) === MAJOR.unsigned) arrivalMs = millis(argumentOf(body, number));
      else return false;
    }
  }
  const memory = into.room(sequenceEnd - sequence, keyEnd - key, dataEnd - data, arrivalMs);
  let to = into.end - (dataEnd - data);
  body.copy(memory, to, data, dataEnd);
  to -= keyEnd - key;
  copyShort(body, key, keyEnd, memory, to);
  copyShort(body, sequence, sequenceEnd, memory, to - (sequenceEnd - sequence));
  return true;
}

/** For a few bytes a loop is cheaper than a call. */
function copyShort(from: Buffer, start: number, end: number, into: Buffer, at: number): void {
  for (let n = 0; n < end - start; n++) into[at + n] = from[start + n] ?? 0;
}

/** Whether the text from `from` to `to` is `name`. */
function isNamed(body: Buffer, from: number, to: number, name: Buffer): boolean {
  if (to - from !== name.length) return false;
  for (let n = 0; n < name.length; n++) if (body[from + n] !== name[n]) return false;
  return true;
}

function readAnyRecord(item: Buffer, into: RecordsBuilder): void {
  const record = cborObject(item);
  const time = record['ApproximateArrivalTimestamp'];
  const arrival = numberIn({ ...record, ApproximateArrivalTimestamp: isTag(time) ? time.value : time }, ARRIVAL_NAME);
  const partitionKey = stringIn(record, 'PartitionKey') ?? '';
  const sequenceNumber = stringIn(record, 'SequenceNumber') ?? '';
  const approximateArrivalMs = arrival === undefined ? 0 : millis(arrival);
  const data = record['Data'] ?? NO_DATA;
  // The SDK for Java takes a text for base64, too; kinesis-local writes it.
  if (typeof data === 'string') into.addBase64(sequenceNumber, partitionKey, data, approximateArrivalMs);
  else if (data instanceof Uint8Array) into.add({ data, partitionKey, sequenceNumber, approximateArrivalMs });
  else throw new Error('Data in a response of GetRecords is neither bytes nor base64.');
}

const NO_DATA = new Uint8Array(0);

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
