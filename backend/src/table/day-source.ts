import type { IdFormats } from '../../../contract/ids.ts';
import type { ArchiveReader, StoredObject } from '../archive/archive-reader.ts';
import { linesInOrder } from '../archive/day-lines.ts';
import { objectLines } from '../archive/object-lines.ts';
import type { TableReader } from './table-reader.ts';

/** The lines of a day: of its objects, and of those that have been removed, from the table that holds them. */
export interface DaySource {
  /** From 1970-01-01. */
  readonly day: number;
  readonly reader: ArchiveReader;
  /** How ids are written. */
  readonly ids: IdFormats;
  readonly objects: readonly StoredObject[];
  readonly removed: ReadonlySet<string>;
  /** Absent: what has been removed is not read. */
  readonly table: TableReader | undefined;
  /** Objects that are open at a time. */
  readonly parallel: number;
}

export interface SourceLine {
  /** Key of its object. */
  readonly object: string;
  /** From 1. */
  readonly lineNumber: number;
  /** A view, valid until the next lines are requested. */
  readonly bytes: Uint8Array;
}

/** Lines that are read together: an object, or a row group of the table, has one or many of these. */
export interface SourceChunk {
  readonly part: string;
  readonly lines: readonly SourceLine[];
}

/** @param wants whether a part is read at all; absent: all are */
export async function* sourceLines(
  source: DaySource,
  signal: AbortSignal,
  wants: (part: string) => boolean = () => true,
  onEnd: (part: string) => void = () => undefined,
): AsyncGenerator<SourceChunk, void, void> {
  const { table, removed, reader } = source;
  for (const group of removed.size === 0 ? [] : (table?.groups.keys() ?? [])) {
    const part = groupPart(group);
    if (!wants(part)) continue;
    signal.throwIfAborted();
    const rows = (await table?.rows(group)) ?? [];
    const lines = rows.flatMap(({ object, lineNumber, line }) =>
      removed.has(object) ? [{ object, lineNumber, bytes: Buffer.from(line) }] : [],
    );
    yield { part, lines };
    onEnd(part);
  }
  const objects = source.objects.filter(({ key }) => wants(key));
  const read = (key: string): ReturnType<typeof objectLines> => objectLines(reader, key, signal);
  const chunks = linesInOrder(read, objects, source.parallel, signal, ({ key }) => onEnd(key));
  for await (const { object, lines, firstLine } of chunks) {
    signal.throwIfAborted();
    yield {
      part: object.key,
      lines: lines.map((bytes, index) => ({ object: object.key, lineNumber: firstLine + index, bytes })),
    };
  }
}

const groupPart = (group: number): string => `row group ${group}`;
