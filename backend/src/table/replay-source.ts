import type { ArchiveReader, StoredObject } from '../archive/archive-reader.ts';
import type { ReadLines } from '../archive/day-lines.ts';
import { planDays, type ArchivedDay, type Plan } from '../archive/day-plan.ts';
import type { DayRange } from '../archive/days.ts';
import { objectLines } from '../archive/object-lines.ts';
import { findTables, heldKeys, type StoredTable } from './find-tables.ts';

/** The days of an archive with all of their lines: those of objects, and those of removed objects, which tables hold. */
export interface ReplaySource extends Plan {
  /** Reads what the plan calls an object: one of the archive, or a row group of a table. */
  readonly read: ReadLines;
  /** Days of which a table is read. */
  readonly fromTables: number;
}

/** @param without keys of objects to leave out; of removed ones, too */
export async function planWithTables(
  reader: ArchiveReader,
  range: DayRange,
  without: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<ReplaySource> {
  const tables = await findTables(reader, range, signal);
  const { days, foreign } = await planDays(reader, range, without, signal, heldKeys(tables));
  const groups = new Map<string, RowGroup>();
  const planned = days.map((day): ArchivedDay => {
    const stored = tables.get(day.day);
    if (stored === undefined || day.removed.length === 0) return day;
    // Rows are sorted by time, so they come before those of objects that arrived later.
    const objects = [...groupsOf(stored, day.removed, groups), ...day.objects];
    return { ...day, objects, bytes: objects.reduce((sum, { bytes }) => sum + bytes, 0) };
  });
  // A row group is large in memory: one at a time, however many objects are open.
  let last: Promise<unknown> = Promise.resolve();
  async function* read(key: string, stop: AbortSignal): AsyncGenerator<readonly Uint8Array[], void, void> {
    const rowGroup = groups.get(key);
    if (rowGroup === undefined) return yield* objectLines(reader, key, stop);
    const before = last;
    let done = (): void => undefined;
    last = new Promise<void>((resolve) => (done = resolve));
    try {
      await before;
      stop.throwIfAborted();
      yield await linesOf(rowGroup);
    } finally {
      done();
    }
  }
  return {
    days: planned.filter(({ objects }) => objects.length > 0),
    foreign,
    read,
    fromTables: days.filter(({ removed }) => removed.length > 0).length,
  };
}

interface RowGroup {
  readonly stored: StoredTable;
  readonly group: number;
  readonly removed: ReadonlySet<string>;
}

/** Each takes its share of the bytes that the removed objects had, so that a day is planned as before they were removed. */
function groupsOf(
  { object, table }: StoredTable,
  keys: readonly string[],
  into: Map<string, RowGroup>,
): StoredObject[] {
  const removed = new Set(keys);
  const bytes = keys.reduce((sum, key) => sum + (table.contents.objects.get(key)?.bytes ?? 0), 0);
  const rows = table.groups.reduce((sum, count) => sum + count, 0);
  return table.groups.map((count, group) => {
    const key = `${object.key}#${group}`;
    into.set(key, { stored: { object, table }, group, removed });
    return { key, bytes: Math.ceil((bytes * count) / Math.max(1, rows)), version: object.version };
  });
}

const linesOf = async ({ stored, group, removed }: RowGroup): Promise<readonly Uint8Array[]> =>
  (await stored.table.rows(group)).flatMap(({ object, line }) => (removed.has(object) ? [Buffer.from(line)] : []));
