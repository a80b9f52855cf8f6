import { createDataFrame, FieldType } from '@grafana/data';
import type { DataFrame } from '@grafana/data';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fnv1a64, liveAddress, liveEvery } from './channel.ts';
import { mergeWindows } from './merge.ts';
import { withMarks } from '../query/incomplete.ts';
import type { UserpulseQuery } from '../types.ts';
import { query } from '../testing/datasource.ts';
import type { Calculation } from '../../contract/query.ts';

const MINUTE = 60_000;

/** `{like: [1, 2]}` in windows of a minute from `start` on. */
function frame(
  series: Record<string, (number | null)[]>,
  times: number[],
  labels: Record<string, string> = {},
): DataFrame {
  return createDataFrame({
    fields: [
      { name: 'time', type: FieldType.time, values: times, config: { interval: MINUTE } },
      ...Object.entries(series).map(([type, values]) => ({
        name: 'count',
        type: FieldType.number,
        values,
        labels: { type, ...labels },
      })),
    ],
  });
}
const merge = (before: DataFrame, changed: DataFrame, calc: Calculation, fromMs: number, untilMs = Infinity) =>
  mergeWindows(before, changed, { calc }, { fromMs, untilMs });
const rows = (merged: DataFrame) => merged.fields.map(({ values }) => [...(values as unknown[])]);
const minutes = (...list: number[]) => list.map((minute) => minute * MINUTE);

/** As the backend answers: its windows, and the time that they cover. */
const covering = (answer: DataFrame, fromMs: number, untilMs: number): DataFrame => ({
  ...answer,
  meta: { custom: { fromMs, untilMs } },
});
/** As the gateway sends changes: the windows that still run are named. */
const running = (changed: DataFrame, ...partial: number[]): DataFrame => ({
  ...changed,
  meta: { custom: { partial } },
});

describe('incomplete windows', () => {
  const HALF = MINUTE / 2;
  // From the middle of the first window to the middle of the third, at one interaction a second.
  const shown = covering(frame({ like: [1, 1, 1] }, minutes(0, 1, 2)), HALF, 2.5 * MINUTE);

  it('have the rate of the time that has passed of them, also when it goes on', () => {
    const later = mergeWindows(
      shown,
      running(frame({ like: [45] }, minutes(2)), 2 * MINUTE),
      { calc: 'rate', incomplete: 'mark' },
      { fromMs: HALF + 15_000, untilMs: 2.75 * MINUTE },
    );
    expect(rows(later)).toEqual([minutes(0, 1, 2), [1, 1, 1]]);
    expect(later.meta?.custom).toEqual({ fromMs: HALF, untilMs: 2.75 * MINUTE });
  });

  it('come when they are over, where they are hidden', () => {
    const whole = covering(frame({ like: [1] }, minutes(1)), HALF, 2.5 * MINUTE);
    const tick = (untilMs: number, changed: DataFrame) =>
      rows(mergeWindows(whole, changed, { calc: 'rate' }, { fromMs: HALF, untilMs }));
    const count = frame({ like: [120] }, minutes(2));
    expect(tick(2.9 * MINUTE, running(count, 2 * MINUTE))).toEqual([minutes(1), [1]]);
    expect(tick(3.01 * MINUTE, running(count))).toEqual([minutes(1, 2), [1, 2]]);
  });

  it('are shaded', () => {
    const regions = (incomplete: UserpulseQuery['incomplete'], calc: Calculation = 'count') =>
      withMarks({ data: [{ ...shown, refId: 'A' }] }, [
        query({ calc, ...(incomplete !== undefined && { incomplete }) }),
      ]).data.slice(1) as DataFrame[];
    const [marks] = regions('mark');
    expect(marks?.meta?.dataTopic).toBe('annotations');
    expect(marks?.fields.slice(0, 2).map(({ values }) => [...(values as unknown[])])).toEqual([
      minutes(0, 2),
      minutes(1, 3),
    ]);
    expect(regions(undefined)).toHaveLength(1);
    expect(regions(undefined, 'rate')).toEqual([]);
    expect(regions('show')).toEqual([]);
  });
});

describe('changed windows', () => {
  const before = frame({ like: [5, 1] }, minutes(0, 1));

  it('replace what was there, and null changes nothing', () => {
    expect(rows(merge(before, frame({ like: [null, 4] }, minutes(0, 1)), 'count', 0))).toEqual([minutes(0, 1), [5, 4]]);
  });

  it('add a series that was not there, with zeros before', () => {
    expect(rows(merge(before, frame({ view: [2] }, minutes(1)), 'count', 0))).toEqual([minutes(0, 1), [5, 1], [0, 2]]);
  });

  it('push out what has left the time range, but not a window that is still partly in it', () => {
    const merged = merge(before, frame({ like: [2] }, minutes(2)), 'count', 1.5 * MINUTE);
    expect(rows(merged)).toEqual([minutes(1, 2), [1, 2]]);
    expect(merged.length).toBe(2);
  });

  it('may come late and out of order', () => {
    expect(rows(merge(frame({ like: [5, 1] }, minutes(0, 2)), frame({ like: [9] }, minutes(1)), 'count', 0))).toEqual([
      minutes(0, 1, 2),
      [5, 9, 1],
    ]);
  });

  it('become rates by the length of the window', () => {
    const merged = merge(frame({ like: [0.5] }, minutes(0)), frame({ like: [60] }, minutes(1)), 'rate', 0);
    expect(rows(merged)).toEqual([minutes(0, 1), [0.5, 1]]);
  });

  it('move all later values of a running sum', () => {
    const merged = merge(
      frame({ like: [5, 6, 6] }, minutes(0, 1, 2)),
      frame({ like: [4] }, minutes(1)),
      'cumulative',
      0,
    );
    expect(rows(merged)).toEqual([minutes(0, 1, 2), [5, 9, 9]]);
  });

  it('leave an earlier series where it is', () => {
    const compared = frame({ like: [7, 8] }, minutes(0, 1), { compare: '1d' });
    const both = { ...before, fields: [...before.fields, ...compared.fields.slice(1)] };
    const merged = merge(both, frame({ like: [3] }, minutes(2)), 'count', 0);
    expect(rows(merged)).toEqual([minutes(0, 1, 2), [5, 1, 3], [7, 8, null]]);
  });

  it('leave the frame they were given as it was', () => {
    merge(before, frame({ like: [9] }, minutes(1)), 'count', 0);
    expect(rows(before)).toEqual([minutes(0, 1), [5, 1]]);
  });

  it.each<Calculation>(['count', 'unique', 'rate', 'cumulative'])(
    'give by and by what one answer would have given, for %s',
    (calc) => {
      const counts = fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 20 });
      fc.assert(
        fc.property(counts, (all) => {
          const answer = (list: number[]) => {
            let sum = 0;
            return list.map((count) =>
              calc === 'count' || calc === 'unique'
                ? count
                : calc === 'rate'
                  ? (count * 1000) / MINUTE
                  : (sum += count),
            );
          };
          let live = frame({ like: answer(all.slice(0, 1)) }, minutes(0));
          all.forEach((count, i) => (live = merge(live, frame({ like: [count] }, minutes(i)), calc, 0)));
          expect(rows(live)).toEqual([minutes(...all.keys()), answer(all)]);
        }),
      );
    },
  );
});

it('hashes a channel’s query as the gateway does', () => {
  expect(fnv1a64('{"preset":"received","ids":["88"],"types":[],"every":"10s"}')).toBe('fd73b60839810dbf');
  expect(fnv1a64('')).toBe('cbf29ce484222325');
});

it('has a channel for unique people, and one for all that is made of counts', () => {
  const text = (calc: Calculation): string =>
    (liveAddress('uid', query({ calc }), '1h') as { data: { query: string } }).data.query;
  expect(JSON.parse(text('unique'))).toMatchObject({ calc: 'unique' });
  expect(text('rate')).toBe(text('count'));
  expect(JSON.parse(text('count'))).not.toHaveProperty('calc');
});

it.each([
  ['1h', '1h'],
  ['auto', '60s'],
])('streams a query in windows of %s as %s', (every, expected) => {
  expect(liveEvery(query({ every }), frame({}, []))).toBe(expected);
});
