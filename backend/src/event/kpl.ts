import { createHash, hash as hashOnce } from 'node:crypto';
import protobuf from 'protobufjs/minimal.js';
import type { Rejection } from './event.ts';

/**
 * The Kinesis Producer Library's aggregation format: many user records in one stream record.
 * Source: amazon-kinesis-producer, aggregation-format.md.
 *
 *     F3 89 9A C2 | protobuf AggregatedRecord | MD5 of the protobuf bytes (16)
 *
 *     message AggregatedRecord { repeated string partition_key_table = 1; repeated string explicit_hash_key_table = 2; repeated Record records = 3; }
 *     message Record { required uint64 partition_key_index = 1; optional uint64 explicit_hash_key_index = 2; required bytes data = 3; repeated Tag tags = 4; }
 */
const MAGIC = [0xf3, 0x89, 0x9a, 0xc2] as const;
const MD5_BYTES = 16;
const MAX_HASH_KEY = 2n ** 128n - 1n;

export interface SubRecord {
  readonly kind: 'record';
  readonly data: Uint8Array;
  readonly partitionKey: string;
  /** Decimal, 0 to 2^128-1; where present it, and not the partition key, decides the shard. */
  readonly explicitHashKey: string | undefined;
}

/** A sub-record whose keys cannot be told. Its bytes are kept, its neighbours unharmed. */
export interface BrokenSubRecord {
  readonly kind: 'broken';
  readonly data: Uint8Array;
  readonly reason: string;
}

export interface Frame {
  readonly records: readonly (SubRecord | BrokenSubRecord)[];
}

/** Whether a stream record announces itself as aggregated. No JSON text begins so: the first two bytes are not even UTF-8. */
export function isFrame(data: Uint8Array): boolean {
  return (
    data.length >= MAGIC.length &&
    data[0] === MAGIC[0] &&
    data[1] === MAGIC[1] &&
    data[2] === MAGIC[2] &&
    data[3] === MAGIC[3]
  );
}

/** Takes a stream record for which {@link isFrame} holds apart. What is wrong with the frame as a whole rejects all of it. */
export function decodeFrame(data: Uint8Array): Frame | Rejection {
  if (data.length < MAGIC.length + MD5_BYTES) {
    return broken(`it has ${data.length} bytes, too few for magic number and MD5`);
  }
  const body = data.subarray(MAGIC.length, data.length - MD5_BYTES);
  if (
    !createHash('md5')
      .update(body)
      .digest()
      .equals(data.subarray(data.length - MD5_BYTES))
  ) {
    return {
      code: 'kpl_md5_mismatch',
      reason:
        'The record begins as a KPL aggregate, but its MD5 does not match: it was cut or altered on the way. Send its user records again.',
    };
  }
  let aggregate: Aggregate;
  try {
    aggregate = readAggregate(protobuf.Reader.create(body));
  } catch (error) {
    if (error instanceof FrameError || error instanceof RangeError) return broken(error.message);
    // protobufjs throws plain Errors on wire types that do not exist.
    return broken(error instanceof Error ? error.message : String(error));
  }
  if (aggregate.records.length === 0) return broken('it holds no user record');
  return { records: aggregate.records.map((record) => resolveKeys(record, aggregate)) };
}

/** Tells whether a sub-record hashes outside a shard's range of hash keys (both ends included). */
export function hashOutside(range: { readonly start: bigint; readonly end: bigint }): (record: SubRecord) => boolean {
  if (range.start <= 0n && range.end >= MAX_HASH_KEY) return () => false;
  const outside = (hash: bigint): boolean => hash < range.start || hash > range.end;
  // Nearly always the first 48 of the 128 bits decide, and those fit a number.
  const startHead = Number(range.start >> 80n);
  const endHead = Number(range.end >> 80n);
  return (record) => {
    if (record.explicitHashKey !== undefined) return outside(BigInt(record.explicitHashKey));
    const digits = md5Hex(record.partitionKey);
    const head = Number.parseInt(digits.slice(0, 12), 16);
    if (head > startHead && head < endHead) return false;
    return head < startHead || head > endHead || outside(BigInt(`0x${digits}`));
  };
}

/** Where Kinesis puts a partition key: its MD5 as an unsigned 128-bit number. */
export function hashOfPartitionKey(partitionKey: string): bigint {
  return BigInt(`0x${md5Hex(partitionKey)}`);
}

const md5Hex = (text: string): string => hashOnce('md5', text, 'hex');

export interface UserRecord {
  readonly data: Uint8Array;
  readonly partitionKey: string;
  readonly explicitHashKey?: string;
}

/**
 * Puts user records into one stream record. As the KPL does, the whole carries the first one's partition key; the caller chooses records
 * that belong to one shard, or sends it with an explicit hash key.
 */
export function aggregate(records: readonly UserRecord[]): {
  readonly data: Uint8Array;
  readonly partitionKey: string;
} {
  const [first] = records;
  if (first === undefined) throw new RangeError('An aggregate needs at least one user record.');
  const partitionKeys = new Map<string, number>();
  const hashKeys = new Map<string, number>();
  for (const record of records) {
    if (!partitionKeys.has(record.partitionKey)) partitionKeys.set(record.partitionKey, partitionKeys.size);
    const hashKey = record.explicitHashKey;
    if (hashKey !== undefined && !hashKeys.has(hashKey)) hashKeys.set(hashKey, hashKeys.size);
  }
  const writer = protobuf.Writer.create();
  for (const key of partitionKeys.keys()) writer.uint32(tag(1, BYTES)).string(key);
  for (const key of hashKeys.keys()) writer.uint32(tag(2, BYTES)).string(key);
  for (const record of records) {
    writer.uint32(tag(3, BYTES)).fork();
    writer.uint32(tag(1, VARINT)).uint32(partitionKeys.get(record.partitionKey) ?? 0);
    if (record.explicitHashKey !== undefined) {
      writer.uint32(tag(2, VARINT)).uint32(hashKeys.get(record.explicitHashKey) ?? 0);
    }
    writer.uint32(tag(3, BYTES)).bytes(record.data).ldelim();
  }
  const body = writer.finish();
  return {
    data: Buffer.concat([Uint8Array.from(MAGIC), body, createHash('md5').update(body).digest()]),
    partitionKey: first.partitionKey,
  };
}

const VARINT = 0;
const BYTES = 2;
const tag = (field: number, wireType: number): number => (field << 3) | wireType;

interface RawRecord {
  readonly partitionKeyIndex: number;
  readonly explicitHashKeyIndex: number | undefined;
  readonly data: Uint8Array;
}

interface Aggregate {
  readonly partitionKeys: readonly string[];
  readonly explicitHashKeys: readonly string[];
  readonly records: readonly RawRecord[];
}

class FrameError extends Error {}

const broken = (problem: string): Rejection => ({
  code: 'kpl_frame_broken',
  reason: `The record begins as a KPL aggregate, but ${problem}. Check the library that aggregates; send its user records again.`,
});

function readAggregate(reader: protobuf.Reader): Aggregate {
  const partitionKeys: string[] = [];
  const explicitHashKeys: string[] = [];
  const records: RawRecord[] = [];
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    switch (key) {
      case tag(1, BYTES):
        partitionKeys.push(reader.string());
        break;
      case tag(2, BYTES):
        explicitHashKeys.push(reader.string());
        break;
      case tag(3, BYTES):
        records.push(readRecord(reader, records.length));
        break;
      default:
        reader.skipType(key & 7);
    }
  }
  return { partitionKeys, explicitHashKeys, records };
}

function readRecord(reader: protobuf.Reader, subSequence: number): RawRecord {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new FrameError(`its user record ${subSequence} reaches beyond the end`);
  let partitionKeyIndex: number | undefined;
  let explicitHashKeyIndex: number | undefined;
  let data: Uint8Array | undefined;
  while (reader.pos < end) {
    const key = reader.uint32();
    switch (key) {
      case tag(1, VARINT):
        partitionKeyIndex = readIndex(reader);
        break;
      case tag(2, VARINT):
        explicitHashKeyIndex = readIndex(reader);
        break;
      case tag(3, BYTES):
        data = reader.bytes();
        break;
      default:
        reader.skipType(key & 7);
    }
  }
  if (reader.pos !== end) throw new FrameError(`its user record ${subSequence} does not end where it says`);
  if (partitionKeyIndex === undefined || data === undefined) {
    throw new FrameError(`its user record ${subSequence} has no ${data === undefined ? 'data' : 'partition key'}`);
  }
  return { partitionKeyIndex, explicitHashKeyIndex, data };
}

/** A uint64. Rounding beyond 2^53 is harmless: no table is that long. */
const readIndex = (reader: protobuf.Reader): number => Number(reader.uint64());

function resolveKeys(record: RawRecord, tables: Aggregate): SubRecord | BrokenSubRecord {
  const partitionKey = tables.partitionKeys[record.partitionKeyIndex];
  if (partitionKey === undefined) {
    return brokenKeys(record, 'partition key', record.partitionKeyIndex, tables.partitionKeys.length);
  }
  if (record.explicitHashKeyIndex === undefined) {
    return { kind: 'record', data: record.data, partitionKey, explicitHashKey: undefined };
  }
  const explicitHashKey = tables.explicitHashKeys[record.explicitHashKeyIndex];
  if (explicitHashKey === undefined) {
    return brokenKeys(record, 'explicit hash key', record.explicitHashKeyIndex, tables.explicitHashKeys.length);
  }
  if (!/^\d{1,39}$/.test(explicitHashKey) || BigInt(explicitHashKey) > MAX_HASH_KEY) {
    return {
      kind: 'broken',
      data: record.data,
      reason: `The explicit hash key of this KPL user record is ${JSON.stringify(explicitHashKey.slice(0, 60))}: it must be a number from 0 to 2^128-1.`,
    };
  }
  return { kind: 'record', data: record.data, partitionKey, explicitHashKey };
}

const brokenKeys = (record: RawRecord, what: string, index: number, length: number): BrokenSubRecord => ({
  kind: 'broken',
  data: record.data,
  reason: `This KPL user record names ${what} ${index} of a table of ${length}. Check the library that aggregates.`,
});
