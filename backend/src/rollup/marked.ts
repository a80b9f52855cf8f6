import type { PointSink } from '../influx/point-sink.ts';
import type { StoredPoints } from '../influx/stored-points.ts';
import { hourOf } from '../schema/hour-marks.ts';
import type { HourMarks } from './hour-marks.ts';

/** How long the last marks may take when a process ends, in ms: those that are not written only keep hours from being counted for a while. */
const CLOSE_MS = 5_000;

/**
 * A sink whose writes are marked, to whichever bucket they go: what is kept of an id's hours is believed by the same marks as counts of totals.
 * Closes the marks, too.
 */
export const markedSink = (sink: PointSink, marks: HourMarks): PointSink => ({
  write: (role, lines, signal) =>
    lines.length > 0
      ? marks.during(lines.hours, signal, () => sink.write(role, lines, signal))
      : sink.write(role, lines, signal),
  get troubleSinceMs() {
    return sink.troubleSinceMs;
  },
  close: async () => {
    await marks.close(AbortSignal.timeout(CLOSE_MS)).catch(() => undefined);
    await sink.close();
  },
});

/** Points whose removals are marked. */
export const markedPoints = (points: StoredPoints, marks: HourMarks): StoredPoints => ({
  read: (...read) => points.read(...read),
  remove: (role, place, signal, to = place) =>
    marks.during(hoursBetween(place.ms, to.ms), signal, () => points.remove(role, place, signal, to)),
});

const hoursBetween = (fromMs: number, toMs: number): number[] =>
  Array.from({ length: hourOf(toMs) - hourOf(fromMs) + 1 }, (_, n) => hourOf(fromMs) + n);
