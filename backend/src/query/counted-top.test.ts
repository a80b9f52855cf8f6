import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hourTop } from '../schema/hour-counts.ts';
import { boundOf, firstOf, ListSum, Shortlist, type AllCounts, type Frequent, type IdCount } from './counted-top.ts';

const counted = (counts: ReadonlyMap<string, number>): IdCount[] => [...counts].map(([id, count]) => ({ id, count }));

/** @param kept that it tells from each other at most, whatever it is asked for */
const allCounts = (ids: readonly IdCount[], kept: number): AllCounts => ({
  frequent: (most, least) => {
    const counts = Uint32Array.from(ids, ({ count }) => count);
    const bound = boundOf(counts, Math.min(most, kept), least);
    return { ids: ids.filter(({ count }) => count > bound), bound };
  },
  countOf: (id) => ids.find((each) => each.id === id)?.count ?? 0,
});

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
        fc.nat({ max: 6 }),
        fc.nat({ max: 2 }),
        (hours, kept, n, before, known) => {
          const lists: Frequent[] = [];
          const beside: AllCounts[] = [];
          const all = new Map<string, number>();
          for (const counts of hours) {
            const ids = counts.flatMap(([id, count]) => (count === 0 ? [] : [{ id: String(id), count }]));
            for (const { id, count } of ids) all.set(id, (all.get(id) ?? 0) + count);
            if (beside.length < known) {
              beside.push(allCounts(ids, kept));
              continue;
            }
            const sorted = hourTop({ hour: 0, seal: '', type: '' }, ids).ids;
            lists.push({ ids: sorted.slice(0, kept), bound: sorted[kept]?.count ?? 0 });
          }
          const list = new Shortlist(undefined, new ListSum(lists.slice(0, before)));
          for (const each of lists.slice(before)) list.add(each);
          const candidates = list.candidates(n, beside);
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
    list.add({ ids: [{ id: '7', count: 5 }], bound: 3 });
    list.add({
      ids: [
        { id: '7', count: 4 },
        { id: '9', count: 6 },
      ],
      bound: 3,
    });
    expect(list.candidates(1)).toEqual([
      { id: '7', least: 9, most: 9 },
      { id: '9', least: 6, most: 9 },
    ]);
    expect(list.candidates(2)).toBeUndefined();
  });

  it('is none where fewer ids are known than are asked for, and there may be more', () => {
    const list = new Shortlist();
    list.add({ ids: [{ id: '7', count: 5 }], bound: 0 });
    expect(list.candidates(10)).toEqual([{ id: '7', least: 5, most: 5 }]);
    list.add({ ids: [{ id: '8', count: 2 }], bound: 1 });
    expect(list.candidates(10)).toBeUndefined();
  });

  it('tells how much memory its ids take', () => {
    let bytes = 0;
    const ids = [
      { id: '1', count: 1 },
      { id: '2', count: 1 },
    ];
    const list = new Shortlist((change) => (bytes += change));
    list.add({ ids, bound: 0 });
    const two = bytes;
    list.add({ ids: ids.slice(0, 1), bound: 0 });
    expect(two).toBeGreaterThan(0);
    expect(bytes).toBe(two);
    const more = new Shortlist((change) => (bytes += change), new ListSum([{ ids, bound: 0 }]));
    expect(bytes).toBe(2 * two);
    more.add({ ids, bound: 0 });
    expect(bytes).toBe(3 * two);
  });

  it('does not change what it begins with', () => {
    const sum = new ListSum([{ ids: [{ id: '1', count: 1 }], bound: 1 }]);
    for (let time = 0; time < 2; time++) {
      const list = new Shortlist(undefined, sum);
      list.add({ ids: [{ id: '1', count: 1 }], bound: 0 });
      expect(list.candidates(1)).toEqual([{ id: '1', least: 2, most: 2 }]);
    }
  });
});

it('orders users as numbers, and shares as text', () => {
  const even = ['10', '9', '8'].map((id) => ({ id, count: 1 }));
  expect(firstOf(even, 2, 'int64').map(({ id }) => id)).toEqual(['8', '9']);
  expect(firstOf(even, 2, 'string').map(({ id }) => id)).toEqual(['10', '8']);
});

it('a bound is exceeded by so many counts at most, and any lesser one by more', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 })),
      fc.integer({ min: 1, max: 9 }),
      fc.nat({ max: 9 }),
      (counts, most, least) => {
        const above = (bound: number): number => counts.filter((count) => count > bound).length;
        const bound = boundOf(Uint32Array.from(counts), most, least);
        expect(bound).toBeGreaterThanOrEqual(least);
        expect(above(bound)).toBeLessThanOrEqual(most);
        if (bound > least) expect(above(bound - 1)).toBeGreaterThan(most);
      },
    ),
  );
});
