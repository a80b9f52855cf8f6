import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GetRecordsReader, readGetRecords } from './get-records.ts';

const record = (data: Uint8Array, key: string, n: number) => ({
  ApproximateArrivalTimestamp: 1_767_571_200 + n / 1000,
  Data: Buffer.from(data).toString('base64'),
  PartitionKey: key,
  SequenceNumber: `49${String(n).padStart(54, '0')}`,
});
const read = (value: unknown, space?: number) => readGetRecords(Buffer.from(JSON.stringify(value, null, space)));

describe('readGetRecords', () => {
  it('gives back every record, whatever its bytes, its key and the white space around it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.string({ unit: 'binary' })), { maxLength: 6 }),
        fc.constantFrom(undefined, 2),
        (input, space) => {
          const Records = input.map(([data, key], n) => record(data, key, n));
          const answer = read(
            { MillisBehindLatest: 7, NextShardIterator: 'a"]}', Records, ChildShards: [{ a: [] }] },
            space,
          );
          expect(answer.NextShardIterator).toBe('a"]}');
          expect(answer.MillisBehindLatest).toBe(7);
          const found = [...answer.Records];
          expect(found.map((each) => [new Uint8Array(each.data), each.partitionKey])).toEqual(
            // JSON in UTF-8 cannot hold a lone surrogate as itself, and JSON.stringify escapes it.
            input.map(([data, key]) => [data, key]),
          );
          found.forEach((each, n) => {
            expect(each.sequenceNumber).toBe(Records[n]?.SequenceNumber);
            expect(each.approximateArrivalMs).toBe(1_767_571_200_000 + n);
          });
        },
      ),
    );
  });

  it('is not misled by a member of that name elsewhere', () => {
    const answer = read({
      x: { Records: [{ Data: 'AAAA' }] },
      y: 'Records',
      Records: [record(Uint8Array.of(1), 'k', 0)],
    });
    expect(answer.Records).toHaveLength(1);
    expect(answer.Records.partitionKey(0)).toBe('k');
  });

  it('reads the same wherever the answer is cut into pieces', () => {
    const body = Buffer.from(
      JSON.stringify({
        MillisBehindLatest: 7,
        Records: [record(Buffer.alloc(300, 'a'), 'k"\\\u00e9\u{1f600}', 0), record(Uint8Array.of(), '[{}]', 1)],
        NextShardIterator: 'i\\"',
        ChildShards: [{ Records: [{ a: ']' }] }],
      }),
    );
    const whole = readGetRecords(Buffer.from(body));
    expect(whole.Records).toHaveLength(2);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: body.length })),
        fc.integer({ min: 0, max: 900 }),
        (cuts, room) => {
          const reader = new GetRecordsReader(Buffer.alloc(room, '"'));
          let from = 0;
          for (const to of [...cuts.sort((a, b) => a - b), body.length]) {
            reader.push(body.subarray(from, to));
            from = to;
          }
          expect(reader.end()).toEqual(whole);
        },
      ),
    );
    const single = new GetRecordsReader(Buffer.alloc(0));
    for (let at = 0; at < body.length; at++) single.push(body.subarray(at, at + 1));
    expect(single.end()).toEqual(whole);
  });

  it('lets records of small pages share memory: many of them may wait for a long time', () => {
    const page = { Records: [record(Buffer.alloc(300, 'a'), 'k', 0)] };
    const blocks = new Set(Array.from({ length: 150 }, () => read(page).Records.data(0).buffer));
    expect(blocks.size).toBeLessThanOrEqual(2);
  });

  it('takes a missing array, iterator, or null for none', () => {
    const { Records, ...others } = read({ NextShardIterator: null });
    expect(Records).toHaveLength(0);
    expect(others).toEqual({
      NextShardIterator: undefined,
      MillisBehindLatest: undefined,
      ChildShards: [],
    });
    expect(read({ Records: [] }).Records).toHaveLength(0);
  });

  it.each([
    ['[]', 'not a JSON object'],
    ['{"Records":[{"Data":"AA', 'middle of its records'],
    ['{"Records":[{"Data":"AAAA"}', 'middle of its records'],
    ['{"Records":[{"Data":"A-*A"}]}', 'not base64'],
    ['{"Records":[{"Data":"AAAA","SequenceNumber":1}]}', 'SequenceNumber'],
    ['{"Records":[{"Data" "AAAA"}]}', 'JSON'],
  ])('refuses %s', (text, reason) => {
    expect(() => readGetRecords(Buffer.from(text))).toThrow(reason);
  });
});
