import type { HourField } from '../schema/hour-counts.ts';
import { HOUR_MS, type Hour } from '../schema/hour-marks.ts';
import type { CountStream } from '../flux/translate.ts';
import type { Range } from './validate.ts';

/*
 * Everyone's counts from hours that have been counted before (docs/adr/0020-counted-hours.md): which hours of a stream can be answered so, and
 * what of it is still to be read from points.
 */

const MINUTE_MS = 60_000;
/** Fewer hours are read from their points: looking for counts takes a question of its own. */
export const LEAST_HOURS = 3;
/** Counts by minute are sixty times as long: of more hours they are not read. */
const MOST_MINUTE_HOURS = 40 * 24;
/** Ranges of points that are read apart, each a stream; nearby ones are read as one. */
export const MOST_RANGES = 20;

/** The whole hours of a range: from the first to before the last. */
export const wholeHours = ({ fromMs, toMs }: Range): { readonly first: Hour; readonly end: Hour } => ({
  first: Math.ceil(fromMs / HOUR_MS),
  end: Math.floor(toMs / HOUR_MS),
});

/** What counts of hours a stream can use; undefined where it is about somebody, too short, or of windows that cut minutes. */
export function fieldFor({ preset, grain, ...range }: CountStream): HourField | undefined {
  if (preset !== 'everyone') return undefined;
  const { first, end } = wholeHours(range);
  if (end - first < LEAST_HOURS) return undefined;
  if (grain === null || isMultiple(grain, HOUR_MS)) return 'counts';
  return isMultiple(grain, MINUTE_MS) && end - first <= MOST_MINUTE_HOURS ? 'minutes' : undefined;
}

const isMultiple = (grain: { readonly everyMs: number; readonly offsetMs: number }, ofMs: number): boolean =>
  grain.everyMs % ofMs === 0 && grain.offsetMs % ofMs === 0;

/**
 * What of a range is to be read from points, when the counts of some hours are known: ascending ranges that do not touch. Where there would be
 * more than {@link MOST_RANGES}, the narrowest gaps between them are read, too.
 * @param known whole hours within the range, ascending
 * @returns `ranges`, and the known hours that no range covers
 */
export function uncounted(
  range: Range,
  known: readonly Hour[],
  most = MOST_RANGES,
): { readonly ranges: readonly Range[]; readonly hours: readonly Hour[] } {
  // Runs of known hours; the points lie between them.
  const runs: { first: Hour; end: Hour }[] = [];
  for (const hour of known) {
    const last = runs.at(-1);
    if (last?.end === hour) last.end++;
    else runs.push({ first: hour, end: hour + 1 });
  }
  // Between n runs there are n - 1 ranges at least, and up to two at the ends.
  const keep = runs.length <= most - 1 ? runs : longest(runs, most - 1);
  const ranges: { fromMs: number; toMs: number }[] = [];
  let fromMs = range.fromMs;
  for (const { first, end } of keep) {
    if (first * HOUR_MS > fromMs) ranges.push({ fromMs, toMs: first * HOUR_MS });
    fromMs = end * HOUR_MS;
  }
  if (fromMs < range.toMs) ranges.push({ fromMs, toMs: range.toMs });
  if (keep === runs) return { ranges, hours: known };
  return { ranges, hours: keep.flatMap(({ first, end }) => known.filter((hour) => hour >= first && hour < end)) };
}

function longest<T extends { readonly first: Hour; readonly end: Hour }>(runs: readonly T[], most: number): T[] {
  return runs
    .toSorted((a, b) => b.end - b.first - (a.end - a.first))
    .slice(0, most)
    .sort((a, b) => a.first - b.first);
}
