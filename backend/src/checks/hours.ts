import { passed, warned, type Check, type CheckResult } from '../check.ts';
import { counted as numberOf, formatNumber } from '../format.ts';
import type { InfluxReader } from '../influx/reader.ts';
import { readHours, type HoursRead } from '../rollup/counted-hours.ts';
import type { Schema } from '../schema/buckets.ts';
import { cleanHours } from '../schema/hour-counts.ts';
import { HOUR_MS, hourOf, sealOf } from '../schema/hour-marks.ts';

/** So many hours may wait while all is well: a restart, a replay. */
const MANY_WAITING = 48;
const AHEAD_HOURS = 48;

/** Are hours that are over counted, so that queries need not read their points? */
export const hoursCheck = (on: {
  readonly reader: InfluxReader;
  readonly schema: Schema;
  readonly now: () => number;
}): Check => ({
  name: 'hours',
  run: async (signal) => {
    const range = { fromMs: 0, toMs: (hourOf(on.now()) + AHEAD_HOURS) * HOUR_MS };
    try {
      return judgeHours(await readHours(on.reader, { ...range, field: 'counts' }, on.schema, signal));
    } catch (error) {
      // Whether InfluxDB answers has a check of its own.
      return warned(
        'hours',
        `Counted hours cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        '',
      );
    }
  },
});

export function judgeHours({ marks, counts }: HoursRead): CheckResult {
  if (marks.size === 0) return passed('hours', 'No hours are marked yet.');
  const clean = cleanHours(marks, counts).size;
  const open = [...marks.values()].filter((own) => sealOf(own) === undefined).length;
  const waiting = marks.size - clean - open;
  const text = `${numberOf(clean, 'hour')} ${clean === 1 ? 'is' : 'are'} counted, ${formatNumber(waiting)} wait, and ${formatNumber(open)} are being written to.`;
  return waiting <= MANY_WAITING
    ? passed('hours', text)
    : warned(
        'hours',
        text,
        'Run "userpulse rollup", unless "userpulse start" runs here or counting has just begun. Until then, queries read the points of these hours.',
      );
}
