import { MAX_WINDOWS } from '../../../contract/limits.ts';
import { UserpulseError } from '../errors.ts';
import { DAY_MS, formatDuration, HOUR_MS, parseDuration, WEEK_MS, type Duration } from './duration.ts';
import { sharedWindows, type Window } from './windows.ts';
import type { Zone } from './zone.ts';

/** Lengths that `auto` chooses from, in ms; beyond the last come its multiples. */
export const AUTO_LADDER_MS: readonly number[] = [
  1_000,
  5_000,
  10_000,
  30_000,
  60_000,
  300_000,
  600_000,
  1_800_000,
  HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
  WEEK_MS,
];

/** An intervalMs beyond it counts as this: laying out the clock changes of thousands of years would take seconds. 100 years, in ms. */
const LONGEST_INTERVAL_MS = 100 * 366 * DAY_MS;

/** Points that `auto` aims at where the caller says neither maxDataPoints nor intervalMs. */
const DEFAULT_POINTS = 1000;

export interface EveryRange {
  readonly fromMs: number;
  readonly toMs: number;
  readonly zone: Zone;
}

export interface WindowChoice {
  readonly every: Duration;
  readonly windows: readonly Window[];
}

/**
 * The smallest length of the ladder that is at least `leastMs` and gives at most `most` windows; beyond the ladder the smallest such
 * multiple of 7 days.
 */
function smallestFit(range: EveryRange, leastMs: number, most: number): WindowChoice {
  for (let step = 0; ; step++) {
    const ms = AUTO_LADDER_MS[step] ?? nextWeeks(range, leastMs, most, step - AUTO_LADDER_MS.length);
    if (ms < leastMs) continue;
    // A clock change swallows less than a window, and there are at most a few a year: skip what cannot fit without laying it out.
    if ((range.toMs - range.fromMs) / ms > most * 1.1 + 100) continue;
    const every: Duration = { kind: 'ms', ms };
    const windows = sharedWindows({ ...range, every, limit: most });
    if (windows.length <= most) return { every, windows };
    // Two windows that overlap the ends of a range can never become fewer than 2 by growing. (A single point is the plan's affair.)
    if (ms > 2 * (range.toMs - range.fromMs) && ms > leastMs) return { every, windows };
  }
}

/** Multiples of 7 days, beginning with the first that may fit. */
function nextWeeks(range: EveryRange, leastMs: number, most: number, step: number): number {
  const least = Math.max(leastMs, (range.toMs - range.fromMs) / (most + 1), WEEK_MS + 1);
  return (Math.ceil(least / WEEK_MS) + step) * WEEK_MS;
}

/** Whether the length of windows is left to us. */
export const isAuto = (every: string | undefined): boolean => ['', 'auto'].includes(every?.trim() ?? '');

/**
 * The length and the windows of a query.
 * @param every a Flux duration, or `auto`, which is also the default
 * @throws UserpulseError bad_request, too_many_windows
 */
export function chooseWindows(
  every: string | undefined,
  range: EveryRange,
  want: { readonly intervalMs: number | undefined; readonly maxDataPoints: number | undefined },
): WindowChoice {
  const text = every?.trim() ?? '';
  if (isAuto(text)) {
    const most = Math.min(
      want.maxDataPoints ?? (want.intervalMs === undefined ? DEFAULT_POINTS : MAX_WINDOWS),
      MAX_WINDOWS,
    );
    return smallestFit(range, Math.min(want.intervalMs ?? 0, LONGEST_INTERVAL_MS), most);
  }
  const duration = parseDuration(text, 'every');
  const windows = sharedWindows({ ...range, every: duration, limit: MAX_WINDOWS });
  if (windows.length > MAX_WINDOWS) {
    const fit = formatDuration(smallestFit(range, 0, MAX_WINDOWS).every);
    throw new UserpulseError(
      'too_many_windows',
      `every "${text}" gives more than ${MAX_WINDOWS.toLocaleString('en-US')} windows over this range.`,
      { hint: `Use every "${fit}" or longer, "auto", or a shorter range.` },
    );
  }
  return { every: duration, windows };
}
