import { cbor, tag } from '@smithy/core/cbor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CborResponseReader } from './cbor-response.ts';
import type { GetRecordsResponse } from './get-records.ts';

const bytesOf = (...items: (Uint8Array | number)[]): Buffer =>
  Buffer.concat(items.map((item) => (typeof item === 'number' ? Buffer.of(item) : item)));
const item = (value: unknown): Uint8Array => Buffer.from(cbor.serialize(value));

/** How a map, an array or a string may say how long it is: by its head, or by a break. */
type Lengths = 'known' | 'broken off';

const mapOf = (members: Readonly<Record<string, Uint8Array>>, lengths: Lengths): Buffer => {
  const items = Object.entries(members).flatMap(([name, value]) => [item(name), value]);
  return lengths === 'known' ? bytesOf(0xa0 + items.length / 2, ...items) : bytesOf(0xbf, ...items, 0xff);
};
const arrayOf = (items: readonly Uint8Array[], lengths: Lengths): Buffer =>
  lengths === 'known' ? bytesOf(0x98, items.length, ...items) : bytesOf(0x9f, ...items, 0xff);

function read(body: Buffer, cuts: readonly number[] = [], room = 100): GetRecordsResponse {
  const reader = new CborResponseReader(Buffer.alloc(room, 0xff));
  let from = 0;
  for (const to of [...cuts].sort((a, b) => a - b)) {
    // A socket's memory is not ours for longer than the call.
    const chunk = Buffer.from(body.subarray(from, to));
    reader.push(chunk);
    chunk.fill(0);
    from = to;
  }
  reader.push(body.subarray(from));
  return reader.end();
}

const listed = ({ Records, ...others }: GetRecordsResponse) => ({ Records: [...Records], ...others });

interface Input {
  readonly data: Uint8Array;
  readonly key: string;
  readonly ms: number;
}

const sequenceNumber = (n: number): string => `49${String(n).padStart(54, '0')}`;
const input = fc.record({
  data: fc.uint8Array({ maxLength: 400 }),
  key: fc.string({ unit: 'grapheme', maxLength: 30 }),
  ms: fc.integer({ min: Date.UTC(2013, 0), max: Date.UTC(2100, 0) }),
});

/** The ways of writing a record that readers of Kinesis must take; the last one no server is known for, and CBOR allows it. */
const WRITTEN = {
  'as Kinesis does, with tagged times': ({ data, key, ms }: Input, n: number) =>
    mapOf(
      {
        SequenceNumber: item(sequenceNumber(n)),
        ApproximateArrivalTimestamp: item(tag({ tag: 1, value: ms })),
        Data: item(data),
        PartitionKey: item(key),
        EncryptionType: item('NONE'),
      },
      'broken off',
    ),
  'as kinesis-local does, with data in base64': ({ data, key, ms }: Input, n: number) =>
    mapOf(
      {
        ApproximateArrivalTimestamp: item(ms),
        Data: item(Buffer.from(data).toString('base64')),
        EncryptionType: item('NONE'),
        PartitionKey: item(key),
        SequenceNumber: item(sequenceNumber(n)),
      },
      'known',
    ),
  'with seconds, as a fraction': ({ data, key, ms }: Input, n: number) =>
    mapOf(
      {
        Data: item(data),
        ApproximateArrivalTimestamp: bytesOf(0xc1, 0xfb, doubleOf(ms / 1000)),
        Other: item({ Data: [{ Data: 'x' }], none: null, yes: true, less: -1.5 }),
        PartitionKey: item(key),
        SequenceNumber: item(sequenceNumber(n)),
      },
      'known',
    ),
  'with everything in pieces': ({ data, key, ms }: Input, n: number) =>
    mapOf(
      {
        Data: bytesOf(0x5f, item(data.subarray(0, 3)), item(data.subarray(3)), 0xff),
        PartitionKey: bytesOf(0x7f, item(key), item(''), 0xff),
        SequenceNumber: bytesOf(0x7f, item(sequenceNumber(n).slice(0, 9)), item(sequenceNumber(n).slice(9)), 0xff),
        ApproximateArrivalTimestamp: item(ms),
      },
      'broken off',
    ),
} as const;

/** As strictly as Node's decoder takes it. */
function isBase64(text: string): boolean {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return Buffer.from(text, 'base64').length === Math.floor(((text.length - padding) * 3) / 4);
}

function doubleOf(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

describe.each(Object.entries(WRITTEN))('CborResponseReader, records %s', (_how, written) => {
  it('gives back every record, wherever the answer is cut', () => {
    fc.assert(
      fc.property(
        fc.array(input, { maxLength: 6 }),
        fc.constantFrom<Lengths>('known', 'broken off'),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 }),
        fc.integer({ min: 0, max: 900 }),
        (records, lengths, cuts, room) => {
          const body = mapOf(
            {
              NextShardIterator: item('AAAA|Records'),
              Records: arrayOf(records.map(written), lengths),
              MillisBehindLatest: item(7),
              ChildShards: item([{ ShardId: 'a', Records: [1] }]),
            },
            lengths,
          );
          const places = cuts.map((cut) => Math.floor(cut * body.length));
          const { Records, ...others } = read(body, places, room);
          expect(others).toMatchObject({
            NextShardIterator: 'AAAA|Records',
            MillisBehindLatest: 7,
            ChildShards: [{ ShardId: 'a' }],
          });
          expect([...Records].map((record) => ({ ...record, data: new Uint8Array(record.data) }))).toEqual(
            records.map(({ data, key, ms }, n) => ({
              data,
              partitionKey: key,
              sequenceNumber: sequenceNumber(n),
              approximateArrivalMs: ms,
            })),
          );
        },
      ),
    );
  });

  it('reads an answer that comes byte by byte', () => {
    const records = [{ data: Buffer.alloc(300, 'a'), key: 'k', ms: Date.UTC(2026, 0) }].map(written);
    const body = mapOf({ Records: arrayOf(records, 'known'), NextShardIterator: item('i') }, 'broken off');
    const bytewise = Array.from(body, (_, at) => at);
    expect(listed(read(body, bytewise))).toEqual(listed(read(body)));
  });

  it('refuses an answer that is cut off, wherever that is', () => {
    const records = [{ data: Buffer.from('data'), key: 'k', ms: Date.UTC(2026, 0) }].map(written);
    const body = mapOf({ Records: arrayOf(records, 'broken off'), NextShardIterator: item('i') }, 'broken off');
    for (let length = 0; length < body.length; length++) expect(() => read(body.subarray(0, length))).toThrow();
  });
});

describe('CborResponseReader', () => {
  it('takes from a record what the reader of the SDK takes, and refuses what has another type', () => {
    const value = fc.oneof(
      fc.constant(null),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.integer({ min: 1e11, max: 2 ** 52 }),
      fc.array(fc.integer(), { maxLength: 3 }),
      fc.boolean(),
    );
    const name = fc.constantFrom('Data', 'PartitionKey', 'SequenceNumber', 'ApproximateArrivalTimestamp', 'Other');
    fc.assert(
      fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (members) => {
        const body = mapOf({ Records: arrayOf([item(members)], 'known') }, 'known');
        const {
          Data: data,
          PartitionKey,
          SequenceNumber,
          ApproximateArrivalTimestamp,
        } = cbor.deserialize(Buffer.from(item(members))) as Record<string, unknown>;
        const fits =
          (data == null || data instanceof Uint8Array || (typeof data === 'string' && isBase64(data))) &&
          [PartitionKey, SequenceNumber].every((text) => text == null || typeof text === 'string') &&
          (ApproximateArrivalTimestamp == null || typeof ApproximateArrivalTimestamp === 'number');
        if (!fits) {
          expect(() => read(body)).toThrow();
          return;
        }
        const { data: bytes, ...others } = read(body).Records.record(0);
        expect(others).toEqual({
          partitionKey: PartitionKey ?? '',
          sequenceNumber: SequenceNumber ?? '',
          approximateArrivalMs: ApproximateArrivalTimestamp ?? 0,
        });
        expect(Buffer.from(bytes)).toEqual(
          typeof data === 'string' ? Buffer.from(data, 'base64') : Buffer.from((data as Uint8Array | null) ?? []),
        );
      }),
    );
  });

  it('takes null, and what is missing, for none', () => {
    const nothing = { Records: [], NextShardIterator: undefined, MillisBehindLatest: undefined, ChildShards: [] };
    expect(listed(read(Buffer.of(0xa0)))).toEqual(nothing);
    expect(listed(read(Buffer.of(0xbf, 0xff)))).toEqual(nothing);
    expect(listed(read(mapOf({ Records: item(null), NextShardIterator: item(null) }, 'known')))).toEqual(nothing);
    expect([...read(mapOf({ Records: item([{}]) }, 'known')).Records]).toEqual([
      { data: Buffer.alloc(0), partitionKey: '', sequenceNumber: '', approximateArrivalMs: 0 },
    ]);
  });

  const records = (...members: [string, unknown][]): Buffer =>
    mapOf({ Records: item([Object.fromEntries(members)]) }, 'known');

  it.each<[string, Buffer, string]>([
    ['an array', Buffer.from(item([])), 'not a map'],
    ['records that are none', Buffer.from(item({ Records: 1 })), 'Records'],
    ['a record that is no map', Buffer.from(item({ Records: [1] })), 'map'],
    ['a sequence number that is no text', records(['SequenceNumber', 1]), 'SequenceNumber'],
    ['data that is a number', records(['Data', 1]), 'Data'],
    ['data that is not base64', records(['Data', 'A-*A']), 'base64'],
    ['a time that is none', records(['ApproximateArrivalTimestamp', 'now']), 'ApproximateArrivalTimestamp'],
    ['an iterator that is no text', Buffer.from(item({ NextShardIterator: 1 })), 'NextShardIterator'],
    ['a head that does not exist', Buffer.of(0xa1, 0x1c, 0x00), 'CBOR'],
    ['a break where an item is due', Buffer.of(0xa1, 0x61, 0x61, 0xff), 'CBOR'],
    ['more nesting than there is', Buffer.concat([Buffer.of(0xa1, 0x61, 0x61), Buffer.alloc(60, 0x81)]), 'nested'],
    ['a length that no memory has', Buffer.of(0xa1, 0x7b, 255, 255, 255, 255, 255, 255, 255, 255), 'too large'],
    ['what follows behind its end', Buffer.of(0xa0, 0xa0), 'behind its end'],
  ])('refuses %s', (_what, body, reason) => {
    expect(() => read(body)).toThrow(reason);
  });
});
