import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecentTable } from './recent-table.ts';

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
/** Of few sets, so that they overflow. */
const first = fc.tuple(fc.nat(2), fc.oneof(fc.nat(0xffff), fc.constant(0))).map(([set, rest]) => (rest << 16) | set);
const second = fc.oneof(word, fc.nat(3));

describe.each([
  [8, 0],
  [1_000, 7],
  // Those of ingest.
  [2 ** 19, 16],
  [2 ** 21, 18],
])('a table of %i', (capacity, setBits) => {
  it('knows the last eight keys of a set, each with its value, and no others', () => {
    const mask = 2 ** setBits - 1;
    fc.assert(
      fc.property(fc.array(fc.tuple(first, second, word, word), { maxLength: 60 }), (puts) => {
        const table = new RecentTable(capacity);
        const sets = new Map<number, { key: string; value: [number, number] }[]>();
        for (const [key0, key1, ...value] of puts) {
          const set = sets.get(key0 & mask) ?? [];
          sets.set(key0 & mask, set);
          // The lowest bit of the second word says that an entry is in use.
          const key = `${key0} ${key1 | 1}`;
          const known = set.find((entry) => entry.key === key);
          const handle = table.find(key0, key1);
          expect(handle !== -1).toBe(known !== undefined);
          if (known === undefined) {
            table.add(key0, key1, ...value);
            set.push({ key, value });
            if (set.length > 8) set.shift();
          } else {
            expect(table.holds(handle, ...known.value)).toBe(true);
            expect(table.holds(handle, known.value[0] ^ 1, known.value[1])).toBe(false);
            table.replace(handle, ...value);
            known.value = value;
          }
        }
      }),
      { numRuns: capacity > 2 ** 20 ? 20 : 50 },
    );
  });
});
