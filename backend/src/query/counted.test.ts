import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOUR_MS } from '../schema/hour-marks.ts';
import type { CountStream } from '../flux/translate.ts';
import { fieldFor, uncounted, wholeHours } from './counted.ts';

const HOUR = 491_208;
const at = (hour: number, minutes = 0): number => (HOUR + hour) * HOUR_MS + minutes * 60_000;

describe('what is read from points', () => {
  const range = fc
    .tuple(fc.integer({ min: 0, max: 40 * 60 }), fc.integer({ min: 1, max: 40 * 60 }))
    .map(([from, length]) => ({ fromMs: at(0, from), toMs: at(0, from + length) }));

  it('is the range without the hours, in ranges that do not touch', () => {
    fc.assert(
      fc.property(
        range,
        fc.array(fc.boolean(), { minLength: 80, maxLength: 80 }),
        fc.integer({ min: 2, max: 20 }),
        (asked, flags, most) => {
          const { first, end } = wholeHours(asked);
          const known = flags.flatMap((flag, n) => (flag && HOUR + n >= first && HOUR + n < end ? [HOUR + n] : []));
          const { ranges, hours } = uncounted(asked, known, most);
          expect(ranges.length).toBeLessThanOrEqual(most);
          // Every minute once: in a range, or in an hour.
          const covered = new Map<number, number>();
          const cover = (fromMs: number, toMs: number): void => {
            for (let ms = fromMs; ms < toMs; ms += 60_000) covered.set(ms, (covered.get(ms) ?? 0) + 1);
          };
          for (const { fromMs, toMs } of ranges) cover(fromMs, toMs);
          for (const hour of hours) {
            expect(known).toContain(hour);
            cover(hour * HOUR_MS, (hour + 1) * HOUR_MS);
          }
          expect(covered.size).toBe((asked.toMs - asked.fromMs) / 60_000);
          expect(new Set(covered.values())).toEqual(new Set([1]));
        },
      ),
    );
  });

  it('is nothing where all hours are known', () => {
    expect(uncounted({ fromMs: at(0), toMs: at(2) }, [HOUR, HOUR + 1])).toEqual({
      ranges: [],
      hours: [HOUR, HOUR + 1],
    });
  });
});

describe('the counts that a stream can use', () => {
  const stream: CountStream = {
    kind: 'counts',
    name: 'everyone',
    preset: 'everyone',
    ids: [],
    types: [],
    fromMs: at(0, 20),
    toMs: at(30),
    grain: null,
  };
  const grain = (everyMs: number, offsetMs = 0): CountStream => ({ ...stream, grain: { everyMs, offsetMs } });

  it.each([
    ['one window', stream, 'counts'],
    ['hours', grain(HOUR_MS), 'counts'],
    ['days of a zone', grain(24 * HOUR_MS, 5 * HOUR_MS), 'counts'],
    ['days of a zone of half hours', grain(24 * HOUR_MS, 5.5 * HOUR_MS), 'minutes'],
    ['ten minutes', grain(600_000), 'minutes'],
    ['seconds', grain(10_000), undefined],
    ['ten minutes of a year', { ...grain(600_000), toMs: at(365 * 24) }, undefined],
    ['two hours', { ...stream, toMs: at(3) }, undefined],
    ['somebody', { ...stream, preset: 'made', ids: ['88'] }, undefined],
  ] as const)('of %s', (_, asked, field) => expect(fieldFor(asked)).toBe(field));
});
