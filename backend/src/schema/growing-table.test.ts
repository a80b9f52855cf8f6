import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GrowingTable } from './growing-table.ts';

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

describe('GrowingTable', () => {
  it('holds what a map holds, however many there are', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word, word, word), { minLength: 3_000, maxLength: 3_000 }), (entries) => {
        const table = new GrowingTable();
        const model = new Map<string, readonly [number, number]>();
        for (const [key0, key1, value0, value1] of entries) {
          const key = `${key0} ${key1 | 1}`;
          const handle = table.find(key0, key1);
          // Not expect() for each: there are thousands.
          if ((handle !== -1) !== model.has(key)) throw new Error(`${key} is in one of them only.`);
          if (handle === -1) table.add(key0, key1, value0, value1);
          else table.replace(handle, value0, value1);
          model.set(key, [value0, value1]);
        }
        expect(table.size).toBe(model.size);
        for (const [key, [value0, value1]] of model) {
          const [key0 = 0, key1 = 0] = key.split(' ').map(Number);
          if (!table.holds(table.find(key0, key1), value0, value1)) throw new Error(`${key} has another value.`);
        }
      }),
      { numRuns: 5 },
    );
  });

  it('forgets everything when cleared', () => {
    const table = new GrowingTable();
    table.add(1, 2, 3, 4);
    table.clear();
    expect([table.find(1, 2), table.size]).toEqual([-1, 0]);
  });
});
