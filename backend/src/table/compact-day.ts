import type { IdFormats } from '../../../contract/ids.ts';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchiveReader } from '../archive/archive-reader.ts';
import { byFirstRecord, planDays } from '../archive/day-plan.ts';
import { dayText, tableKey } from '../archive/keys.ts';
import { TABLE_KIND, type TableStore } from '../archive/table-store.ts';
import { UserpulseError } from '../errors.ts';
import { isCode } from '../files/durable-file.ts';
import type { HeldObject } from './contents.ts';
import { GROUP_BYTES, rowGroups, surveyDay } from './day-rows.ts';
import type { DaySource } from './day-source.ts';
import { findTables, withTableFile, type StoredTable } from './find-tables.ts';
import { TableFile } from './table-file.ts';
import { verifyTable } from './verify.ts';

export interface CompactOptions {
  readonly reader: ArchiveReader;
  readonly tables: TableStore;
  /** How ids are written. */
  readonly ids: IdFormats;
  /** Keys of objects that are not to be read. */
  readonly without: ReadonlySet<string>;
  /** Whether the objects that the table holds are removed, after the table in the archive has been compared with them. */
  readonly removes: boolean;
  /** Objects that are open at a time. */
  readonly parallel: number;
  readonly signal: AbortSignal;
  /** @param fraction of the day that is done */
  readonly onProgress: (step: Step, fraction: number) => void;
  /** Of a row group in memory; tests use fewer. */
  readonly groupBytes?: number;
}

export type Step = 'reading' | 'writing' | 'verifying' | 'removing';

export interface CompactedDay {
  /** From 1970-01-01. */
  readonly day: number;
  /** `unchanged`: the table holds every object of the day already. */
  readonly result: 'written' | 'unchanged';
  readonly rows: number;
  readonly objects: number;
  /** Of the objects, as NDJSON. */
  readonly objectBytes: number;
  readonly tableBytes: number;
  readonly removed: number;
}

/** The name of a table that is being written, in the work folder. The leading dot: no reader of a folder looks at it. */
const TEMPORARY = '.events.parquet.tmp';

/**
 * Makes the table of a day hold all of its objects. A table that lacks one is written anew, from the objects, and from itself for those that
 * have been removed; compared line by line with what it is made from; and only then put in the place of the one before.
 * @throws UserpulseError `archive_damaged` for what cannot be a table, and where the comparison fails; those of the archive
 */
export async function compactDay(day: number, options: CompactOptions): Promise<CompactedDay> {
  const { reader, signal, removes } = options;
  const found = await findDay(day, options);
  const { source, before } = found;
  const held = before?.table.contents.objects ?? new Map<string, HeldObject>();
  const written = source.objects.some(({ key }) => !held.has(key));
  if (written) await writeDay(found, options);
  const now = written ? (await findTables(reader, { from: day, to: day }, signal)).get(day) : before;
  if (now === undefined) throw new UserpulseError('archive_conflict', `The table of ${dayText(day)} is gone.`);
  if (removes && source.objects.length > 0) await removeObjects(now, source, options);
  const objects = [...now.table.contents.objects.values()];
  return {
    day,
    result: written ? 'written' : 'unchanged',
    rows: objects.reduce((sum, { lines }) => sum + lines, 0),
    objects: objects.length,
    objectBytes: objects.reduce((sum, { bytes }) => sum + bytes, 0),
    tableBytes: now.object.bytes,
    removed: removes ? source.objects.length : 0,
  };
}

interface FoundDay {
  readonly source: DaySource;
  readonly before: StoredTable | undefined;
}

async function findDay(day: number, options: CompactOptions): Promise<FoundDay> {
  const { reader, without, parallel, signal } = options;
  const range = { from: day, to: day };
  const before = (await findTables(reader, range, signal)).get(day);
  const objects = (await planDays(reader, range, without, signal)).days[0]?.objects ?? [];
  const listed = new Set(objects.map(({ key }) => key));
  const removed = new Set([...(before?.table.contents.objects.keys() ?? [])].filter((key) => !listed.has(key)));
  return { source: { day, reader, ids: options.ids, objects, removed, table: before?.table, parallel }, before };
}

async function writeDay({ source, before }: FoundDay, options: CompactOptions): Promise<void> {
  const { tables, signal, onProgress, groupBytes = GROUP_BYTES } = options;
  const { day } = source;
  const path = join(tables.workFolder, TEMPORARY);
  const parts = source.objects.length + (source.removed.size === 0 ? 0 : (source.table?.groups.length ?? 0));
  let read = 0;
  const survey = await surveyDay(source, signal, groupBytes, () => onProgress('reading', (++read / parts) * 0.2));
  const bytesOf = new Map(source.objects.map(({ key, bytes }) => [key, bytes]));
  const order = byFirstRecord([...bytesOf.keys(), ...source.removed]);
  const objects = new Map<string, HeldObject>(
    order.map((key) => {
      const kept = source.table?.contents.objects.get(key);
      const bytes = bytesOf.get(key);
      return [
        key,
        bytes === undefined && kept !== undefined ? kept : { lines: survey.lines.get(key) ?? 0, bytes: bytes ?? 0 },
      ];
    }),
  );
  try {
    await writingTo(path, async () => {
      const file = await TableFile.create(path, { day, objects }, source.ids);
      try {
        const onSlice = (done: number): void => onProgress('writing', 0.2 + (done / survey.slices.length) * 0.4);
        for await (const rows of rowGroups(source, survey, order, signal, groupBytes, onSlice)) await file.add(rows);
        await file.finish();
      } finally {
        await file.close();
      }
    });
    await withTableFile(path, day, (table) =>
      verifyTable(table, source, signal, (fraction) => onProgress('verifying', 0.6 + fraction * 0.35)),
    );
    await tables.put(tableKey(day), path, before?.object, TABLE_KIND, signal);
  } finally {
    await rm(path, { force: true });
  }
}

/** Compares the table that is in the archive with the objects that are there, and then removes these. */
async function removeObjects(stored: StoredTable, source: DaySource, options: CompactOptions): Promise<void> {
  const { tables, reader, signal, onProgress } = options;
  const { day, objects } = source;
  await verifyTable(stored.table, { ...source, table: undefined }, signal, (fraction) =>
    onProgress('verifying', fraction),
  );
  // The one that was compared, and not one that has come meanwhile.
  const still = (await findTables(reader, { from: day, to: day }, signal)).get(day);
  if (still?.object.version !== stored.object.version)
    throw new UserpulseError(
      'archive_conflict',
      `The table of ${dayText(day)} was replaced after it had been verified.`,
      {
        hint: 'Nothing was removed. Run the same command again.',
      },
    );
  onProgress('removing', 1);
  await tables.remove(
    objects.map(({ key }) => key),
    signal,
  );
}

/** Errors of the disk, as ones that say what to do. */
async function writingTo(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const full = isCode(error, 'ENOSPC') || isCode(error, 'EDQUOT');
    const denied = isCode(error, 'EACCES') || isCode(error, 'EPERM') || isCode(error, 'EROFS');
    if (!full && !denied) throw error;
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    throw new UserpulseError(
      full ? 'archive_unreachable' : 'archive_unauthorized',
      full
        ? `There is no space left for the table at ${path}, after ${(size / 1e6).toFixed(1)} MB.`
        : `The table cannot be written to ${path}.`,
      {
        hint: full
          ? 'A table is about as large as the objects of its day. Free that much, or, for an archive in S3, name a folder on another disk with --temporary.'
          : 'Give this user write access to that folder.',
        cause: error,
      },
    );
  }
}
