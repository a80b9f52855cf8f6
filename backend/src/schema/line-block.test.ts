import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineBlock } from './line-block.ts';
import { renderLine, type Point } from './points.ts';

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

  it('writes a point as it is rendered, whatever its time', () => {
    const ms = fc.oneof(
      fc.integer({ min: 946_684_800_000, max: 4_102_444_800_000 }),
      fc.constantFrom(999_999_999_999, 1_000_000_000_000, 2_147_483_648_000, 9_999_999_999_999, 10_000_000_000_000),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(ms, fc.nat(999_999)), { minLength: 1 }), (times) => {
        const points = times.map(([ms, offsetNs]): readonly [Point, number] => [
          { role: 'made', series: `interaction,prefix=${offsetNs},type=like`, fields: `user=${ms}i`, ms },
          offsetNs,
        ]);
        const block = new LineBlock();
        for (const [point, offsetNs] of points) block.pushPoint(point, offsetNs);
        expect(Buffer.from(block.bytes(0, points.length)).toString()).toBe(
          points.map(([point, offsetNs]) => renderLine(point, offsetNs)).join('\n'),
        );
      }),
    );
  });

  it('refuses to give lines that it does not have', () => {
    expect(() => LineBlock.of(['a']).bytes(0, 2)).toThrow(RangeError);
    expect(() => LineBlock.of(['a']).bytes(1, 1)).toThrow(RangeError);
  });
});
