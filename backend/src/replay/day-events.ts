import { formatsOf, type Schema } from '../schema/buckets.ts';
import type { StoredObject } from '../archive/archive-reader.ts';
import { linesInOrder, parseLine, type ReadLines } from '../archive/day-lines.ts';
import type { InteractionEvent } from '../event/event.ts';
import { cutDay, DAY_SECONDS, WHOLE_DAY, type ArchivedDay, type Slice } from '../archive/day-plan.ts';
import type { LineCounts } from './stats.ts';

export interface DayReading {
  readonly read: ReadLines;
  readonly schema: Pick<Schema, 'ids'>;
  /** Maximum concurrent objects. */
  readonly parallel: number;
  /** Maximum events of a slice; more where they are of one second. */
  readonly sliceEvents: number;
  readonly signal: AbortSignal;
  readonly stats: LineCounts;
}

/** Minimum compressed bytes of an event: an id that hardly compresses, a time, some digits of user ids. */
const LEAST_EVENT_BYTES = 24;

/** Part of a day, and the objects that reach into it. */
export interface DaySlice extends Slice {
  /** From 1970-01-01. */
  readonly day: number;
  readonly objects: readonly StoredObject[];
  /** Times of its events: `fromMs` included, `toMs` excluded. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Whether reading it counts lines that are not valid: those of a surveyed day have been counted. */
  readonly countsInvalid: boolean;
}

/** A day in slices of its time. A large day is read once to learn when its events happened. */
export async function sliceDay(options: DayReading, day: ArchivedDay): Promise<readonly DaySlice[]> {
  // Most days fit into one slice and need no survey.
  const survey = day.bytes <= options.sliceEvents * LEAST_EVENT_BYTES ? undefined : await surveyDay(options, day);
  const slices = survey === undefined ? [WHOLE_DAY] : cutDay(survey.perSecond, options.sliceEvents);
  return slices.map((slice) => ({
    ...slice,
    day: day.day,
    objects: survey === undefined ? day.objects : day.objects.filter((o) => overlaps(survey.spans.get(o.key), slice)),
    fromMs: (day.day * DAY_SECONDS + slice.from) * 1000,
    toMs: (day.day * DAY_SECONDS + slice.to) * 1000,
    countsInvalid: survey === undefined,
  }));
}

/**
 * The events of a slice, some at a time, repeated ones included, in the order of the objects.
 * @param onObject called when an object has been read, with how many are
 */
export async function* sliceEvents(
  options: Omit<DayReading, 'sliceEvents'>,
  { day, objects, fromMs, toMs, countsInvalid }: DaySlice,
  onObject: (read: number) => void,
): AsyncGenerator<readonly InteractionEvent[], void, void> {
  const { parallel, signal, stats } = options;
  const ids = formatsOf(options.schema);
  let ended = 0;
  for await (const { object, lines, firstLine } of linesInOrder(options.read, objects, parallel, signal, () =>
    onObject(++ended),
  )) {
    signal.throwIfAborted();
    const events: InteractionEvent[] = [];
    for (const [index, line] of lines.entries()) {
      const event = parseLine(line, day, ids);
      if ('code' in event) {
        if (!countsInvalid) continue;
        stats.lines++;
        stats.noteInvalid(event.code, () => `${object.key}, line ${firstLine + index}: ${event.reason}`);
        continue;
      }
      if (event.occurredAtMs < fromMs || event.occurredAtMs >= toMs) continue;
      stats.lines++;
      events.push(event);
    }
    yield events;
  }
}

interface Survey {
  readonly perSecond: Uint32Array;
  /** First and last second of the day in which an object has events, both included. */
  readonly spans: ReadonlyMap<string, { readonly first: number; readonly last: number }>;
}

/** Reads a day to find out when its events happened, to cut it into slices, and which objects each slice needs. */
async function surveyDay(options: DayReading, day: ArchivedDay): Promise<Survey> {
  const { stats } = options;
  const ids = formatsOf(options.schema);
  const perSecond = new Uint32Array(DAY_SECONDS);
  const spans = new Map<string, { first: number; last: number }>();
  for await (const { object, lines, firstLine } of linesInOrder(
    options.read,
    day.objects,
    options.parallel,
    options.signal,
    () => undefined,
  )) {
    options.signal.throwIfAborted();
    for (const [index, line] of lines.entries()) {
      const event = parseLine(line, day.day, ids);
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
