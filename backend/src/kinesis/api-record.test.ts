import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordMembers, type RecordMembers } from './api-record.ts';

/** The same by JSON.parse alone. */
function byParse(json: string): RecordMembers | 'refused' {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return 'refused';
  }
  const object = value as Record<string, unknown>;
  const string = (name: string): string | undefined => {
    const member = object[name];
    if (member == null) return undefined;
    if (typeof member !== 'string') throw new TypeError(name);
    return member;
  };
  const number = (name: string): number | undefined => {
    const member = object[name];
    if (member == null) return undefined;
    if (typeof member !== 'number') throw new TypeError(name);
    return member;
  };
  try {
    return {
      data: string('Data') ?? '',
      partitionKey: string('PartitionKey'),
      sequenceNumber: string('SequenceNumber'),
      arrivalSeconds: number('ApproximateArrivalTimestamp'),
    };
  } catch {
    return 'refused';
  }
}

function byBytes(json: string): RecordMembers | 'refused' {
  const before = '{"Records":[';
  const body = Buffer.from(`${before}${json}],"NextShardIterator":"x"}`);
  try {
    return recordMembers(body, before.length, before.length + Buffer.byteLength(json));
  } catch {
    return 'refused';
  }
}

const isBase64 = (text: string): boolean => Buffer.from(text, 'base64').toString('base64') === text;

const base64 = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), base64);
const literal = fc.oneof(
  text.map((value) => JSON.stringify(value)),
  // Written with more escapes than need be.
  base64.map((value) => `"${value.replaceAll('/', '\\/')}"`),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.constantFrom(
    'null',
    'true',
    '01',
    '1.',
    '.5',
    '-',
    '1.4E9',
    '1.441215410867E9',
    '{}',
    '["a"]',
    '"',
    '"\u0001"',
    '',
  ),
);
const name = fc.constantFrom(
  'Data',
  'PartitionKey',
  'SequenceNumber',
  'ApproximateArrivalTimestamp',
  'EncryptionType',
  'Datax',
  'D',
  '',
);
const plain = fc
  .record({ data: base64, key: fc.string(), number: fc.nat(), seconds: fc.nat({ max: 1e9 }) })
  .map(
    ({ data, key, number, seconds }) =>
      `{"ApproximateArrivalTimestamp":${seconds / 1000},"Data":"${data}","PartitionKey":${JSON.stringify(key)},"SequenceNumber":"${number}"}`,
  );
const loose = fc
  .tuple(fc.array(fc.tuple(name, literal), { maxLength: 5 }), fc.constantFrom('', ' '))
  .map(([members, space]) => `{${members.map(([key, value]) => `"${key}":${space}${value}`).join(`,${space}`)}}`);
/** One byte is another one: nearly plain, and most often no JSON any more. */
const damaged = fc
  .tuple(plain, fc.nat(), fc.constantFrom('"', '\\', ',', ':', '}', ' ', '0', 'D', '\u0001'))
  .map(([json, at, by]) => {
    const inner = 1 + (at % (json.length - 2));
    return json.slice(0, inner) + by + json.slice(inner + 1);
  });

describe('recordMembers', () => {
  it('reads what JSON.parse reads, and refuses what it refuses', () => {
    fc.assert(
      fc.property(fc.oneof(plain, loose, damaged), (json) => {
        const expected = byParse(json);
        const found = byBytes(json);
        // Data is looked at again by whoever decodes it: what JSON does not allow in a text, or is not ASCII, is no base64 either.
        if (found !== 'refused' && !isBase64(found.data)) {
          if (expected !== 'refused') expect(isBase64(expected.data)).toBe(false);
          return;
        }
        expect(found).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes the last of several members with one name, as JSON.parse does', () => {
    expect(byBytes('{"Data":"AAAA","Data":"BBBB"}')).toMatchObject({ data: 'BBBB' });
  });
});
