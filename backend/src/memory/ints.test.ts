import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Ints } from './ints.ts';

it('holds what was pushed since it was cleared, however much that is', () => {
  const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(fc.array(fc.array(word, { maxLength: 1_500 }), { maxLength: 4 }), (fillings) => {
      const ints = new Ints();
      for (const filling of fillings) {
        ints.clear();
        for (const value of filling) ints.push(value);
        expect(ints.length).toBe(filling.length);
        expect(filling.map((_, index) => ints.at(index))).toEqual(filling);
        expect(ints.at(filling.length)).toBeUndefined();
      }
    }),
  );
});
