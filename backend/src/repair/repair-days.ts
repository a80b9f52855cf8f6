import type { ArchiveReader } from '../archive/archive-reader.ts';
import type { ReadLines } from '../archive/day-lines.ts';
import { cutDay, DAY_SECONDS, type ArchivedDay, type Slice } from '../archive/day-plan.ts';
import { dayText } from '../archive/keys.ts';
import type { PointSink } from '../influx/point-sink.ts';
import type { StoredField, StoredPoints, TimeRange } from '../influx/stored-points.ts';
import { BatchWriter, type Refused } from '../replay/batch-writer.ts';
import { sliceDay, sliceEvents, type DaySlice } from '../replay/day-events.ts';
import type { ReplayState } from '../replay/state.ts';
import { BUCKET_ROLES, type Schema } from '../schema/buckets.ts';
import { GrowingTable } from '../schema/growing-table.ts';
import { identityOf } from '../schema/identity.ts';
import { planWithTables } from '../table/replay-source.ts';
import { RolePoints, type SliceEvent } from './role-points.ts';
import type { RepairStats } from './stats.ts';

export interface RepairOptions {
  readonly reader: ArchiveReader;
  readonly read: ReadLines;
  readonly days: readonly ArchivedDay[];
  /** Keys that are left out. */
  readonly without: ReadonlySet<string>;
  readonly schema: Schema;
  readonly points: StoredPoints;
  /** Absent: nothing is changed. */
  readonly sink: PointSink | undefined;
  /** Absent: no progress is kept, and nothing is skipped. */
  readonly state: ReplayState | undefined;
  readonly maxLines: number;
  /** Maximum concurrent objects, and maximum concurrent writes. */
  readonly parallel: number;
  readonly signal: AbortSignal;
  readonly stats: RepairStats;
  /** Compressed bytes done, and the current day. */
  readonly onProgress: (bytes: number, day: string) => void;
  /** Maximum events that are read, and that are compared, at a time; tests use fewer. */
  readonly sliceEvents?: number;
  readonly comparedEvents?: number;
}

/**
 * Events that are read at a time, and those of them whose points of one bucket are compared at a time; more where they are of one second. Objects
 * are read for every slice that they reach into, and so the fewer times, the larger slices are. Measured on the Higgs data: 0.6 GB.
 */
const SLICE_EVENTS = 400_000;
const COMPARED_EVENTS = 100_000;

/**
 * Makes days hold exactly the points of their archived events, in slices of their time: of each slice, what InfluxDB holds is compared with what it
 * should hold, and only the difference is written or removed. Progress is saved when a slice is exact and durable.
 * @returns points that InfluxDB refused for good
 * @throws UserpulseError of the archive or InfluxDB, and as repairGroup; the signal's reason when aborted
 */
export async function repair(options: RepairOptions): Promise<Refused | undefined> {
  const { days, sink, signal, onProgress } = options;
  const writer = sink && new BatchWriter({ sink, maxLines: options.maxLines, parallel: options.parallel, signal });
  let bytes = 0;
  for (const day of days) {
    const text = dayText(day.day);
    onProgress(bytes, text);
    await repairDay(options, day, writer, (fraction) => onProgress(bytes + day.bytes * fraction, text));
    bytes += day.bytes;
    onProgress(bytes, text);
  }
  return writer?.refusals;
}

async function repairDay(
  options: RepairOptions,
  day: ArchivedDay,
  writer: BatchWriter | undefined,
  onFraction: (fraction: number) => void,
): Promise<void> {
  const { state, stats, reader, without, signal } = options;
  const text = dayText(day.day);
  const doneBefore = state?.doneBefore(text, day.digest) ?? 0;
  if (doneBefore === DAY_SECONDS) return;
  stats.objects += day.objects.length;
  const slices = await sliceDay({ ...options, sliceEvents: options.sliceEvents ?? SLICE_EVENTS }, day);
  for (const [index, slice] of slices.entries()) {
    if (slice.to <= doneBefore) continue;
    const onPart = (part: number): void => onFraction((index + part) / slices.length);
    // Reading the archive is about half of the work.
    const all = await distinctEvents(options, slice, (part) => onPart(part / 2));
    const parts = cutSlice(slice, all, options.comparedEvents ?? COMPARED_EVENTS);
    for (const [done, { events, ...range }] of parts.entries()) {
      for (const role of range.to <= doneBefore ? [] : BUCKET_ROLES) {
        await repairRole(options, role, range, events, writer);
      }
      await writer?.flush();
      if (range.to > doneBefore) await state?.save(text, day.digest, range.to);
      onPart(0.5 + (done + 1) / (2 * parts.length));
    }
  }
  // A late event that was archived meanwhile may have been placed beside us.
  const now = await planWithTables(reader, { from: day.day, to: day.day }, without, signal);
  if (now.days[0]?.digest !== day.digest) stats.changedDays.push(text);
}

interface SlicePart extends Slice, TimeRange {
  readonly events: SliceEvent[];
}

/** Parts of at most so many events, which cover the slice without gaps; at whole seconds, since events of one millisecond must be in one part. */
function cutSlice(slice: DaySlice, events: readonly SliceEvent[], most: number): readonly SlicePart[] {
  const perSecond = new Uint32Array(DAY_SECONDS);
  const secondOf = ({ event }: SliceEvent): number => Math.floor((event.occurredAtMs - slice.fromMs) / 1000);
  for (const event of events) {
    const second = secondOf(event);
    perSecond[second] = (perSecond[second] ?? 0) + 1;
  }
  const parts = cutDay(perSecond.subarray(0, slice.to - slice.from), most).map(({ from, to }): SlicePart => {
    const end = Math.min(slice.from + to, slice.to);
    const fromMs = slice.fromMs + from * 1000;
    return { from: slice.from + from, to: end, fromMs, toMs: fromMs + (end - slice.from - from) * 1000, events: [] };
  });
  // By time the parts follow each other, and so do most events.
  let at = 0;
  for (const event of events) {
    const second = slice.from + secondOf(event);
    while (second < (parts[at]?.from ?? 0)) at--;
    while (second >= (parts[at]?.to ?? Infinity)) at++;
    parts[at]?.events.push(event);
  }
  return parts;
}

async function distinctEvents(
  options: RepairOptions,
  slice: DaySlice,
  onPart: (part: number) => void,
): Promise<readonly SliceEvent[]> {
  const { stats } = options;
  const seen = new GrowingTable();
  const distinct: SliceEvent[] = [];
  for await (const events of sliceEvents(options, slice, (read) => onPart(read / slice.objects.length))) {
    for (const event of events) {
      const { offsetNs, key } = identityOf(event);
      const [key0, key1, key2, key3] = key;
      const handle = seen.find(key0, key1);
      if (handle !== -1 && seen.holds(handle, key2, key3)) {
        stats.repeated++;
        continue;
      }
      if (handle === -1) seen.add(key0, key1, key2, key3);
      stats.events++;
      distinct.push({ event, offsetNs, key });
    }
  }
  return distinct;
}

async function repairRole(
  { points, schema, stats, signal, sink }: RepairOptions,
  role: (typeof BUCKET_ROLES)[number],
  range: TimeRange,
  events: readonly SliceEvent[],
  writer: BatchWriter | undefined,
): Promise<void> {
  const counts = stats.points[role];
  let wanted: RolePoints | undefined;
  const begin = () => {
    const fresh = new RolePoints(role, events, schema);
    wanted = fresh;
    return (field: StoredField): void => fresh.add(field);
  };
  counts.foreign += await points.read(role, range, begin, signal);
  if (wanted === undefined) throw new Error('The points were read without a beginning.');
  for (const change of wanted.changes()) {
    if (change.kind === 'remove') {
      counts.removed++;
      if (sink !== undefined) await points.remove(role, change.place, signal);
      continue;
    }
    if (change.replaces) counts.replaced++;
    else counts.missing++;
    if (writer?.add([{ role, line: change.line }]) === true) await writer.room();
  }
  counts.wanted += wanted.wanted;
  counts.foreign += wanted.foreign;
}
