import { DEFAULT_ID_FORMATS, idFormatOf, type IdFormatRow, type IdFormats } from '../../../contract/ids.ts';
import type { SchemaElement } from 'hyparquet';
import type { ColumnSource } from 'hyparquet-writer/src/types.js';
import type { InteractionEvent } from '../event/event.ts';
import { lineOf, templateOf } from './line-template.ts';

/** A row of the table, which is a line of the archive. */
export interface TableRow {
  /** Key of the object that holds, or held, the line. */
  readonly object: string;
  /** Within its object, from 1. */
  readonly lineNumber: number;
  /** Without its line feed. */
  readonly line: string;
  readonly event: InteractionEvent;
}

interface Column {
  readonly element: SchemaElement;
  readonly encoding?: NonNullable<ColumnSource['encoding']>;
  readonly value: (row: TableRow) => unknown;
}

const text = (name: string, repetition: 'REQUIRED' | 'OPTIONAL' = 'REQUIRED'): SchemaElement => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  logical_type: { type: 'STRING' },
  repetition_type: repetition,
});
/** int64 ids are at most 2^63-1, so INT64 holds every one. */
const id = (
  name: string,
  format: IdFormatRow,
  value: (event: InteractionEvent) => string | undefined,
  repetition: 'REQUIRED' | 'OPTIONAL' = 'REQUIRED',
): Column =>
  format.stored === 'int64'
    ? {
        element: { name, type: 'INT64', repetition_type: repetition },
        value: ({ event }) => {
          const found = value(event);
          return found === undefined ? null : BigInt(found);
        },
      }
    : { element: text(name, repetition), value: ({ event }) => value(event) ?? null };

/** In the order of the file. */
const columns = (ids: IdFormats): readonly Column[] => [
  // Nearly all are different: a dictionary would only be tried.
  { element: text('event_id'), encoding: 'PLAIN', value: ({ event }) => event.eventId },
  { element: text('type'), value: ({ event }) => event.type },
  {
    element: {
      name: 'occurred_at',
      type: 'INT64',
      converted_type: 'TIMESTAMP_MILLIS',
      logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
      repetition_type: 'REQUIRED',
    },
    encoding: 'DELTA_BINARY_PACKED',
    value: ({ event }) => BigInt(event.occurredAtMs),
  },
  id('actor_id', idFormatOf('user', ids), ({ actorId }) => actorId),
  id('receiver_id', idFormatOf('user', ids), ({ receiverId }) => receiverId, 'OPTIONAL'),
  id('share_id', idFormatOf('share', ids), ({ shareId }) => shareId, 'OPTIONAL'),
  { element: text('template'), value: ({ line, event }) => templateOf(line, event) },
  { element: text('object'), value: ({ object }) => object },
  {
    element: { name: 'line_number', type: 'INT32', repetition_type: 'REQUIRED' },
    encoding: 'DELTA_BINARY_PACKED',
    value: ({ lineNumber }) => lineNumber,
  },
];

/** The same whatever ids are. */
export const COLUMN_NAMES: readonly string[] = columns(DEFAULT_ID_FORMATS).map(({ element: { name } }) => name);

export const schemaOf = (ids: IdFormats): readonly SchemaElement[] => [
  { name: 'events', num_children: COLUMN_NAMES.length },
  ...columns(ids).map(({ element }) => element),
];

export const columnsOf = (rows: readonly TableRow[], ids: IdFormats): ColumnSource[] =>
  columns(ids).map(({ element: { name }, encoding, value }) => ({
    name,
    data: rows.map(value),
    ...(encoding === undefined ? {} : { encoding }),
  }));

/** What columns have to hold for {@link rowsOf} to work; otherwise the file is not of our making. */
class NoRow extends Error {}

/**
 * The inverse of {@link columnsOf}.
 * @param columns by name: texts as strings, INT64 as bigints, times as ms since 1970
 * @throws Error where they are not columns of a table
 */
export function rowsOf(columns: ReadonlyMap<string, readonly unknown[]>, rows: number): TableRow[] {
  const cell = (name: string, row: number): unknown => {
    const values = columns.get(name);
    if (values?.length !== rows) throw new NoRow(`column ${name} has ${values?.length ?? 0} of ${rows} rows`);
    return values[row];
  };
  const textAt = (name: string, row: number): string => {
    const value = cell(name, row);
    if (typeof value !== 'string') throw new NoRow(`row ${row} has no ${name}`);
    return value;
  };
  const numberAt = (name: string, row: number): number => {
    const value = cell(name, row);
    if (typeof value !== 'number') throw new NoRow(`row ${row} has no ${name}`);
    return value;
  };
  const idAt = (name: string, row: number): string | undefined => {
    const value = cell(name, row);
    if (value === null || value === undefined) return undefined;
    if (typeof value !== 'bigint' && typeof value !== 'string') throw new NoRow(`row ${row} has no ${name}`);
    return String(value);
  };
  return Array.from({ length: rows }, (_, row): TableRow => {
    const event: InteractionEvent = {
      eventId: textAt('event_id', row),
      type: textAt('type', row),
      occurredAtMs: numberAt('occurred_at', row),
      actorId: idAt('actor_id', row) ?? '',
      receiverId: idAt('receiver_id', row),
      shareId: idAt('share_id', row),
    };
    return {
      object: textAt('object', row),
      lineNumber: numberAt('line_number', row),
      line: lineOf(textAt('template', row), event),
      event,
    };
  });
}
