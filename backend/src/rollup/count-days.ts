import type { Clock } from '../clock.ts';
import type { PointSink } from '../influx/point-sink.ts';
import { HOUR_MS, sealOf, type Hour } from '../schema/hour-marks.ts';
import type { CountedHours } from './counted-hours.ts';
import { HourMarks } from './hour-marks.ts';
import { recountHour } from './recount.ts';

const HOURS = 24;

/**
 * Counts all hours of a UTC day anew, also those that nobody has marked: an earlier version wrote them, or something else changed them.
 * @param day days since 1970
 * @returns hours that were counted, and those that were not because somebody writes to them
 */
export async function countDay(
  day: number,
  on: { readonly hours: CountedHours; readonly sink: Pick<PointSink, 'write'>; readonly clock: Clock },
  signal: AbortSignal,
): Promise<{ readonly counted: number; readonly busy: number }> {
  const all = Array.from({ length: HOURS }, (_, at): Hour => day * HOURS + at);
  // A turn of our own: whatever was counted before is not believed from here on.
  const marks = new HourMarks(on.sink, on.clock);
  await marks.during(all, signal, () => Promise.resolve());
  await marks.close(signal);
  const range = { fromMs: day * HOURS * HOUR_MS, toMs: (day + 1) * HOURS * HOUR_MS };
  const sealed = (await on.hours.read(range, signal)).marks;
  let counted = 0;
  for (const hour of all) {
    const seal = sealOf(sealed.get(hour));
    if (seal === undefined) continue;
    await recountHour(on.hours, hour, seal, signal);
    counted++;
  }
  return { counted, busy: HOURS - counted };
}
