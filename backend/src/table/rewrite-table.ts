import type { IdFormats } from '../../../contract/ids.ts';
import { parseLine } from '../archive/day-lines.ts';
import { UserpulseError } from '../errors.ts';
import { withTableFile } from './find-tables.ts';
import { TableFile } from './table-file.ts';
import type { TableRow } from './columns.ts';
import type { TableReader } from './table-reader.ts';

/**
 * Writes a table to a file with some of its lines replaced, and compares every row of the file with what it should be. A line keeps its object, its
 * number and its time, so the order of the rows stays.
 * @param rewrite the line that replaces one; undefined where it stays
 * @throws UserpulseError `archive_damaged`
 */
export async function rewriteTable(
  table: TableReader,
  rewrite: (line: Uint8Array) => Uint8Array | undefined,
  path: string,
  ids: IdFormats,
  signal: AbortSignal,
): Promise<void> {
  const { contents } = table;
  const rowsOf = async (group: number): Promise<readonly TableRow[]> =>
    (await table.rows(group)).map((row) => rewritten(row, rewrite(Buffer.from(row.line)), contents.day, ids));
  const file = await TableFile.create(path, contents, ids);
  try {
    for (const group of table.groups.keys()) {
      signal.throwIfAborted();
      await file.add(await rowsOf(group));
    }
    await file.finish();
  } finally {
    await file.close();
  }
  await withTableFile(path, contents.day, async (written) => {
    for (const group of table.groups.keys()) {
      signal.throwIfAborted();
      const [wanted, found] = [await rowsOf(group), await written.rows(group)];
      if (JSON.stringify(wanted) !== JSON.stringify(found)) throw unlike(contents.day);
    }
  });
}

function rewritten(row: TableRow, line: Uint8Array | undefined, day: number, ids: IdFormats): TableRow {
  if (line === undefined) return row;
  const event = parseLine(line, day, ids);
  if ('code' in event) throw new Error(`A line was replaced by one that is no event: ${event.reason}`);
  return { ...row, line: Buffer.from(line).toString(), event };
}

const unlike = (day: number): UserpulseError =>
  new UserpulseError('archive_damaged', `The new table of day ${day} does not read as it was written.`, {
    hint: 'Nothing was replaced. Check the memory and the disk of this machine, and run the same command again.',
  });
