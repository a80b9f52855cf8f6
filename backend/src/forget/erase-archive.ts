import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchiveReader, StoredObject } from '../archive/archive-reader.ts';
import { codecOfKey } from '../archive/codecs.ts';
import { ALL_DAYS, keysOf, rejectedKeysOf } from '../archive/days.ts';
import { parseArchiveKey, type ParsedKey } from '../archive/keys.ts';
import { objectLines } from '../archive/object-lines.ts';
import { TABLE_KIND, type TableStore } from '../archive/table-store.ts';
import type { ErasedLine, LineEraser } from '../erasure/erase-line.ts';
import { UserpulseError } from '../errors.ts';
import { eventKey } from '../schema/identity.ts';
import { rewriteTable } from '../table/rewrite-table.ts';
import { findTables, type StoredTable } from '../table/find-tables.ts';

/** The leading dot: no reader of a folder looks at it. */
const TEMPORARY = '.forget.tmp';

export interface EraseArchiveOptions {
  readonly reader: ArchiveReader;
  readonly tables: TableStore;
  readonly eraser: LineEraser;
  /** Whether lines that have the id elsewhere than in the contract's fields lose all other fields. */
  readonly furtherFields: boolean;
  /** Nothing is changed. */
  readonly dryRun: boolean;
  /** Objects that are read at a time. */
  readonly parallel: number;
  readonly signal: AbortSignal;
  /** Keys of events (see eventKey) that are of interest where they change. */
  readonly relocated: ReadonlySet<string>;
  /** Called before an object changes, with how many of its lines do, and which of `relocated`; awaited. */
  readonly onObject: (key: string, lines: number, events: ReadonlySet<string>) => Promise<void>;
  readonly onProgress: (done: number, of: number) => void;
}

/** Lines that were left as they are, and the first object that has one. */
export interface LeftLines {
  lines: number;
  first: string | undefined;
}

/** What an erasure has read of an archive. */
export class ArchiveStats {
  objects = 0;
  tables = 0;
  lines = 0;
  /** Objects that ingest did not write; they are not read. */
  foreign = 0;
  /** They have the id elsewhere than in a field of the contract. */
  readonly mentioned: LeftLines = { lines: 0, first: undefined };
  /** They have the id and are no valid events of their day. */
  readonly unreadable: LeftLines = { lines: 0, first: undefined };
}

/**
 * Takes the subject out of every object, dead letter and table. An object keeps its key, and a line its place: replay, tables and readers find what
 * they know. Each object is replaced in one step, if it is still what was read.
 * @throws UserpulseError of the archive; the signal's reason when aborted
 */
export async function eraseArchive(options: EraseArchiveOptions): Promise<ArchiveStats> {
  const { reader, signal, parallel, onProgress } = options;
  const stats = new ArchiveStats();
  const objects: { readonly object: StoredObject; readonly key: ParsedKey }[] = [];
  for (const range of [keysOf(ALL_DAYS), rejectedKeysOf(ALL_DAYS)]) {
    for await (const object of reader.list(...range, signal)) {
      const key = parseArchiveKey(object.key);
      if (key === undefined) stats.foreign++;
      else objects.push({ object, key });
    }
  }
  const tables = await findTables(reader, ALL_DAYS, signal);
  const step = (): void => onProgress(stats.objects + stats.tables, objects.length + tables.size);
  const left = objects.values();
  await Promise.all(
    Array.from({ length: parallel }, async (_, worker) => {
      for (const { object, key } of left) {
        await eraseObject(options, object, key, stats, `${TEMPORARY}${worker}`);
        stats.objects++;
        step();
      }
    }),
  );
  for (const [day, stored] of tables) {
    await eraseTable(options, day, stored, stats);
    stats.tables++;
    step();
  }
  return stats;
}

async function eraseObject(
  options: EraseArchiveOptions,
  object: StoredObject,
  { day, rejected }: ParsedKey,
  stats: ArchiveStats,
  temporary: string,
): Promise<void> {
  const { reader, tables, eraser, dryRun, signal, onObject } = options;
  const { key } = object;
  const judge = (line: Uint8Array): ErasedLine => {
    if (!rejected) return eraser.event(line, day);
    try {
      return eraser.deadLetter(line);
    } catch (error) {
      throw new UserpulseError('archive_damaged', `A line of ${key} in ${reader.url} is no dead letter.`, {
        hint: 'It was changed by hand or written by a newer version. Correct it, and run the same command again.',
        cause: error,
      });
    }
  };
  const changing = new ChangingLines(options.relocated);
  for await (const lines of objectLines(reader, key, signal)) {
    stats.lines += lines.length;
    for (const line of lines) changing.add(replacing(options, judge(line), key, stats));
  }
  if (changing.lines === 0) return;
  await onObject(key, changing.lines, changing.events);
  if (dryRun) return;
  const codec = codecOfKey(key);
  if (codec === undefined) throw new Error(`${key} has been read and has no codec.`);
  const encoder = codec.encoder();
  for await (const lines of objectLines(reader, key, signal)) {
    for (const line of lines) encoder.append(replacing(options, judge(line), key)?.line ?? line);
  }
  const { chunks, contentSha256 } = await encoder.finish();
  const path = join(tables.workFolder, temporary);
  try {
    const file = await open(path, 'w', 0o640);
    try {
      for (const chunk of chunks) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await tables.put(key, path, object, { contentType: codec.contentType, contentSha256 }, signal);
  } finally {
    await rm(path, { force: true });
  }
}

async function eraseTable(
  options: EraseArchiveOptions,
  day: number,
  { object, table }: StoredTable,
  stats: ArchiveStats,
): Promise<void> {
  const { tables, eraser, dryRun, signal, onObject } = options;
  const path = join(tables.workFolder, TEMPORARY);
  const changing = new ChangingLines(options.relocated);
  for (const group of table.groups.keys()) {
    signal.throwIfAborted();
    for (const { line } of await table.rows(group))
      changing.add(replacing(options, eraser.event(Buffer.from(line), day), object.key, stats));
  }
  if (changing.lines === 0) return;
  await onObject(object.key, changing.lines, changing.events);
  if (dryRun) return;
  const rewrite = (line: Uint8Array): Uint8Array | undefined =>
    replacing(options, eraser.event(line, day), object.key)?.line;
  try {
    await rewriteTable(table, rewrite, path, eraser.ids, signal);
    await tables.put(object.key, path, object, TABLE_KIND, signal);
  } finally {
    await rm(path, { force: true });
  }
}

/** Lines of an object that change. */
class ChangingLines {
  lines = 0;
  readonly events = new Set<string>();
  readonly #relocated: ReadonlySet<string>;

  constructor(relocated: ReadonlySet<string>) {
    this.#relocated = relocated;
  }

  add(replaced: ReplacedLine | undefined): void {
    if (replaced === undefined) return;
    this.lines++;
    // A hash of each line, for the few that are relocated at all.
    if (this.#relocated.size === 0 || replaced.before === undefined) return;
    const key = eventKey(replaced.before);
    if (this.#relocated.has(key)) this.events.add(key);
  }
}

type ReplacedLine = Extract<ErasedLine, { kind: 'erased' | 'mentioned' }>;

/** @returns what a line is replaced by; undefined where it stays, which is noted where it has the id */
function replacing(
  { furtherFields }: EraseArchiveOptions,
  erased: ErasedLine,
  key: string,
  stats?: ArchiveStats,
): ReplacedLine | undefined {
  switch (erased.kind) {
    case 'kept':
      return undefined;
    case 'erased':
      return erased;
    case 'mentioned':
    case 'unreadable': {
      if (erased.kind === 'mentioned' && furtherFields) return erased;
      const left = stats?.[erased.kind];
      if (left !== undefined) {
        left.lines++;
        left.first ??= key;
      }
      return undefined;
    }
    default:
      return erased satisfies never;
  }
}
