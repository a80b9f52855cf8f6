import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_ID_FORMATS, idFormatOf, type IdKind } from '../../../contract/ids.ts';
import { IdCounter } from './top.ts';

function count(text: string, chunkBytes = 7, kind: IdKind = 'user', mostIds?: number): IdCounter {
  const counter = new IdCounter(idFormatOf(kind, DEFAULT_ID_FORMATS).stored, mostIds === undefined ? {} : { mostIds });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += chunkBytes) counter.push(bytes.subarray(at, at + chunkBytes));
  counter.end();
  return counter;
}

const answer = (tables: readonly (readonly string[])[]): string =>
  tables.map((ids, i) => `,result,table,_value\r\n${ids.map((id) => `,_result,${i},${id}\r\n`).join('')}\r\n`).join('');

describe('counting ids', () => {
  it('orders by count, then by id as a number', () => {
    expect(count(answer([['9', '10', '88', '88', '9223372036854775807', '9223372036854775806']])).top(4)).toEqual([
      { id: '88', count: 2 },
      { id: '9', count: 1 },
      { id: '10', count: 1 },
      { id: '9223372036854775806', count: 1 },
    ]);
  });

  it('keeps ids apart that differ beyond 2^53', () => {
    expect(count(answer([['9007199254740993', '9007199254740992', '9007199254740993']])).top(2)).toEqual([
      { id: '9007199254740993', count: 2 },
      { id: '9007199254740992', count: 1 },
    ]);
  });

  it('keeps the leading zeros of shares, and orders them as text', () => {
    const ids = ['00000001ffffffffffffffff', 'ffffffffffffffffffffffff', '0000000000000000000000aa'];
    expect(
      count(answer([ids]), 7, 'share')
        .top(3)
        .map((row) => row.id),
    ).toEqual([...ids].sort());
  });

  it('holds hundreds of thousands of ids', () => {
    const ids = Array.from({ length: 300_000 }, (_, i) => String((i % 200_000) * 46_116_860_184_273 + 1));
    const counter = count(answer([ids]), 65_536);
    expect(counter.distinct).toBe(200_000);
    expect(counter.top(2)).toEqual([
      { id: '1', count: 2 },
      { id: '46116860184274', count: 2 },
    ]);
  });

  it('does not take a row for an id that is none', () => {
    expect(() => count(',result,table,_value\r\n,_result,0,12.5\r\n')).toThrow('no id');
  });

  it('adds up the tables of an answer, however it is cut', () => {
    fc.assert(
      fc.property(
        // Enough tables for their number to grow by a digit, and ids of one digit to nineteen.
        fc.array(
          fc.array(
            fc
              .oneof(
                fc.integer({ min: 1, max: 30 }),
                fc.bigInt(10n ** 7n, 10n ** 7n + 30n),
                fc.bigInt(2n ** 63n - 30n, 2n ** 63n - 1n),
              )
              .map(String),
            { minLength: 1 },
          ),
          { maxLength: 12 },
        ),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        (tables, chunkBytes, n) => {
          const counts = new Map<string, number>();
          for (const id of tables.flat()) counts.set(id, (counts.get(id) ?? 0) + 1);
          const expected = [...counts]
            .map(([id, count]) => ({ id, count }))
            .sort((a, b) => b.count - a.count || (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
          const counter = count(answer(tables), chunkBytes);
          expect(counter.top(n)).toEqual(expected.slice(0, n));
          const { ids, bound } = counter.frequent(n);
          expect(bound).toBe(expected[n]?.count ?? 0);
          expect(new Set(ids)).toEqual(new Set(expected.filter((each) => each.count > bound)));
          expect(counter.distinct).toBe(counts.size);
          // As others read them.
          const same = new IdCounter('int64');
          for (const id of tables.flat()) expect(same.add(Buffer.from(`,${id}\r`), 1, 1 + id.length)).toBe(true);
          expect(same.top(n)).toEqual(counter.top(n));
          for (const { id, count } of expected) expect(same.countOf(id)).toBe(count);
          expect(same.countOf('9')).toBe(counts.get('9') ?? 0);
        },
      ),
    );
  });

  it.each(['', 'x', '1 ', '0'.repeat(25)])('does not take %j for an id', (text) => {
    expect(new IdCounter('int64').add(Buffer.from(text), 0, text.length)).toBe(false);
  });

  it('takes no row for another where a header is longer', () => {
    // The header's last field begins at 14, where the second row does, too.
    const rows = ',result,table,_value\r\n,ids 1,0,10\r\n,ids 1,0,11\r\n,ids 1,0,12\r\n';
    expect(
      count(rows, 500)
        .top(5)
        .map(({ id }) => id),
    ).toEqual(['10', '11', '12']);
  });

  it('refuses more different ids than memory is meant for', () => {
    expect(count(answer([['1', '2', '1']]), 7, 'user', 2).distinct).toBe(2);
    expect(() => count(answer([['1', '2', '1', '3']]), 7, 'user', 2)).toThrow('More than 2 different ids');
  });

  it('throws what InfluxDB says when it breaks off half-way', () => {
    expect(() => count(`${answer([['1']])}error,reference\r\nout of memory,897\r\n`)).toThrow('out of memory');
  });
});
