import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOUR_MS, markLine, marksByHour, parseMark, readMark, sealOf, type Mark } from './hour-marks.ts';

const mark = fc.record<Mark>({
  hour: fc.integer({ min: 262_968, max: 2_500_000 }),
  writer: fc.stringMatching(/^[0-9a-z]{1,32}$/),
  turn: fc.nat(),
  renewal: fc.nat(),
  open: fc.boolean(),
});
const LINE = /^interaction_mark state="([^"]+)" (\d+)$/;

describe('a mark', () => {
  it('is read as it was written, from a point within its hour', () => {
    fc.assert(
      fc.property(mark, (given) => {
        const [, text = '', ns = ''] = LINE.exec(markLine(given)) ?? [];
        expect(parseMark(text)).toEqual(given);
        // Whoever hands over bytes uses their memory again.
        const bytes = Buffer.from(`,${text}\r\n`);
        const read = readMark(bytes, 1, 1 + text.length);
        bytes.fill(0x3f);
        expect(read).toEqual(given);
        expect(readMark(Buffer.from(text), 0, text.length)).toBe(read);
        expect(BigInt(ns) / BigInt(HOUR_MS * 1_000_000)).toBe(BigInt(given.hour));
      }),
    );
  });

  it.each([
    '',
    'open',
    '491208:a:0:0',
    '491208:a b:0:0:open',
    '491208:a:0:0:opened',
    '-1:a:0:0:open',
    '491208:a:x:0:done',
  ])('is not %j', (text) => {
    expect(parseMark(text)).toBeUndefined();
    expect(readMark(Buffer.from(text), 0, text.length)).toBeUndefined();
  });

  it('has one point for each turn, open and done', () => {
    const base: Mark = { hour: 491_208, writer: 'w1', turn: 0, renewal: 0, open: true };
    const timeOf = (given: Mark): string | undefined => LINE.exec(markLine(given))?.[2];
    expect(timeOf({ ...base, renewal: 3, open: false })).toBe(timeOf(base));
    const others = [{ turn: 1 }, { writer: 'w2' }, { hour: 491_209 }].map((change) => timeOf({ ...base, ...change }));
    expect(new Set([timeOf(base), ...others]).size).toBe(4);
  });
});

describe('the seal of an hour', () => {
  const done = (writer: string, turn: number): Mark => ({ hour: 1, writer, turn, renewal: 0, open: false });

  it('is there once nobody writes any more', () => {
    expect(sealOf(undefined)).toBeUndefined();
    expect(sealOf([])).toBeUndefined();
    expect(sealOf([done('a', 0), { ...done('b', 0), open: true }])).toBeUndefined();
    expect(sealOf([done('a', 0)])).toMatch(/^[0-9a-f]{24}$/);
  });

  it('is of the turns, in any order, and of nothing else', () => {
    const seal = sealOf([done('a', 0), done('b', 0)]);
    expect(sealOf([done('b', 0), { ...done('a', 0), renewal: 7 }])).toBe(seal);
    for (const other of [[done('a', 0)], [done('a', 0), done('b', 1)], [done('a', 0), done('b', 0), done('a', 1)]])
      expect(sealOf(other)).not.toBe(seal);
  });

  it('is found by the hour', () => {
    const marks = marksByHour([done('a', 0), { ...done('a', 0), hour: 2 }, done('b', 0)]);
    expect([...marks].map(([hour, own]) => [hour, own.length])).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });
});
