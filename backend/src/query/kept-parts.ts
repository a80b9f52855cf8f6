import type { CountStream } from '../flux/translate.ts';
import { HOUR_MS, hourOf, type Hour } from '../schema/hour-marks.ts';
import { LEAST_HOURS, wholeHours } from './counted.ts';
import type { HourSpan } from './hour-seals.ts';
import type { Reading } from './plan.ts';
import type { Range } from './validate.ts';

/* Which hours of a plan can be kept, and how ranges lie in hours. Pure. */

/** Hours of a range that are kept; of a longer one none are. */
const MOST_KEPT_HOURS = 40 * 24;
/** Streams of a plan that are kept; with more, none are. */
const MOST_PARTS = 8;
/** The shortest grain that is read in place of a longer one. */
const LEAST_GRAIN_MS = 300_000;

/** Hours that begin less than this after what a bucket still holds are not kept: its clock is not ours. */
export const MARGIN_HOURS = 1;

/** A stream whose hours can be kept. */
export interface Part {
  readonly key: string;
  readonly stream: CountStream & { readonly grain: { readonly everyMs: number } };
  /** Index of its reading: as asked, or earlier. */
  readonly reading: number;
  /** Whole hours of its range. */
  readonly hours: HourSpan;
}

/** Undefined where one of them cannot be kept. */
export function partsOf(readings: readonly Reading[]): Part[] | undefined {
  const parts: Part[] = [];
  for (const [reading, { streams }] of readings.entries())
    for (const stream of streams) {
      if (stream.kind !== 'counts' || parts.length === MOST_PARTS) return undefined;
      const hours = wholeHours(stream);
      const everyMs = grainOf(stream);
      if (everyMs === undefined || hours.end - hours.first < LEAST_HOURS || hours.end - hours.first > MOST_KEPT_HOURS)
        return undefined;
      const { preset, ids, counterpart, types } = stream;
      parts.push({
        key: JSON.stringify([preset, ids, counterpart, types, everyMs]),
        stream: { ...stream, grain: { everyMs, offsetMs: 0 } },
        reading,
        hours,
      });
    }
  return parts.length === 0 ? undefined : parts;
}

/** The longest grain of which both hours and the stream's own grains are whole. */
function grainOf({ grain }: CountStream): number | undefined {
  if (grain === null) return HOUR_MS;
  const { everyMs, offsetMs } = grain;
  const common = gcd(HOUR_MS, gcd(everyMs, offsetMs));
  return common === everyMs || common >= LEAST_GRAIN_MS ? common : undefined;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** Ranges of hours that follow each other. */
export function runsOf(hours: readonly Hour[]): Range[] {
  const runs: { fromMs: number; toMs: number }[] = [];
  for (const hour of hours) {
    const last = runs.at(-1);
    if (last?.toMs === hour * HOUR_MS) last.toMs += HOUR_MS;
    else runs.push({ fromMs: hour * HOUR_MS, toMs: (hour + 1) * HOUR_MS });
  }
  return runs;
}

/** A range hour by hour. */
export function piecesOf({ fromMs, toMs }: Range): (Range & { readonly hour: Hour })[] {
  const pieces: (Range & { readonly hour: Hour })[] = [];
  for (let hour = hourOf(fromMs); hour * HOUR_MS < toMs; hour++)
    pieces.push({ hour, fromMs: Math.max(fromMs, hour * HOUR_MS), toMs: Math.min(toMs, (hour + 1) * HOUR_MS) });
  return pieces;
}
