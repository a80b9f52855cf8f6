import { open } from 'node:fs/promises';
import type { ArchiveReader, StoredObject } from '../archive/archive-reader.ts';
import { tableKeysOf, type DayRange } from '../archive/days.ts';
import { parseTableKey } from '../archive/keys.ts';
import { TableReader } from './table-reader.ts';

export interface StoredTable {
  readonly object: StoredObject;
  readonly table: TableReader;
}

/**
 * The tables of these days, by day.
 * @throws UserpulseError `archive_damaged` for one that cannot be read; those of the archive
 */
export async function findTables(
  reader: ArchiveReader,
  range: DayRange,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, StoredTable>> {
  const tables = new Map<number, StoredTable>();
  for await (const object of reader.list(...tableKeysOf(range), signal)) {
    const day = parseTableKey(object.key);
    if (day === undefined) continue;
    const source = {
      name: `${object.key} in ${reader.url}`,
      bytes: object.bytes,
      slice: (from: number, to: number) => reader.slice(object, from, to, signal),
    };
    tables.set(day, { object, table: await TableReader.open(source, day) });
  }
  return tables;
}

/** Which objects the tables hold, by day. */
export const heldKeys = (tables: ReadonlyMap<number, StoredTable>): ReadonlyMap<number, Iterable<string>> =>
  new Map([...tables].map(([day, { table }]) => [day, table.contents.objects.keys()]));

/** Opens a table that has been written to a file, lets it be used, and closes it. */
export async function withTableFile<T>(path: string, day: number, use: (table: TableReader) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const slice = async (from: number, to: number): Promise<Uint8Array<ArrayBuffer>> => {
      const bytes = new Uint8Array(to - from);
      for (let at = 0; at < bytes.length;) {
        const { bytesRead } = await file.read(bytes, at, bytes.length - at, from + at);
        if (bytesRead === 0) throw new Error('it is shorter than it was');
        at += bytesRead;
      }
      return bytes;
    };
    return await use(await TableReader.open({ name: path, bytes: size, slice }, day));
  } finally {
    await file.close();
  }
}
