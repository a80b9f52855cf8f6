import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createIdCounter } from './create-id-counter.ts';
import { TextTable } from './text-table.ts';

const textId = fc.string({
  unit: fc.constantFrom('a', 'b', 'z', 'A', 'Z', '0', '1', '9', '-', '.', '_', '~', ':', '/', '@', '+', '=', '|'),
  minLength: 1,
  maxLength: 8,
});
const number = fc.oneof(fc.integer({ min: 1, max: 120 }), fc.bigInt(2n ** 63n - 20n, 2n ** 63n - 1n)).map(String);

const answer = (rows: readonly string[]): string =>
  `,result,table,_value\r\n${rows.map((row) => `,_result,0,${row}\r\n`).join('')}\r\n`;

function feed(counter: { push(chunk: Uint8Array): void; end(): void }, text: string, chunkBytes: number): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += chunkBytes) counter.push(bytes.subarray(at, at + chunkBytes));
  counter.end();
}

describe('counting text ids', () => {
  it.each([
    ['text', textId],
    ['int64', number],
  ] as const)('of %s users adds up, in their order, alone and behind an id', (user, ids) => {
    fc.assert(
      fc.property(
        fc.array(ids, { minLength: 1, maxLength: 60 }),
        fc.option(textId, { nil: undefined }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        (rows, other, chunkBytes, n) => {
          const counter = createIdCounter('user', { ids: { user, share: 'text' } }, {});
          feed(counter, answer(rows.map((id) => (other === undefined ? id : `${other} ${id}`))), chunkBytes);
          const counts = new Map<string, number>();
          for (const id of rows) counts.set(id, (counts.get(id) ?? 0) + 1);
          const less = (a: string, b: string): boolean => (user === 'int64' ? BigInt(a) < BigInt(b) : a < b);
          const expected = [...counts]
            .map(([id, count]) => ({ id, count }))
            .sort((a, b) => b.count - a.count || (less(a.id, b.id) ? -1 : 1));
          expect(counter.top(n)).toEqual(expected.slice(0, n));
          const { ids: frequent, bound } = counter.frequent(n);
          expect(bound).toBe(expected[n]?.count ?? 0);
          expect(new Set(frequent)).toEqual(new Set(expected.filter((each) => each.count > bound)));
          expect(counter.distinct).toBe(counts.size);
          for (const { id, count } of expected) expect(counter.countOf(id)).toBe(count);
          expect(counter.countOf('9')).toBe(counts.get('9') ?? 0);
        },
      ),
    );
  });

  it('refuses more than memory is meant for, and a row without an id', () => {
    const text = { ids: { user: 'text', share: 'text' } } as const;
    const counter = createIdCounter('user', text, { mostIds: 2 });
    expect(() => feed(counter, answer(['a', 'b', 'a', 'c']), 7)).toThrow('More than 2 different ids');
    expect(() => feed(createIdCounter('user', text, {}), answer(['a ']), 7)).toThrow();
  });

  it('throws what InfluxDB says when it breaks off half-way', () => {
    const counter = createIdCounter('user', { ids: { user: 'text', share: 'text' } }, {});
    expect(() => feed(counter, `${answer(['a'])}error,reference\r\nout of memory,897\r\n`, 7)).toThrow('out of memory');
  });
});

describe('a table of texts', () => {
  it('tells groups apart, says what is new, and accounts for its memory', () => {
    let bytes = 0;
    let most = 0;
    const table = new TextTable(1_000_000, (change) => {
      bytes += change;
      most = Math.max(most, bytes);
    });
    const seen = new Set<string>();
    for (let n = 0; n < 60_000; n++) {
      const text = Buffer.from(`user-${n % 20_000}`);
      const key = `${n % 3} ${text.toString()}`;
      expect(table.add(n % 3, text, 0, text.length)).toBe(!seen.has(key));
      seen.add(key);
    }
    expect(table.size).toBe(seen.size);
    expect(bytes).toBeGreaterThan(seen.size * 20);
    expect(most).toBeGreaterThan(bytes);
    table.clear();
    expect(table.add(0, Buffer.from('user-1'), 0, 6)).toBe(true);
    expect(table.size).toBe(1);
  });
});
