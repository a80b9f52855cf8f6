import { createHash } from 'node:crypto';
import type { DayRange } from './days.ts';
import { keysOf } from './days.ts';
import type { ArchiveReader, StoredObject } from './archive-reader.ts';
import { parseArchiveKey } from './keys.ts';

/** A UTC day of the archive. */
export interface ArchivedDay {
  /** From 1970-01-01. */
  readonly day: number;
  /** In the order of their first records on the stream, which is about the order in which ingest wrote their events. */
  readonly objects: readonly StoredObject[];
  /** Keys of objects that have been removed, and whose lines a table of the day holds; in the same order. */
  readonly removed: readonly string[];
  readonly bytes: number;
  /** Of the keys of all these: tells whether the day has changed, since the content of a key never does. */
  readonly digest: string;
}

export interface Plan {
  readonly days: readonly ArchivedDay[];
  /** Keys that ingest did not write. */
  readonly foreign: readonly string[];
}

/**
 * What the archive holds for these days.
 * @param held the keys whose lines the table of a day holds, by day; those that are listed too are read from their objects
 */
export async function planDays(
  reader: ArchiveReader,
  range: DayRange,
  without: ReadonlySet<string>,
  signal: AbortSignal,
  held: ReadonlyMap<number, Iterable<string>> = new Map(),
): Promise<Plan> {
  const listed = new Map<number, Map<string, StoredObject>>();
  const foreign: string[] = [];
  for await (const object of reader.list(...keysOf(range), signal)) {
    const day = parseArchiveKey(object.key)?.day;
    if (day === undefined) foreign.push(object.key);
    else if (!without.has(object.key)) {
      const objects = listed.get(day) ?? new Map<string, StoredObject>();
      listed.set(day, objects.set(object.key, object));
    }
  }
  const days = [...new Set([...listed.keys(), ...held.keys()])].sort((a, b) => a - b);
  return {
    days: days.map((day) => {
      const objects = listed.get(day) ?? new Map<string, StoredObject>();
      const removed = [...(held.get(day) ?? [])].filter((key) => !objects.has(key) && !without.has(key));
      return archivedDay(day, objects, removed);
    }),
    foreign,
  };
}

function archivedDay(day: number, listed: ReadonlyMap<string, StoredObject>, held: readonly string[]): ArchivedDay {
  const keys = byFirstRecord([...listed.keys(), ...held]);
  const objects = keys.flatMap((key) => listed.get(key) ?? []);
  return {
    day,
    objects,
    removed: keys.filter((key) => !listed.has(key)),
    bytes: objects.reduce((sum, object) => sum + object.bytes, 0),
    digest: createHash('sha256').update(keys.join('\n')).digest('hex'),
  };
}

/** Keys of a day's objects in the order of their first records; equal first numbers (of different shards) in the order of keys. */
export const byFirstRecord = (keys: readonly string[]): readonly string[] =>
  keys
    .map((key) => ({ key, first: BigInt(parseArchiveKey(key)?.first ?? 0) }))
    .sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : a.key < b.key ? -1 : 1))
    .map(({ key }) => key);

/** Seconds of a day, from its start: `from` included, `to` excluded. */
export interface Slice {
  readonly from: number;
  readonly to: number;
}

export const DAY_SECONDS = 86_400;
export const WHOLE_DAY: Slice = { from: 0, to: DAY_SECONDS };

/**
 * Cuts a day into slices of at most `max`, at whole seconds, since events of one millisecond must be in one slice. A second with more is a slice of
 * its own.
 * @param perSecond events (or bytes) per second of the day; of any other span, per part of it
 */
export function cutDay(perSecond: Uint32Array | Float64Array, max: number): readonly Slice[] {
  const slices: Slice[] = [];
  let from = 0;
  let events = 0;
  perSecond.forEach((count, second) => {
    if (events > 0 && events + count > max) {
      slices.push({ from, to: second });
      from = second;
      events = 0;
    }
    events += count;
  });
  return [...slices, { from, to: perSecond.length }];
}
