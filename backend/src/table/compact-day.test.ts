import { DEFAULT_ID_FORMATS } from '../../../contract/ids.ts';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileArchiveReader } from '../archive/file-reader.ts';
import { FileTables } from '../archive/file-tables.ts';
import { tableKey } from '../archive/keys.ts';
import { makeFolder } from '../files/durable-file.ts';
import type { TableRow } from './columns.ts';
import { compactDay, type CompactedDay, type CompactOptions } from './compact-day.ts';
import { findTables } from './find-tables.ts';
import { planWithTables } from './replay-source.ts';

const DAY = 15_522;
const FROM_MS = DAY * 86_400_000;
const RANGE = { from: DAY, to: DAY };
const go = new AbortController().signal;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'userpulse-table-'));
});
afterEach(() => rm(folder, { recursive: true }));

const reader = () => new FileArchiveReader(pathToFileURL(`${folder}/`));

async function compact(options: Partial<CompactOptions> = {}): Promise<CompactedDay> {
  const tables = new FileTables(pathToFileURL(folder));
  await makeFolder(tables.workFolder);
  return compactDay(DAY, {
    reader: reader(),
    tables,
    ids: DEFAULT_ID_FORMATS,
    without: new Set(),
    removes: false,
    parallel: 3,
    signal: go,
    onProgress: () => undefined,
    ...options,
  });
}

const keyOf = (n: number, shard = 0): string => `2012/07/01/shardId-00${shard}-${n}-${n + 9}.ndjson.gz`;
const lineOf = (n: number, ms: number, extra = ''): string =>
  `{"eventId":"e${n}","type":"${n % 3 === 0 ? 'like' : 'reply'}","occurredAt":${FROM_MS + ms},"actorId":"9007199254740993","receiverId":${n + 1}${extra}}`;

async function write(objects: Readonly<Record<string, readonly string[]>>): Promise<void> {
  for (const [key, lines] of Object.entries(objects)) {
    await mkdir(dirname(join(folder, key)), { recursive: true });
    await writeFile(join(folder, key), gzipSync(lines.map((line) => `${line}\n`).join('')));
  }
}

/** Every row of the table, in the order of the file, and the sizes of its row groups. */
async function stored(): Promise<{ rows: TableRow[]; groups: readonly number[] }> {
  const table = (await findTables(reader(), RANGE, go)).get(DAY)?.table;
  const rows: TableRow[] = [];
  for (const group of table?.groups.keys() ?? []) rows.push(...((await table?.rows(group)) ?? []));
  return { rows, groups: table?.groups ?? [] };
}

/** Lines by object, in their order: what the table would give back. */
function linesOf(rows: readonly TableRow[]): Record<string, string[]> {
  const objects: Record<string, string[]> = {};
  for (const { object, lineNumber, line } of rows) (objects[object] ??= [])[lineNumber - 1] = line;
  return objects;
}

const files = async (): Promise<string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
};

const some = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, n) => lineOf(from + n, ((from + n) * 7_919) % 86_400_000));

describe('compactDay', () => {
  it('holds every line of any day, sorted by time, in row groups that fit into memory', async () => {
    let groups = 0;
    let crowded = 0;
    const ms = fc.oneof(
      fc.integer({ min: 0, max: 86_399_999 }),
      fc.integer({ min: 43_200_000, max: 43_200_999 }),
      fc.constant(43_200_500),
    );
    const object = fc.array(fc.tuple(ms, fc.constantFrom('', ',"x":"😀"', ',"":[1,2]')), {
      maxLength: 40,
      size: 'max',
    });
    await fc.assert(
      fc.asyncProperty(fc.array(object, { minLength: 1, maxLength: 4, size: 'max' }), async (objects) => {
        await rm(folder, { recursive: true });
        let n = 0;
        const expected = Object.fromEntries(
          objects.map((lines, index) => [
            keyOf(10 * index + 1, index % 2),
            lines.map(([at, extra]) => lineOf(n++, at, extra)),
          ]),
        );
        await write(expected);
        const result = await compact({ groupBytes: 1_600 });
        expect(result).toMatchObject({ result: 'written', rows: n, objects: objects.length, removed: 0 });
        const table = await stored();
        expect(linesOf(table.rows)).toEqual(
          Object.fromEntries(Object.entries(expected).filter(([, l]) => l.length > 0)),
        );
        const times = table.rows.map(({ event }) => event.occurredAtMs);
        expect(times).toEqual([...times].sort((a, b) => a - b));
        for (const rows of table.groups) expect(rows).toBeLessThanOrEqual(1_600 / 390);
        groups = Math.max(groups, table.groups.length);
        if (times.filter((time) => time === FROM_MS + 43_200_500).length > 12) crowded++;
        expect(await files()).toEqual([...Object.keys(expected), tableKey(DAY)].sort());
      }),
      { numRuns: 25 },
    );
    expect(groups).toBeGreaterThan(5);
    expect(crowded).toBeGreaterThan(3);
  }, 60_000);

  it('sorts one millisecond by the order of objects, then of lines', async () => {
    await write({ [keyOf(100)]: [lineOf(1, 5), lineOf(2, 5)], [keyOf(20, 1)]: [lineOf(3, 5), lineOf(4, 4)] });
    await compact();
    expect((await stored()).rows.map(({ event }) => event.eventId)).toEqual(['e4', 'e3', 'e1', 'e2']);
  });

  it('does nothing where nothing is new, and writes the same bytes where the table is gone', async () => {
    await write({ [keyOf(1)]: some(0, 50), [keyOf(20)]: some(50, 50) });
    expect(await compact()).toMatchObject({ result: 'written', rows: 100 });
    const path = join(folder, tableKey(DAY));
    const before = await readFile(path);
    expect(await compact()).toMatchObject({ result: 'unchanged', rows: 100, objects: 2 });
    await rm(path);
    await compact();
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it('takes in what has come, with what was removed before', async () => {
    const all = { [keyOf(1)]: some(0, 50), [keyOf(20)]: some(50, 50) };
    await write(all);
    expect(await compact({ removes: true })).toMatchObject({ result: 'written', removed: 2 });
    expect(await files()).toEqual([tableKey(DAY)]);
    const late = { [keyOf(300)]: some(100, 20) };
    await write(late);
    expect(await compact()).toMatchObject({ result: 'written', rows: 120, objects: 3 });
    expect(linesOf((await stored()).rows)).toEqual({ ...all, ...late });
    // A redo after a crash: ingest writes the same object again.
    await write({ [keyOf(1)]: some(0, 50) });
    expect(await compact({ removes: true })).toMatchObject({ result: 'unchanged', rows: 120, removed: 2 });
    expect(await files()).toEqual([tableKey(DAY)]);
    expect(linesOf((await stored()).rows)).toEqual({ ...all, ...late });
  });

  it('gives replay every line once, before and after removal, as a day that has not changed', async () => {
    const all = { [keyOf(1)]: some(0, 50), [keyOf(20)]: some(50, 50), [keyOf(300)]: some(100, 5) };
    await write(all);
    const read = async () => {
      const { days, read: lines, fromTables } = await planWithTables(reader(), RANGE, new Set(), go);
      const found: string[] = [];
      for (const { key } of days[0]?.objects ?? []) {
        for await (const some of lines(key, go)) found.push(...some.map((line) => Buffer.from(line).toString()));
      }
      return { digest: days[0]?.digest, found: found.sort(), fromTables };
    };
    const before = await read();
    expect(before.found).toEqual(Object.values(all).flat().sort());
    await compact({ removes: true, groupBytes: 4_000 });
    await write({ [keyOf(20)]: some(50, 50) });
    expect(await read()).toEqual({ ...before, fromTables: 1 });
    await rm(join(folder, keyOf(20)));
    expect(await read()).toEqual({ ...before, fromTables: 1 });
  });

  it('refuses a line that is no event, and writes nothing', async () => {
    await write({ [keyOf(1)]: some(0, 5), [keyOf(20)]: [...some(5, 2), '{"eventId":"x"}'] });
    await expect(compact()).rejects.toMatchObject({
      code: 'archive_damaged',
      message: expect.stringContaining(`Line 3 of ${keyOf(20)} is not an event of its day`),
      hint: expect.stringContaining(`--without ${keyOf(20)}`),
    });
    expect(await files()).toEqual([keyOf(1), keyOf(20)]);
    // Left out of the table, and never removed.
    expect(await compact({ without: new Set([keyOf(20)]), removes: true })).toMatchObject({ rows: 5, removed: 1 });
    expect(await files()).toEqual([keyOf(20), tableKey(DAY)].sort());
  });

  it('refuses an event of another day, a damaged object and a damaged table', async () => {
    await write({ [keyOf(1)]: [lineOf(1, 86_400_000)] });
    await expect(compact()).rejects.toThrow(/Its occurredAt is not on the day/);
    await write({ [keyOf(1)]: some(0, 500) });
    const path = join(folder, keyOf(1));
    const whole = await readFile(path);
    await truncate(path, whole.length - 20);
    await expect(compact()).rejects.toMatchObject({ code: 'archive_damaged' });
    await writeFile(path, whole);
    await compact();
    const table = join(folder, tableKey(DAY));
    const bytes = await readFile(table);
    await truncate(table, bytes.length - 1);
    await expect(compact()).rejects.toMatchObject({
      code: 'archive_damaged',
      hint: expect.stringContaining('delete the table'),
    });
    await writeFile(table, 'no table');
    await expect(compact()).rejects.toMatchObject({ code: 'archive_damaged' });
  });

  it('removes nothing unless the table in the archive has every line of every object', async () => {
    const all = { [keyOf(1)]: some(0, 300), [keyOf(20)]: some(300, 300) };
    await write(all);
    await compact({ groupBytes: 50_000 });
    const table = join(folder, tableKey(DAY));
    const bytes = await readFile(table);
    const refused = async (): Promise<void> => {
      await expect(compact({ removes: true })).rejects.toMatchObject({ code: 'archive_damaged' });
      expect(await files()).toEqual([...Object.keys(all), tableKey(DAY)].sort());
    };
    // Any byte of the rows that has changed.
    for (let at = 8; at < bytes.length / 2; at += 997) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await writeFile(table, changed);
      await refused();
    }
    await writeFile(table, bytes);
    // An object that is not as it was: one line less, two lines exchanged, one byte.
    const [first = '', second = '', ...rest] = all[keyOf(20)] ?? [];
    for (const lines of [
      [second, ...rest],
      [second, first, ...rest],
      [first.replace('like', 'lime'), second, ...rest],
    ]) {
      await write({ [keyOf(20)]: lines });
      await refused();
    }
    await write(all);
    expect(await compact({ removes: true })).toMatchObject({ result: 'unchanged', removed: 2 });
  });

  it('says where no space is left, and leaves nothing behind but what was there', async () => {
    await write({ [keyOf(1)]: some(0, 50) });
    await mkdir(join(folder, 'events'));
    // Every write to it fails as on a full disk.
    await symlink('/dev/full', join(folder, 'events', '.events.parquet.tmp'));
    await expect(compact({ removes: true })).rejects.toMatchObject({
      code: 'archive_unreachable',
      message: expect.stringContaining('no space left'),
      hint: expect.stringContaining('--temporary'),
    });
    expect(await readdir(join(folder, 'events'))).toEqual([]);
    expect(await files()).toEqual([keyOf(1)]);
  });

  it('goes on where a run was killed while it wrote, and stops when it is told to', async () => {
    await write({ [keyOf(1)]: some(0, 50) });
    await mkdir(join(folder, 'events'));
    await writeFile(join(folder, 'events', '.events.parquet.tmp'), 'PAR1 half a table');
    const stop = new AbortController();
    const reason = new Error('told to');
    const stopping = compact({ signal: stop.signal, onProgress: (step) => step === 'verifying' && stop.abort(reason) });
    await expect(stopping).rejects.toBe(reason);
    expect(await files()).toEqual([keyOf(1)]);
    expect(await compact()).toMatchObject({ result: 'written' });
  });

  it('leaves a table in its place that another run has put there meanwhile', async () => {
    await write({ [keyOf(1)]: some(0, 50) });
    await compact();
    await write({ [keyOf(20)]: some(50, 50) });
    let other: Promise<unknown> | undefined;
    const onProgress: CompactOptions['onProgress'] = (step) => {
      if (step === 'verifying') other ??= writeFile(join(folder, tableKey(DAY)), 'another one');
    };
    await expect(compact({ onProgress })).rejects.toMatchObject({ code: 'archive_conflict' });
    await other;
    expect(await readFile(join(folder, tableKey(DAY)), 'utf8')).toBe('another one');
  });

  it('holds what no reader of JSON would give back alike', async () => {
    const lines = [
      `{"eventId":"\\ufeffbom","type":"like","occurredAt":${FROM_MS},"actorId":"1","receiverId":"9223372036854775807"}`,
      `{"eventId":"\ufeffbom","type":"like","occurredAt":${FROM_MS},"actorId":"1","receiverId":"9223372036854775807"}`,
      `{"eventId":"\\u0001\\u0003","type":"like","occurredAt":"2012-07-01T00:00Z","actorId":1,"shareId":"${'cd'.repeat(12)}","receiverId":null}`,
      `{"eventId":"e","type":"like", "occurredAt":"2012-07-01T00:00:00.000999Z","actorId":"1","receiverId":"","shareId":"${'cd'.repeat(12)}","n":1.0e0}`,
    ];
    await write({ [keyOf(1)]: lines });
    await compact({ removes: true });
    expect(linesOf((await stored()).rows)).toEqual({ [keyOf(1)]: lines });
    expect((await stored()).rows.map(({ event }) => event.eventId)).toEqual([
      '\ufeffbom',
      '\ufeffbom',
      '\u0001\u0003',
      'e',
    ]);
  });
});
