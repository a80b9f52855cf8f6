import { isAbsentId, type IdFormats } from '../../../contract/ids.ts';
import { hash } from 'node:crypto';
import { parseLine } from '../archive/day-lines.ts';
import { UserpulseError } from '../errors.ts';
import type { InteractionEvent } from '../event/event.ts';
import type { TableRow } from './columns.ts';
import { sourceLines, type DaySource } from './day-source.ts';
import type { TableReader } from './table-reader.ts';

/**
 * Of some lines of an object, in any order: how many, and the sum of their SHA-256 (each with its number), as eight words. Two are equal only where
 * the same numbers have the same bytes. So a table, which is sorted by time, can be compared with objects, which are not, in constant memory.
 */
class LineSum {
  lines = 0;
  readonly #words = new Uint32Array(8);

  add(lineNumber: number, line: string | Uint8Array): void {
    // Latin-1 gives each byte a character of its own, whatever the bytes are.
    const bytes = typeof line === 'string' ? Buffer.from(line) : line;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    const digest = hash('sha256', `${lineNumber}:${text}`, 'buffer');
    for (let word = 0; word < 8; word++) this.#words[word] = (this.#words[word] ?? 0) + digest.readUInt32LE(word * 4);
    this.lines++;
  }

  equals(other: LineSum): boolean {
    return this.lines === other.lines && this.#words.every((word, n) => word === other.#words[n]);
  }
}

/**
 * Compares a table with the lines that it is to hold: each line byte for byte with its row, each column with what the line says, and which objects
 * there are. Both are read whole.
 * @param onProgress fraction that is done
 * @throws UserpulseError `archive_damaged` naming what differs; those of the archive
 */
export async function verifyTable(
  table: TableReader,
  source: DaySource,
  signal: AbortSignal,
  onProgress: (fraction: number) => void,
): Promise<void> {
  const { contents } = table;
  const held = new Map<string, LineSum>([...contents.objects.keys()].map((key) => [key, new LineSum()]));
  for (const group of table.groups.keys()) {
    signal.throwIfAborted();
    let last = -Infinity;
    for (const row of await table.rows(group)) {
      checkRow(row, contents.day, source.ids);
      if (row.event.occurredAtMs < last) throw differs(`row group ${group} is not sorted`);
      last = row.event.occurredAtMs;
      const sum = held.get(row.object);
      if (sum === undefined) throw differs(`it has lines of ${row.object}, which its footer does not name`);
      sum.add(row.lineNumber, row.line);
    }
    onProgress((group + 1) / table.groups.length / 2);
  }
  for (const [key, { lines }] of contents.objects) {
    const has = held.get(key)?.lines;
    if (has !== lines) throw differs(`it has ${has ?? 0} of the ${lines} lines of ${key}`);
  }
  const stored = new Map<string, LineSum>(source.objects.map(({ key }) => [key, new LineSum()]));
  let ended = 0;
  const parts = source.objects.length + (source.table?.groups.length ?? 0);
  const chunks = sourceLines(source, signal, undefined, () => onProgress(0.5 + ++ended / parts / 2));
  for await (const { lines } of chunks) {
    for (const { object, lineNumber, bytes } of lines) {
      const sum = stored.get(object) ?? new LineSum();
      stored.set(object, sum);
      sum.add(lineNumber, bytes);
    }
  }
  for (const [key, sum] of stored) {
    if (held.get(key)?.equals(sum) !== true) throw differs(`its lines of ${key} are not those of the object`);
  }
  for (const key of held.keys()) {
    // Without a table to read them from, nothing is left to compare the lines of a removed object with but the columns.
    const known =
      stored.has(key) ||
      (source.removed.has(key) && (source.table === undefined || contents.objects.get(key)?.lines === 0));
    if (!known) throw differs(`the archive has no lines of ${key}`);
  }
}

function checkRow({ line, event, object, lineNumber }: TableRow, day: number, ids: IdFormats): void {
  const said = parseLine(Buffer.from(line), day, ids);
  if ('code' in said) throw differs(`line ${lineNumber} of ${object} is no event of its day`);
  const same = FIELDS.every(
    (field) => said[field] === event[field] || (isErased(said[field]) && isErased(event[field])),
  );
  if (!same) throw differs(`the columns of line ${lineNumber} of ${object} are not what the line says`);
}

/** An erased id is written by the format that ids had then. */
const isErased = (value: unknown): boolean => typeof value === 'string' && isAbsentId(value);

const FIELDS = [
  'eventId',
  'type',
  'occurredAtMs',
  'actorId',
  'receiverId',
  'shareId',
] as const satisfies readonly (keyof InteractionEvent)[];

const differs = (how: string): UserpulseError =>
  new UserpulseError('archive_damaged', `The table does not hold what the archive holds: ${how}.`, {
    hint: 'Nothing was removed. Check the memory and the disk of this machine, and run the same command again.',
  });
