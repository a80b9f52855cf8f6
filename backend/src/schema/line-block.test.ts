import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineBlock } from './line-block.ts';

describe('LineBlock', () => {
  it('gives back any run of its lines, joined by newlines', () => {
    const line = fc.string({ unit: fc.constantFrom('a', '=', '0', ' '), maxLength: 3_000 });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 12 }), fc.nat(), fc.nat(), (lines, a, b) => {
        const block = LineBlock.of(lines);
        const from = a % lines.length;
        const to = from + 1 + (b % (lines.length - from));
        expect(block.length).toBe(lines.length);
        expect(Buffer.from(block.bytes(from, to)).toString()).toBe(lines.slice(from, to).join('\n'));
      }),
    );
  });

  it('refuses to give lines that it does not have', () => {
    expect(() => LineBlock.of(['a']).bytes(0, 2)).toThrow(RangeError);
    expect(() => LineBlock.of(['a']).bytes(1, 1)).toThrow(RangeError);
  });
});
