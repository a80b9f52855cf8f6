import { DEFAULT_ID_FORMATS } from '../../../contract/ids.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Slabs } from './slabs.ts';
import { planQuery, type Plan } from './plan.ts';
import { RankingSizes } from './ranking-size.ts';
import { answerBytes, plannedBytes } from './size.ts';
import { zoneOf } from './zone.ts';

const MIB = 1_048_576;
const FROM = Date.parse('2026-01-05T00:00:00Z');
const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => String(5000 + i));
const plan = (query: Readonly<Record<string, unknown>>, minutes = 11_000): Plan =>
  planQuery(
    { refId: 'A', every: '1m', ...query },
    {
      fromMs: FROM,
      toMs: FROM + minutes * 60_000,
      zone: zoneOf('UTC'),
      formats: DEFAULT_ID_FORMATS,
      intervalMs: undefined,
      maxDataPoints: undefined,
    },
  );

describe('the planned size of a query', () => {
  it.each<[string, Readonly<Record<string, unknown>>, number, [number, number]]>([
    ['of one user in an hour of minutes', { preset: 'made', ids: ['1'], types: ['like'] }, 60, [0.2, 0.3]],
    ['of everyone, of whatever types there are', { preset: 'everyone' }, 11_000, [17, 22]],
    [
      'of a few known types, with the minutes of all types',
      { preset: 'everyone', types: ['a', 'b'] },
      11_000,
      [1.5, 4],
    ],
    ['of fifty users with two types', { preset: 'made', ids: ids(50), types: ['a', 'b'] }, 11_000, [17, 22]],
    ['of a thousand users, summed', { preset: 'made', ids: ids(1000), groupBy: [] }, 11_000, [1.5, 3]],
    ['with the day before', { preset: 'made', ids: ids(25), types: ['a', 'b'], compareTo: '1d' }, 11_000, [16, 24]],
    ['of a total', { preset: 'made', ids: ids(50), types: ['a', 'b'], calc: 'total' }, 11_000, [0.2, 1]],
    ['of a ranking', { preset: 'top', of: 'received', n: 10 }, 11_000, [1, 2]],
  ])('%s is about what it takes', (_, query, minutes, [least, most]) => {
    const planned = plannedBytes(plan(query, minutes)) / MIB;
    expect(planned).toBeGreaterThan(least);
    expect(planned).toBeLessThan(most);
  });

  it('is never less than counts and values take, and what is left of it when they are there', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 2 }),
        fc.integer({ min: 1, max: 3_000 }),
        fc.subarray(['id', 'type']),
        (users, types, minutes, groupBy) => {
          const planned = plan({ preset: 'made', ids: ids(users), types, groupBy }, minutes);
          if (planned.kind !== 'series') throw new Error('no series');
          const named = groupBy.includes('type') ? new Set(types).size || 1 : 1;
          const series = Math.min(100, (groupBy.includes('id') ? users : 1) * named);
          const columns = Array.from({ length: series + 1 }, () => new Float64Array(minutes));
          const left = answerBytes(columns);
          expect(plannedBytes(planned)).toBeGreaterThanOrEqual(left + 8 * series * minutes - 1_024 - 8 * minutes);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('slabs', () => {
  it('give arrays of zeros that share no place, and leave at most half of their memory unused', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.integer({ min: 1, max: 3_000 }), (count, length) => {
        const slabs = new Slabs(length);
        const arrays = Array.from({ length: count }, () => slabs.next());
        arrays.forEach((array, i) => array.fill(i + 1));
        arrays.forEach((array, i) => expect(array[0] === i + 1 && array[length - 1] === i + 1).toBe(true));
        const bytes = [...new Set(arrays.map(({ buffer }) => buffer))].reduce(
          (sum, { byteLength }) => sum + byteLength,
          0,
        );
        expect(bytes).toBeLessThanOrEqual(2 * count * length * 8);
        for (const array of arrays) expect(array.length).toBe(length);
      }),
      { numRuns: 50 },
    );
    expect(new Slabs(0).next()).toHaveLength(0);
  });
});

describe('the size of a ranking', () => {
  const top = (hours: number, of = 'received') => {
    const planned = plan({ preset: 'top', of }, hours * 60);
    if (planned.kind !== 'top') throw new Error('no ranking');
    return planned;
  };
  it('is what it was lately, for ranges of about the same length', () => {
    const sizes = new RankingSizes(100);
    expect(sizes.expected(top(24))).toBe(0);
    sizes.was(top(24), 70);
    expect([top(24), top(20), top(1), top(24, 'made')].map((one) => sizes.expected(one))).toEqual([70, 70, 0, 0]);
    sizes.was(top(24), 30);
    expect(sizes.expected(top(24))).toBe(30);
  });
  it('is doubled when it was refused, up to what a try is worth', () => {
    const sizes = new RankingSizes(100);
    for (const expected of [40, 80, 100, 100]) {
      sizes.wasRefused(top(24), sizes.expected(top(24)) || 20);
      expect(sizes.expected(top(24))).toBe(expected);
    }
  });
});
