import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { expect } from 'vitest';
import { Clickhouse } from '../../tools/parts/clickhouse.ts';
import { plainText } from './plain-text.ts';

/*
 * Readers of the archive that are not ours and know JSON from elsewhere. What they cannot read, or read otherwise than JSON.parse does, is
 * useless for those whom the archive is for.
 */

/** Columns that both are asked for, of events and of dead letters; the rest of each line is parsed all the same. */
const COLUMNS = {
  archive: ['eventId', 'type', 'occurredAt', 'actorId', 'receiverId', 'shareId'],
  rejected: ['code', 'reason', 'shardId', 'sequenceNumber', 'subSequence', 'partitionKey', 'arrivedAt', 'data'],
} as const;

let clickhouse: Promise<Clickhouse> | undefined;
let duckdb: Promise<DuckDBConnection> | undefined;

/** Of this process, started with the first question. */
export const theClickhouse = (): Promise<Clickhouse> =>
  (clickhouse ??= Clickhouse.start((line) => process.stderr.write(`${line}\n`)));
export const theDuckdb = (): Promise<DuckDBConnection> =>
  (duckdb ??= DuckDBInstance.create(':memory:').then((instance) => instance.connect()));

const texts = (row: readonly unknown[]): (string | null)[] =>
  row.map((cell) => (cell === null ? null : String(cell as number)));

/** Rows of strings; null for NULL. */
export async function askDuckdb(sql: string): Promise<(string | null)[][]> {
  const rows = await (await theDuckdb()).runAndReadAll(sql);
  return rows.getRowsJson().map(texts);
}

export async function askClickhouse(sql: string): Promise<(string | null)[][]> {
  return (await (await theClickhouse()).ask(sql)).map(texts);
}

/**
 * Every object can be read whole, and every line gives what JSON.parse gives.
 * @param objects key and compressed content, dead letters included
 */
export async function expectReadable(
  objects: Iterable<readonly [string, Buffer]> | AsyncIterable<readonly [string, Buffer]>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'userpulse-readers-'));
  try {
    const lines: Record<keyof typeof COLUMNS, string[]> = { archive: [], rejected: [] };
    for await (const [key, content] of objects) {
      const kind = key.startsWith('_rejected/') ? 'rejected' : 'archive';
      // All in one folder each: an object is asked for by its kind.
      const file = join(folder, kind, key.replaceAll('/', '_'));
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
      lines[kind].push(...plainText(key, content).split('\n').slice(0, -1));
    }
    for (const kind of ['archive', 'rejected'] as const) {
      if (lines[kind].length > 0) await expectLines(kind, join(folder, kind, '*.ndjson.*'), lines[kind]);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function expectLines(kind: keyof typeof COLUMNS, files: string, lines: readonly string[]): Promise<void> {
  const columns = COLUMNS[kind];
  const expected = sorted(
    lines.map((line) => {
      const value = JSON.parse(line) as Readonly<Record<string, unknown>>;
      return columns.map((name) => textOf(value[name], name, line));
    }),
  );
  const list = (type: string, glue: string): string => columns.map((name) => `${name}${glue}${type}`).join(', ');

  const ours = `read_json('${files}', format = 'newline_delimited'`;
  expect(
    sorted(await askDuckdb(`SELECT ${columns.join(', ')} FROM ${ours}, columns = {${list("'VARCHAR'", ': ')}})`)),
  ).toEqual(expected);
  // Every member of every line, as a column that DuckDB finds itself. The types that it guesses are not the point.
  await askDuckdb(
    `CREATE OR REPLACE TEMP TABLE everything AS SELECT * FROM ${ours}, union_by_name = true, sample_size = -1, maximum_depth = 1)`,
  );
  expect(await askDuckdb('SELECT count(*) FROM everything')).toEqual([[String(lines.length)]]);

  const theirs = (format: string, structure = ''): string => `file('${files}', '${format}'${structure})`;
  expect(
    sorted(
      await askClickhouse(
        `SELECT ${columns.join(', ')} FROM ${theirs('JSONEachRow', `, '${list('Nullable(String)', ' ')}'`)}`,
      ),
    ),
  ).toEqual(expected);
  // With its JSON type, and with its functions on texts, each of which has a parser of its own. A bare count would not parse.
  expect(await askClickhouse(`SELECT countIf(length(toString(json)) > 0) FROM ${theirs('JSONAsObject')}`)).toEqual([
    [String(lines.length)],
  ]);
  expect(await askClickhouse(`SELECT count() FROM ${theirs('JSONAsString')} WHERE isValidJSON(json)`)).toEqual([
    [String(lines.length)],
  ]);
}

/** As a reader shows a member's value that is asked for as text. A number keeps its digits, which JSON.parse does not. */
function textOf(value: unknown, name: string, line: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  return new RegExp(`"${name}"\\s*:\\s*(\\d+)`).exec(line)?.[1] ?? JSON.stringify(value);
}

const sorted = (rows: (string | null)[][]): (string | null)[][] =>
  rows
    .map((row) => JSON.stringify(row))
    .sort()
    .map((row) => JSON.parse(row) as (string | null)[]);
