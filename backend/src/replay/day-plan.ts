import { createHash } from 'node:crypto';
import type { DayRange } from '../archive/days.ts';
import { keysOf } from '../archive/days.ts';
import type { ArchiveReader, StoredObject } from '../archive/archive-reader.ts';
import { parseArchiveKey } from '../archive/keys.ts';

/** A UTC day of the archive. */
export interface ArchivedDay {
  /** From 1970-01-01. */
  readonly day: number;
  /** In the order of their first records on the stream, which is about the order in which ingest wrote their events. */
  readonly objects: readonly StoredObject[];
  readonly bytes: number;
  /** Of the objects' keys: tells whether the day has changed, since the content of a key never does. */
  readonly digest: string;
}

export interface Plan {
  readonly days: readonly ArchivedDay[];
  /** Keys that ingest did not write. */
  readonly foreign: readonly string[];
}

/** What the archive holds for these days. */
export async function planDays(
  reader: ArchiveReader,
  range: DayRange,
  without: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Plan> {
  const byDay = new Map<number, { object: StoredObject; first: bigint }[]>();
  const foreign: string[] = [];
  for await (const object of reader.list(...keysOf(range), signal)) {
    const parsed = parseArchiveKey(object.key);
    if (parsed === undefined) {
      foreign.push(object.key);
      continue;
    }
    if (without.has(object.key)) continue;
    const listed = byDay.get(parsed.day);
    const entry = { object, first: BigInt(parsed.first) };
    if (listed === undefined) byDay.set(parsed.day, [entry]);
    else listed.push(entry);
  }
  const days = [...byDay].map(([day, entries]): ArchivedDay => {
    // They are listed by key; equal first numbers (of different shards) stay in that order.
    const objects = entries.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0)).map((e) => e.object);
    const digest = createHash('sha256')
      .update(objects.map((o) => o.key).join('\n'))
      .digest('hex');
    return { day, objects, bytes: objects.reduce((sum, o) => sum + o.bytes, 0), digest };
  });
  return { days, foreign };
}

/** Seconds of a day, from its start: `from` included, `to` excluded. */
export interface Slice {
  readonly from: number;
  readonly to: number;
}

export const DAY_SECONDS = 86_400;
export const WHOLE_DAY: Slice = { from: 0, to: DAY_SECONDS };

/**
 * Cuts a day into slices of at most `maxEvents`, at whole seconds, since events of one millisecond must be in one slice. A second with more events is
 * a slice of its own.
 * @param perSecond events per second of the day
 */
export function cutDay(perSecond: Uint32Array, maxEvents: number): readonly Slice[] {
  const slices: Slice[] = [];
  let from = 0;
  let events = 0;
  perSecond.forEach((count, second) => {
    if (events > 0 && events + count > maxEvents) {
      slices.push({ from, to: second });
      from = second;
      events = 0;
    }
    events += count;
  });
  return [...slices, { from, to: DAY_SECONDS }];
}
