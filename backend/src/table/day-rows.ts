import { cutDay, DAY_SECONDS } from '../archive/day-plan.ts';
import { parseLine } from '../archive/day-lines.ts';
import { UserpulseError } from '../errors.ts';
import type { InteractionEvent } from '../event/event.ts';
import type { TableRow } from './columns.ts';
import { sourceLines, type DaySource, type SourceLine } from './day-source.ts';

/** What a row takes in memory besides the bytes of its line: about that of its texts and numbers. */
const ROW_BYTES = 300;
/** Of lines and rows that are sorted together and become a row group: some 60,000 lines of 250 bytes. */
export const GROUP_BYTES = 32 * 1024 * 1024;
const DAY_MS = DAY_SECONDS * 1000;

/** When the events of a day occurred, and how much of it is in memory at a time. */
export interface Survey {
  /** Lines of each object. */
  readonly lines: ReadonlyMap<string, number>;
  /** In order, of ms from the start of the day: `from` included, `to` excluded. A slice of one ms may hold more than a row group. */
  readonly slices: readonly { readonly from: number; readonly to: number }[];
  /** First and last ms in which a part of the source has events, both included. */
  readonly spans: ReadonlyMap<string, { readonly first: number; readonly last: number }>;
}

/**
 * Reads a day once to cut it into what fits into memory; a second that does not is read once more.
 * @param onEnd called as parts have been read
 * @throws UserpulseError `archive_damaged` for a line that is not an event of the day; those of the archive
 */
export async function surveyDay(
  source: DaySource,
  signal: AbortSignal,
  groupBytes: number,
  onEnd: (part: string) => void,
): Promise<Survey> {
  const perSecond = new Float64Array(DAY_SECONDS);
  const spans = new Map<string, { first: number; last: number }>();
  // An object without a line is held too.
  const lines = new Map<string, number>(source.objects.map(({ key }) => [key, 0]));
  for await (const chunk of sourceLines(source, signal, undefined, onEnd)) {
    for (const line of chunk.lines) {
      const ms = msOf(eventOf(line, source), source.day);
      const second = Math.floor(ms / 1000);
      perSecond[second] = (perSecond[second] ?? 0) + weightOf(line);
      lines.set(line.object, Math.max(lines.get(line.object) ?? 0, line.lineNumber));
      const span = spans.get(chunk.part);
      if (span === undefined) spans.set(chunk.part, { first: ms, last: ms });
      else {
        span.first = Math.min(span.first, ms);
        span.last = Math.max(span.last, ms);
      }
    }
  }
  const slices: { from: number; to: number }[] = [];
  for (const { from, to } of cutDay(perSecond, groupBytes)) {
    // A slice with more has one such second, and nothing else.
    const crowded = perSecond.subarray(from, to).findIndex((bytes) => bytes > groupBytes);
    if (crowded === -1) slices.push({ from: from * 1000, to: to * 1000 });
    else slices.push(...(await cutSecond(source, signal, groupBytes, spans, from + crowded)));
  }
  return { lines, slices, spans };
}

async function cutSecond(
  source: DaySource,
  signal: AbortSignal,
  groupBytes: number,
  spans: Survey['spans'],
  second: number,
): Promise<Survey['slices']> {
  const first = second * 1000;
  const perMs = new Float64Array(1000);
  for await (const { lines } of sourceLines(source, signal, reaching(spans, first, first + 1000))) {
    for (const line of lines) {
      const at = msOf(eventOf(line, source), source.day) - first;
      if (at >= 0 && at < 1000) perMs[at] = (perMs[at] ?? 0) + weightOf(line);
    }
  }
  return cutDay(perMs, groupBytes).map(({ from, to }) => ({ from: first + from, to: first + to }));
}

/**
 * The rows of a day, sorted by time, and within a millisecond by the order of objects and lines (of a millisecond with more than a row group:
 * within each group). Parts are read once per slice that they reach into.
 * @param order keys in the order of objects
 * @param onSlice called as slices are done, with their number
 */
export async function* rowGroups(
  source: DaySource,
  survey: Survey,
  order: readonly string[],
  signal: AbortSignal,
  groupBytes: number,
  onSlice: (done: number) => void,
): AsyncGenerator<readonly TableRow[], void, void> {
  const rank = new Map(order.map((key, n) => [key, n]));
  const sorted = (rows: TableRow[]): readonly TableRow[] =>
    rows.sort(
      (a, b) =>
        a.event.occurredAtMs - b.event.occurredAtMs ||
        (rank.get(a.object) ?? 0) - (rank.get(b.object) ?? 0) ||
        a.lineNumber - b.lineNumber,
    );
  for (const [index, { from, to }] of survey.slices.entries()) {
    let rows: TableRow[] = [];
    let bytes = 0;
    for await (const { lines } of sourceLines(source, signal, reaching(survey.spans, from, to))) {
      for (const line of lines) {
        const event = eventOf(line, source);
        const ms = msOf(event, source.day);
        if (ms < from || ms >= to) continue;
        // Only a slice of one millisecond has more, and any part of it is sorted by time.
        if (bytes + weightOf(line) > groupBytes && rows.length > 0) {
          yield sorted(rows);
          rows = [];
          bytes = 0;
        }
        bytes += weightOf(line);
        rows.push({
          object: line.object,
          lineNumber: line.lineNumber,
          line: Buffer.from(line.bytes).toString(),
          event,
        });
      }
    }
    if (rows.length > 0) yield sorted(rows);
    onSlice(index + 1);
  }
}

const weightOf = ({ bytes }: SourceLine): number => bytes.length + ROW_BYTES;

const msOf = ({ occurredAtMs }: InteractionEvent, day: number): number => occurredAtMs - day * DAY_MS;

const reaching =
  (spans: Survey['spans'], from: number, to: number) =>
  (part: string): boolean => {
    const span = spans.get(part);
    return span !== undefined && span.first < to && span.last >= from;
  };

function eventOf(line: SourceLine, { day, ids }: DaySource): InteractionEvent {
  const event = parseLine(line.bytes, day, ids);
  if (!('code' in event)) return event;
  throw new UserpulseError(
    'archive_damaged',
    `Line ${line.lineNumber} of ${line.object} is not an event of its day (${event.code}): ${event.reason}`,
    {
      hint: `A table must hold every line, so none was written for this day. Restore the object, or leave it out of the table with --without ${line.object}`,
    },
  );
}
