import type { ArchiveReader } from '../archive/archive-reader.ts';
import type { Schema } from '../schema/buckets.ts';
import type { Relocation } from '../schema/offsets.ts';
import { dayText } from '../archive/keys.ts';
import type { PointSink } from '../influx/point-sink.ts';
import { linesInOrder, parseLine, type ObjectChunk } from './objects.ts';
import { PointAllocator } from './point-allocator.ts';
import { cutDay, DAY_SECONDS, WHOLE_DAY, type ArchivedDay, type Slice } from './day-plan.ts';
import type { ReplayState } from './state.ts';
import type { ReplayStats } from './stats.ts';
import { BatchWriter } from './batch-writer.ts';

export interface ReplayOptions {
  readonly reader: ArchiveReader;
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
/** Minimum compressed bytes of an event: an id that hardly compresses, a time, some digits of user ids. */
const LEAST_EVENT_BYTES = 24;

interface Refused {
  readonly points: number;
  readonly example: string;
}

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
  return writer === undefined || writer.refused === 0
    ? undefined
    : { points: writer.refused, example: writer.firstRefusal ?? '' };
}

async function replayDay(
  options: ReplayOptions,
  day: ArchivedDay,
  allocator: PointAllocator,
  writer: BatchWriter | undefined,
  onFraction: (fraction: number) => void,
): Promise<void> {
  const { state, stats, sliceEvents = SLICE_EVENTS } = options;
  const text = dayText(day.day);
  const doneBefore = state?.doneBefore(text, day.digest) ?? 0;
  if (doneBefore === DAY_SECONDS) return;
  stats.objects += day.objects.length;
  // Most days fit into one slice and need no survey.
  const survey = day.bytes <= sliceEvents * LEAST_EVENT_BYTES ? undefined : await surveyDay(options, day);
  const slices = survey === undefined ? [WHOLE_DAY] : cutDay(survey.perSecond, sliceEvents);
  for (const [index, slice] of slices.entries()) {
    if (slice.to <= doneBefore) continue;
    const objects =
      survey === undefined ? day.objects : day.objects.filter((o) => overlaps(survey.spans.get(o.key), slice));
    const part = { day, slice, countsInvalid: survey === undefined };
    let read = 0;
    allocator.begin();
    const chunks = linesInOrder(options.reader, objects, options.parallel, options.signal, () => {
      onFraction((index + ++read / objects.length) / slices.length);
    });
    for await (const chunk of chunks) await writeChunk(options, chunk, part, allocator, writer);
    await writer?.flush();
    await state?.save(text, day.digest, slice.to);
  }
}

interface Part {
  readonly day: ArchivedDay;
  readonly slice: Slice;
  readonly countsInvalid: boolean;
}

async function writeChunk(
  { types, stats, signal }: ReplayOptions,
  { object, lines, firstLine }: ObjectChunk,
  { day: { day }, slice, countsInvalid }: Part,
  allocator: PointAllocator,
  writer: BatchWriter | undefined,
): Promise<void> {
  signal.throwIfAborted();
  const fromMs = (day * DAY_SECONDS + slice.from) * 1000;
  const toMs = (day * DAY_SECONDS + slice.to) * 1000;
  for (const [index, line] of lines.entries()) {
    const event = parseLine(line, day);
    if ('code' in event) {
      if (!countsInvalid) continue;
      stats.lines++;
      stats.noteInvalid(event.code, () => `${object.key}, line ${firstLine + index}: ${event.reason}`);
      continue;
    }
    if (event.occurredAtMs < fromMs || event.occurredAtMs >= toMs) continue;
    stats.lines++;
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

interface Survey {
  readonly perSecond: Uint32Array;
  /** First and last second of the day in which an object has events, both included. */
  readonly spans: ReadonlyMap<string, { readonly first: number; readonly last: number }>;
}

/** Reads a day to find out when its events happened, to cut it into slices, and which objects each slice needs. */
async function surveyDay(options: ReplayOptions, day: ArchivedDay): Promise<Survey> {
  const { stats } = options;
  const perSecond = new Uint32Array(DAY_SECONDS);
  const spans = new Map<string, { first: number; last: number }>();
  for await (const { object, lines, firstLine } of linesInOrder(
    options.reader,
    day.objects,
    options.parallel,
    options.signal,
    () => undefined,
  )) {
    options.signal.throwIfAborted();
    for (const [index, line] of lines.entries()) {
      const event = parseLine(line, day.day);
      if ('code' in event) {
        stats.lines++;
        stats.noteInvalid(event.code, () => `${object.key}, line ${firstLine + index}: ${event.reason}`);
        continue;
      }
      const second = Math.floor(event.occurredAtMs / 1000) - day.day * DAY_SECONDS;
      perSecond[second] = (perSecond[second] ?? 0) + 1;
      const span = spans.get(object.key);
      if (span === undefined) spans.set(object.key, { first: second, last: second });
      else {
        span.first = Math.min(span.first, second);
        span.last = Math.max(span.last, second);
      }
    }
  }
  return { perSecond, spans };
}

const overlaps = (span: { readonly first: number; readonly last: number } | undefined, slice: Slice): boolean =>
  span !== undefined && span.first < slice.to && span.last >= slice.from;
