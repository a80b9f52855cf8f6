import { DEFAULT_ID_FORMATS } from '../../../contract/ids.ts';
import { describe, expect, it } from 'vitest';
import { planQuery, type Reading, type SeriesPlan } from './plan.ts';
import { zoneOf } from './zone.ts';

/** Clocks in Berlin were set back on 25 October 2026 at 01:00 UTC: a week before these ranges. */
const compared = (every: string, from: string, lengthMs: number): { now: Reading; earlier: Reading } => {
  const fromMs = Date.parse(from);
  const range = { fromMs, toMs: fromMs + lengthMs, zone: zoneOf('Europe/Berlin') };
  const plan = planQuery(
    { refId: 'A', preset: 'everyone', every, compareTo: '1w' },
    { ...range, formats: DEFAULT_ID_FORMATS, intervalMs: undefined, maxDataPoints: undefined },
  ) as SeriesPlan;
  if (plan.compare === undefined) throw new Error('no comparison');
  return { now: plan.now, earlier: plan.compare.earlier };
};

describe('a comparison with a range in which the clock was set back', () => {
  it.each([
    ['1m', '2026-10-25T23:00:00Z', 11_000 * 60_000, 11_000 + 60],
    ['1s', '2026-11-01T00:30:00Z', 3 * 3_600_000, 10_800 + 3600],
  ])('has windows for all of it, every %s', (every, from, lengthMs, count) => {
    const { now, earlier } = compared(every, from, lengthMs);
    expect(now.windows.length).toBeLessThanOrEqual(11_000);
    expect(earlier.windows).toHaveLength(count);
    expect(earlier.windows.at(-1)?.endMs).toBe(earlier.toMs);
  });

  it('is refused where the repeated hour has too many, with the length that would fit', () => {
    expect(() => compared('1ms', '2026-11-01T01:59:55Z', 11_000)).toThrow(
      expect.objectContaining({ code: 'too_many_windows', hint: expect.stringContaining('every "1s"') }),
    );
  });
});
