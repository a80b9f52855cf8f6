import type { ReadLines } from '../archive/day-lines.ts';
import type { Schema } from '../schema/buckets.ts';
import type { Relocation } from '../schema/offsets.ts';
import { dayText } from '../archive/keys.ts';
import type { PointSink } from '../influx/point-sink.ts';
import { PointAllocator } from './point-allocator.ts';
import { sliceDay, sliceEvents } from './day-events.ts';
import { DAY_SECONDS, type ArchivedDay } from '../archive/day-plan.ts';
import type { ReplayState } from './state.ts';
import type { ReplayStats } from './stats.ts';
import { BatchWriter, type Refused } from './batch-writer.ts';

export interface ReplayOptions {
  readonly read: ReadLines;
  readonly days: readonly ArchivedDay[];
  readonly schema: Schema;
  /** See {@link PointAllocator}. */
  readonly relocations: readonly Relocation[];
  /** Types to replay; empty: all. */
  readonly types: ReadonlySet<string>;
  /** Absent: nothing is written. */
  readonly sink: PointSink | undefined;
  /** Absent: no progress is kept, and nothing is skipped. */
  readonly state: ReplayState | undefined;
  readonly maxLines: number;
  /** Maximum concurrent objects, and maximum concurrent writes. */
  readonly parallel: number;
  readonly signal: AbortSignal;
  readonly stats: ReplayStats;
  /** Compressed bytes done, and the current day. */
  readonly onProgress: (bytes: number, day: string) => void;
  /** Maximum events of a slice; tests use fewer. */
  readonly sliceEvents?: number;
}

/** About 130 MB of memory at most; see GrowingTable. */
const SLICE_EVENTS = 500_000;

/**
 * Archive → InfluxDB, day by day, each day in slices of its time. Progress is saved when all points of a slice are durable.
 * @returns points that InfluxDB refused for good
 * @throws UserpulseError of the archive; the signal's reason when aborted
 */
export async function replay(options: ReplayOptions): Promise<Refused | undefined> {
  const { days, sink, signal, onProgress } = options;
  const writer = sink && new BatchWriter({ sink, maxLines: options.maxLines, parallel: options.parallel, signal });
  const allocator = new PointAllocator(options.schema, options.relocations);
  let bytes = 0;
  for (const day of days) {
    const text = dayText(day.day);
    onProgress(bytes, text);
    await replayDay(options, day, allocator, writer, (fraction) => onProgress(bytes + day.bytes * fraction, text));
    bytes += day.bytes;
    onProgress(bytes, text);
  }
  return writer?.refusals;
}

async function replayDay(
  options: ReplayOptions,
  day: ArchivedDay,
  allocator: PointAllocator,
  writer: BatchWriter | undefined,
  onFraction: (fraction: number) => void,
): Promise<void> {
  const { state, stats, types } = options;
  const text = dayText(day.day);
  const doneBefore = state?.doneBefore(text, day.digest) ?? 0;
  if (doneBefore === DAY_SECONDS) return;
  stats.objects += day.objects.length;
  const slices = await sliceDay({ ...options, sliceEvents: options.sliceEvents ?? SLICE_EVENTS }, day);
  for (const [index, slice] of slices.entries()) {
    if (slice.to <= doneBefore) continue;
    allocator.begin();
    const onObject = (read: number): void => onFraction((index + read / slice.objects.length) / slices.length);
    for await (const events of sliceEvents(options, slice, onObject)) {
      for (const event of events) {
        if (types.size > 0 && !types.has(event.type)) {
          stats.otherTypes++;
          continue;
        }
        const points = allocator.allocate(event);
        if (points === undefined) {
          stats.repeated++;
          continue;
        }
        stats.noteEvent(event.type);
        for (const { role, collided } of points) {
          stats.points[role]++;
          if (collided) stats.relocated++;
        }
        if (writer?.add(points) === true) await writer.room();
      }
    }
    await writer?.flush();
    await state?.save(text, day.digest, slice.to);
  }
}
