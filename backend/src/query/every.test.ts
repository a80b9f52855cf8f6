import { describe, expect, it } from 'vitest';
import { formatDuration } from './duration.ts';
import { chooseWindows } from './every.ts';
import { zoneOf } from './zone.ts';

const choose = (
  every: string | undefined,
  range: { from?: string; to: string; zone?: string },
  want: { intervalMs?: number; maxDataPoints?: number } = {},
) =>
  chooseWindows(
    every,
    { fromMs: Date.parse(range.from ?? '2026-01-01T00:00:00Z'), toMs: Date.parse(range.to), zone: zoneOf(range.zone) },
    { intervalMs: want.intervalMs, maxDataPoints: want.maxDataPoints },
  );

describe('every', () => {
  it.each([
    ['2026-01-01T01:00:00Z', { intervalMs: 1000, maxDataPoints: 10_000 }, '1s'],
    ['2026-01-01T01:00:00Z', { intervalMs: 1001, maxDataPoints: 10_000 }, '5s'],
    ['2026-01-01T01:00:00Z', { intervalMs: 0, maxDataPoints: 360 }, '10s'],
    ['2026-01-01T01:00:00Z', { intervalMs: 0, maxDataPoints: 359 }, '30s'],
    ['2026-01-08T00:00:00Z', { maxDataPoints: 168 }, '1h'],
    ['2026-01-08T00:00:00Z', { intervalMs: 61_000, maxDataPoints: 168 }, '1h'],
    ['2026-01-08T00:00:00Z', { intervalMs: 13 * 3_600_000 }, '1d'],
    ['2026-01-08T00:00:00Z', { maxDataPoints: 1 }, '14d'],
    ['2027-01-01T00:00:00Z', { maxDataPoints: 20 }, '21d'],
    ['2026-01-01T01:00:00Z', { intervalMs: 8 * 86_400_000 }, '14d'],
    // Never more than a query may have, whatever is asked for.
    ['2026-01-08T00:00:00Z', { intervalMs: 1, maxDataPoints: 1_000_000 }, '1m'],
    // Nothing said: about a thousand points.
    ['2026-01-08T00:00:00Z', {}, '30m'],
  ])('auto up to %s with %j is %s', (to, want, every) => {
    const choice = choose('auto', { to }, want);
    expect(formatDuration(choice.every)).toBe(every);
    if ('maxDataPoints' in want && want.maxDataPoints > 1)
      expect(choice.windows.length).toBeLessThanOrEqual(want.maxDataPoints);
    expect(choose(undefined, { to }, want)).toEqual(choice);
  });

  it('is found by auto even for the whole of time', () => {
    const choice = choose(
      'auto',
      { from: '1700-01-01T00:00:00Z', to: '2260-01-01T00:00:00Z', zone: 'Europe/Paris' },
      { maxDataPoints: 50 },
    );
    expect(choice.windows.length).toBeLessThanOrEqual(50);
  });

  it('takes an absurd interval for a hundred years, so that no clock change beyond is looked up', () => {
    const choice = choose(
      'auto',
      { from: '1960-01-01T00:00:00Z', to: '2026-01-01T00:00:00Z', zone: 'Europe/Paris' },
      { intervalMs: 1e15 },
    );
    expect(formatDuration(choice.every)).toBe('36603d');
    expect(choice.windows).toHaveLength(2);
  });

  it('counts the cut windows at both ends', () => {
    expect(choose('1h', { from: '2026-01-01T00:30:00Z', to: '2026-01-01T02:30:00Z' }).windows).toHaveLength(3);
  });

  it('may give 11,000 windows and no more, and is told what would fit', () => {
    expect(choose('1m', { to: '2026-01-08T15:20:00Z' }).windows).toHaveLength(11_000);
    expect(() => choose('1m', { to: '2026-01-08T15:21:00Z' })).toThrow(/more than 11,000 windows/);
    try {
      choose('1ms', { to: '2027-01-01T00:00:00Z' });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'too_many_windows', hint: expect.stringContaining('every "1h"') });
    }
  });
});
