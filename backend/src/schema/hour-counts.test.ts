import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cleanHours,
  hourLines,
  hourText,
  hourTop,
  hourTopText,
  MINUTES,
  parseHour,
  parseHourTop,
} from './hour-counts.ts';
import { sealOf, type Mark } from './hour-marks.ts';

const type = fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/);
const seal = fc.stringMatching(/^[0-9a-f]{24}$/);
const hour = fc.integer({ min: 262_968, max: 2_500_000 });
const count = fc.nat();

describe('the counts of an hour', () => {
  it('are read as they were written', () => {
    const types = (length: number) =>
      fc.uniqueArray(fc.tuple(type, fc.array(count, { minLength: length, maxLength: length })), {
        maxLength: 6,
        selector: ([name]) => name,
      });
    fc.assert(
      fc.property(hour, seal, types(1), types(MINUTES), (h, s, totals, minutes) => {
        for (const [field, given] of [
          ['counts', totals],
          ['minutes', minutes],
        ] as const) {
          const counts = { hour: h, seal: s, types: new Map(given) };
          const text = hourText(counts);
          expect(text).not.toMatch(/["\\,\n]/);
          expect(parseHour(text ?? '', field)).toEqual(counts);
        }
      }),
    );
  });

  it('are left out where InfluxDB would not take the text', () => {
    const types = new Map(
      Array.from({ length: 400 }, (_, at) => [`type_${at}`, new Array<number>(MINUTES).fill(1_000)]),
    );
    expect(hourText({ hour: 1, seal: 'ab', types })).toBeUndefined();
  });

  it.each([
    ['', 'counts'],
    ['491208', 'counts'],
    ['491208 zz like=1', 'counts'],
    ['491208 ab like=1;2', 'counts'],
    ['491208 ab like=', 'counts'],
    ['491208 ab Like=1', 'counts'],
    ['491208 ab like=1', 'minutes'],
  ] as const)('are not %j as %s', (text, field) => expect(parseHour(text, field)).toBeUndefined());
});

describe('the first ids of an hour', () => {
  it('are read as they were written, whatever the ids', () => {
    const ids = fc.uniqueArray(
      fc.record({ id: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), count: fc.integer({ min: 1 }) }),
      { maxLength: 30, selector: ({ id }) => id },
    );
    fc.assert(
      fc.property(hour, seal, type, ids, (h, s, t, given) => {
        const top = hourTop({ hour: h, seal: s, type: t }, given);
        const text = hourTopText(top);
        expect(text).not.toMatch(/["\\,\n]/);
        expect(parseHourTop(text, t)).toEqual(top);
        expect(top.ids.length).toBe(given.length);
        expect(top.bound).toBe(0);
      }),
    );
  });

  it('are bounded in number and length, and the bound is what the first that is left out has', () => {
    const what = { hour: 1, seal: 'ab', type: 'like' };
    const many = Array.from({ length: 500 }, (_, at) => ({ id: String(at), count: 1_000 - at }));
    const top = hourTop(what, many);
    expect(top.ids.at(-1)).toEqual({ id: '199', count: 801 });
    expect(top.bound).toBe(800);
    const long = hourTop(
      what,
      many.map(({ count: n }, at) => ({ id: `${at}`.padEnd(1_000, 'x'), count: n })),
    );
    expect(hourTopText(long).length).toBeLessThan(60_000);
    expect(long.bound).toBe(1_000 - long.ids.length);
  });

  it.each(['', '1 ab', '1 ab x 88=1', '1 ab 0 88=x'])('are not %j', (text) =>
    expect(parseHourTop(text, 'like')).toBeUndefined(),
  );
});

it('is one line for the counts, behind those of its types', () => {
  expect(
    hourLines(
      491_208,
      { counts: '491208 ab like=1', minutes: undefined },
      new Map([['like', { made: '1', received: '2', share: '3' }]]),
    ),
  ).toEqual([
    'interaction_hour_top,type=like top_made="1",top_received="2",top_share="3" 1768348800000000000',
    'interaction_hour counts="491208 ab like=1" 1768348800000000000',
  ]);
});

it('is clean where its marks are those that it was counted under', () => {
  const done: Mark = { hour: 1, writer: 'a', turn: 0, renewal: 0, open: false };
  const counted = { hour: 1, seal: sealOf([done]) ?? '' };
  expect([...cleanHours(new Map([[1, [done]]]), [counted]).keys()]).toEqual([1]);
  expect(cleanHours(new Map([[1, [{ ...done, open: true }]]]), [counted]).size).toBe(0);
  expect(cleanHours(new Map([[1, [done, { ...done, turn: 1 }]]]), [counted]).size).toBe(0);
  expect(cleanHours(new Map(), [counted]).size).toBe(0);
});
