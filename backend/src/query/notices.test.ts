import { DEFAULT_ID_FORMATS } from '../../../contract/ids.ts';
import { describe, expect, it } from 'vitest';
import { seriesNotices, typesWithout } from './notices.ts';
import { planQuery, type SeriesPlan } from './plan.ts';
import type { ValueSeries } from './frames.ts';
import { zoneOf } from './zone.ts';

const at = (text: string): number => Date.parse(text);
const NOW = at('2026-02-01T00:00:00Z');
const RANGE = { fromMs: at('2026-01-05T00:00:00Z'), toMs: at('2026-01-06T00:00:00Z') };
const KNOWN = ['like', 'mention'];

function plan(query: Readonly<Record<string, unknown>>, range = RANGE): SeriesPlan {
  const planned = planQuery(
    { refId: 'A', preset: 'made', ids: ['88'], every: '12h', ...query },
    { ...range, zone: zoneOf('UTC'), formats: DEFAULT_ID_FORMATS, intervalMs: undefined, maxDataPoints: undefined },
  );
  if (planned.kind !== 'series') throw new Error('no series');
  return planned;
}
const series = (type: string | undefined, values: readonly (number | null)[], compare?: string): ValueSeries => ({
  id: '88',
  type,
  compare,
  values: Float64Array.from(values, (value) => value ?? NaN),
});
const texts = (
  asked: SeriesPlan,
  answer: readonly ValueSeries[],
  facts: Partial<Parameters<typeof seriesNotices>[2]> = {},
): string[] =>
  seriesNotices(asked, answer, { nowMs: NOW, keptSinceMs: undefined, knownTypes: undefined, ...facts }).map(
    ({ text }) => text,
  );

const LIKES = [series('like', [1, 0])];

describe('an answer of zeros', () => {
  it('says so where the ids asked for did nothing', () => {
    expect(texts(plan({}), [series(undefined, [0, 0])])).toEqual(['No interactions of ID 88 in this range.']);
    expect(texts(plan({ ids: ['88', '89'], groupBy: ['type'] }), [series(undefined, [0, 0])])).toEqual([
      'No interactions of these 2 IDs in this range.',
    ]);
    expect(texts(plan({}), LIKES)).toEqual([]);
  });

  it('names types that have never occurred, and those that have', () => {
    const asked = plan({ types: ['like', 'lik'] });
    const answer = [...LIKES, series('lik', [0, 0])];
    expect(typesWithout(asked, answer)).toEqual(['lik']);
    expect(texts(asked, answer, { knownTypes: KNOWN })).toEqual([
      'No interaction of type "lik" has ever been stored. Types that occur: like, mention.',
    ]);
    // A type that occurs, but not here, is an honest zero.
    expect(
      texts(plan({ types: ['mention', 'like'] }), [...LIKES, series('mention', [0, 0])], { knownTypes: KNOWN }),
    ).toEqual([]);
    expect(texts(asked, answer, { knownTypes: [] })[0]).toContain('No type has.');
  });

  it('takes no type for unused where series do not tell types apart and something happened', () => {
    const asked = plan({ types: ['like', 'lik'], groupBy: [] });
    expect(typesWithout(asked, [series(undefined, [1, 0])])).toEqual([]);
    expect(typesWithout(asked, [series(undefined, [0, 0])])).toEqual(['like', 'lik']);
  });

  it('is explained where the bucket keeps no points that old', () => {
    const kept = { keptSinceMs: at('2026-01-05T13:00:00Z') };
    expect(texts(plan({}), LIKES, kept)).toEqual([
      expect.stringContaining('keeps points since 2026-01-05 13:00 UTC only'),
    ]);
    // The window that the retention cuts is shown as it is.
    expect(texts(plan({}), LIKES, { keptSinceMs: at('2026-01-05T11:00:00Z') })).toEqual([]);
    expect(texts(plan({}), LIKES, { keptSinceMs: -Infinity })).toEqual([]);
  });

  it('is explained in the future', () => {
    const future = { fromMs: at('2026-03-01T00:00:00Z'), toMs: at('2026-03-02T00:00:00Z') };
    expect(texts(plan({}, future), [series(undefined, [0, 0])])).toEqual([
      'The range lies in the future: nothing can have happened in it.',
    ]);
    expect(texts(plan({}, { ...RANGE, toMs: future.toMs }), LIKES)).toEqual([
      expect.stringContaining('windows that have not happened yet are 0'),
    ]);
    expect(texts(plan({}, { ...RANGE, toMs: NOW + 50_000 }), LIKES)).toEqual([]);
  });

  it('says that there is nothing to compare with', () => {
    const asked = plan({ compareTo: '1w' });
    expect(texts(asked, [...LIKES, series('like', [0, null], '1w')])).toEqual([
      'There were no interactions 1w earlier to compare with.',
    ]);
    expect(texts(asked, [...LIKES, series('like', [2, 0], '1w')])).toEqual([]);
  });
});
