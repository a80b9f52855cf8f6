import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hourTop } from '../schema/hour-counts.ts';
import { firstOf, Shortlist, type IdCount } from './counted-top.ts';

const counted = (counts: ReadonlyMap<string, number>): IdCount[] => [...counts].map(([id, count]) => ({ id, count }));

describe('a ranking from lists', () => {
  it('is that of all counts, or none', () => {
    let given = 0;
    let lookedUp = 0;
    const hour = fc.uniqueArray(fc.tuple(fc.nat({ max: 25 }), fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 400 }))), {
      maxLength: 20,
      selector: ([id]) => id,
    });
    fc.assert(
      fc.property(
        fc.array(hour, { maxLength: 6 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 5 }),
        (hours, kept, n) => {
          const list = new Shortlist();
          const all = new Map<string, number>();
          for (const counts of hours) {
            const ids = counts.flatMap(([id, count]) => (count === 0 ? [] : [{ id: String(id), count }]));
            for (const { id, count } of ids) all.set(id, (all.get(id) ?? 0) + count);
            const sorted = hourTop({ hour: 0, seal: '', type: '' }, ids).ids;
            list.add(sorted.slice(0, kept), sorted[kept]?.count ?? 0);
          }
          const candidates = list.candidates(n);
          if (candidates === undefined) return;
          given++;
          for (const { id, least, most } of candidates) {
            const exact = all.get(id) ?? 0;
            expect(exact).toBeGreaterThanOrEqual(least);
            expect(exact).toBeLessThanOrEqual(most);
            if (least < most) lookedUp++;
          }
          const exact = candidates.map(({ id }) => ({ id, count: all.get(id) ?? 0 }));
          expect(firstOf(exact, n, 'int64')).toEqual(firstOf(counted(all), n, 'int64'));
        },
      ),
      { numRuns: 2_000 },
    );
    // Both ways occur.
    expect(given).toBeGreaterThan(300);
    expect(lookedUp).toBeGreaterThan(100);
  });

  it('is none where an id on no list could draw level', () => {
    const list = new Shortlist();
    list.add([{ id: '7', count: 5 }], 3);
    list.add(
      [
        { id: '7', count: 4 },
        { id: '9', count: 6 },
      ],
      3,
    );
    expect(list.candidates(1)).toEqual([
      { id: '7', least: 9, most: 9 },
      { id: '9', least: 6, most: 9 },
    ]);
    expect(list.candidates(2)).toBeUndefined();
  });

  it('is none where fewer ids are known than are asked for, and there may be more', () => {
    const list = new Shortlist();
    list.add([{ id: '7', count: 5 }], 0);
    expect(list.candidates(10)).toEqual([{ id: '7', least: 5, most: 5 }]);
    list.add([{ id: '8', count: 2 }], 1);
    expect(list.candidates(10)).toBeUndefined();
  });

  it('tells how much memory its ids take', () => {
    let bytes = 0;
    const list = new Shortlist((change) => (bytes += change));
    list.add(
      [
        { id: '1', count: 1 },
        { id: '2', count: 1 },
      ],
      0,
    );
    const two = bytes;
    list.add([{ id: '1', count: 1 }], 0);
    expect(two).toBeGreaterThan(0);
    expect(bytes).toBe(two);
  });
});

it('orders users as numbers, and shares as text', () => {
  const even = ['10', '9', '8'].map((id) => ({ id, count: 1 }));
  expect(firstOf(even, 2, 'int64').map(({ id }) => id)).toEqual(['8', '9']);
  expect(firstOf(even, 2, 'string').map(({ id }) => id)).toEqual(['10', '8']);
});
