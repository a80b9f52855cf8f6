import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ListMultipartUploadsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { S3ArchiveTarget } from '../../backend/src/archive/archive-check.ts';
import type { StoredObject } from '../../backend/src/archive/archive-reader.ts';
import { tableKeysOf } from '../../backend/src/archive/days.ts';
import { S3ArchiveReader } from '../../backend/src/archive/s3-reader.ts';
import { S3Tables } from '../../backend/src/archive/s3-tables.ts';
import { TABLE_KIND } from '../../backend/src/archive/table-store.ts';
import { systemClock } from '../../backend/src/clock.ts';
import { registerCompact } from '../../backend/src/commands/compact.ts';
import { registerRepair } from '../../backend/src/commands/repair.ts';
import { registerReplay } from '../../backend/src/commands/replay.ts';
import { queryResponse } from '../../backend/src/http/schemas.ts';
import { UserpulseProcess } from '../../tools/userpulse.ts';
import { writeArchive } from '../support/archive.ts';
import { userpulse, UserpulseServer } from '../support/cli.ts';
import { runInProcess, type CommandEnd } from '../support/command.ts';
import { testEvent, testEvents, type IngestWorld } from '../support/ingest-world.ts';
import {
  createBuckets,
  createS3Bucket,
  eventually,
  listKeys,
  parts,
  partsEnv,
  readObject,
  s3,
  temporaryFolder,
  usePartsEnvironment,
} from '../support/parts.ts';
import { recipe } from '../support/recipes.ts';
import { plainText } from '../support/plain-text.ts';
import { askClickhouse, askDuckdb, theClickhouse } from '../support/strict-readers.ts';
import { archiveObjects } from '../support/stored.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';

beforeAll(() => usePartsEnvironment());
const { world } = worldsOfEachTest();
afterAll(async () => (await theClickhouse()).stop());

const TABLE = 'events/year=2012/month=07/day=01/events.parquet';
const cwd = await temporaryFolder('compact');
const compact = (env: Readonly<Record<string, string>>, ...args: string[]): Promise<CommandEnd> =>
  runInProcess(registerCompact, ['compact', ...args], env, { cwd });
const replay = (env: Readonly<Record<string, string>>, ...args: string[]): Promise<CommandEnd> =>
  runInProcess(registerReplay, ['replay', ...args], env, { cwd });
const ONE_DAY = ['--day', '2012-07-01'];

/** Events of one day, whose lines are written in many ways, some sent twice, with members of their own. */
function someLines(): readonly string[] {
  const events = [...testEvents(300), testEvent({ receiverId: '9223372036854775807', occurredAt: 1_341_187_199_999 })];
  const lines = events.map((event, n) => {
    const { receiverId, ...rest } = event;
    const time =
      n % 3 === 0
        ? event.occurredAt
        : new Date(event.occurredAt).toISOString().replace('Z', n % 2 === 0 ? 'Z' : '+00:00');
    const extra = n % 5 === 0 ? { text: '😀 "quoted" \\ \u2028', eventIds: [n], nested: { eventId: 'x' } } : {};
    const id = n % 2 === 0 ? `"${receiverId ?? ''}"` : receiverId;
    return JSON.stringify({ ...rest, ...extra, occurredAt: time }).replace(/}$/, `,"receiverId": ${id ?? 'null'}}`);
  });
  // What texts may hold at the least convenient places.
  const odd = ['\ufeffx', '\u0000', '\u0001\u0007', '😀', '"\\', ' ', '$&', "'", '\u2028', '%f'].map((eventId) =>
    JSON.stringify({
      ...testEvent(),
      eventId,
      occurredAt: '2012-07-01T10:00Z',
      receiverId: '',
      shareId: 'ab'.repeat(12),
    }),
  );
  return [...lines, ...odd, ...lines.slice(0, 40)];
}

/** Every archived line by its object and number. */
async function archivedLines(w: IngestWorld): Promise<string[]> {
  const all: string[] = [];
  for await (const [key, content] of archiveObjects(w.archive)) {
    if (key.startsWith('_rejected/')) continue;
    const lines = plainText(key, content).split('\n').slice(0, -1);
    all.push(...lines.map((line, n) => JSON.stringify([key, String(n + 1), line])));
  }
  return all.sort();
}

const textsOf = (rows: readonly (readonly (string | null)[])[]): string[] =>
  rows.map((row) => JSON.stringify(row)).sort();

describe('userpulse compact', { timeout: 300_000 }, () => {
  it.each([
    ['file', 'gzip'],
    ['s3', 'gzip'],
    ['file', 'zstd'],
  ] as const)(
    'gives DuckDB, ClickHouse and the API the same counts, and every line back (%s archive, %s)',
    async (kind, codec) => {
      const w = await world({ archive: kind, shards: 2, env: { USERPULSE_ARCHIVE_CODEC: codec } });
      const lines = someLines();
      const ingest = w.ingest();
      await w.putBytes([...lines, 'no event'].map((line) => Buffer.from(line)));
      await w.untilDurable();
      ingest.kill('SIGTERM');
      expect(await ingest.exit).toMatchObject({ code: 0 });
      const before = await archivedLines(w);
      expect(before).toHaveLength(lines.length);

      const first = await compact(w.env(), ...ONE_DAY);
      expect(first.error).toBeUndefined();
      expect(first.stdout).toContain(`2012/07/01: wrote and verified ${TABLE}, 351 lines of`);
      expect(await archivedLines(w)).toEqual(before);
      const place = await readable(w);

      // The recipes of docs/archive.md, on both readers.
      const duckdb = await recipe('The archive as a table', 'DuckDB');
      const clickhouse = await recipe('The archive as a table', 'ClickHouse');
      for (const sql of [duckdb[0], duckdb[2]]) await askDuckdb(place.duckdb(sql));
      for (const sql of [clickhouse[0], clickhouse[2]]) await askClickhouse(place.clickhouse(sql));
      const counts = await askDuckdb(duckdb[1] ?? '');
      expect(await askClickhouse(clickhouse[1] ?? '')).toEqual(counts);
      expect(textsOf(await askDuckdb('SELECT object, line_number, line FROM lines'))).toEqual(before);
      expect(textsOf(await askClickhouse('SELECT object, toString(line_number), line FROM lines'))).toEqual(before);
      // As hex: DuckDB's client in JavaScript drops a byte order mark at the beginning of a text.
      const columns = ['hex(event_id)', 'type', 'actor_id', 'receiver_id', 'share_id'].join(', ');
      expect(textsOf(await askDuckdb(`SELECT ${columns}, epoch_ms(occurred_at) FROM events`))).toEqual(
        textsOf(await askClickhouse(`SELECT ${columns}, toUnixTimestamp64Milli(occurred_at) FROM events`)),
      );
      for (const end of [askDuckdb, askClickhouse])
        await Promise.all([end('DROP VIEW events'), end('DROP VIEW lines')]);

      const server = await UserpulseServer.start('serve', w.env());
      try {
        const results = await server.query({
          from: '2012-07-01T00:00:00Z',
          to: '2012-07-02T00:00:00Z',
          queries: [{ refId: 'A', preset: 'everyone', calc: 'total', every: '1d' }],
        });
        const frame = queryResponse.parse({ results }).results['A']?.frames[0];
        const totals = frame?.schema.fields.map(({ labels }, n) => [
          labels?.['type'],
          String(frame.data.values[n]?.[0]),
        ]);
        expect(totals?.sort()).toEqual([...counts].sort());
        expect(counts.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(311);
      } finally {
        await server.stop();
      }

      // Removed only when asked, after comparing; replay and the table do not notice.
      const points = await w.storedPoints('total');
      const removal = await compact(w.env(), ...ONE_DAY, '--remove', '--json');
      expect(removal.error).toBeUndefined();
      const { days } = JSON.parse(removal.stdout) as { days: { removed: number; objects: number; result: string }[] };
      expect(days).toMatchObject([{ result: 'unchanged', rows: 351 }]);
      expect(days[0]?.removed).toBe(days[0]?.objects);
      expect(await archivedLines(w)).toEqual([]);
      const fresh = await createBuckets('fresh');
      const replayed = await replay(w.env(fresh.env), '--from', '2012/07/01', '--to', '2012/07/01');
      expect(replayed.error).toBeUndefined();
      expect(replayed.stderr).toContain('Reading 1 day from tables too');
      expect(replayed.stdout).toContain('Replayed 311 events from 351 lines');
      const into = await replay(w.env(), '--from', '2012/07/01', '--to', '2012/07/01');
      expect(into.error).toBeUndefined();
      expect(await w.storedPoints('total')).toEqual(points);
      // Repair removes what the archive has no event for: it must see those that only the table has.
      const repaired = await runInProcess(
        registerRepair,
        ['repair', '--from', '2012/07/01', '--to', '2012/07/01', '--json'],
        w.env(),
        { cwd },
      );
      expect(repaired.error).toBeUndefined();
      const changed = { missing: 0, replaced: 0, removed: 0 };
      expect(JSON.parse(repaired.stdout)).toMatchObject({
        events: 311,
        changedDays: [],
        points: { made: changed, received: changed, share: changed, total: { ...changed, wanted: 311 } },
      });
      if (kind === 's3') expect(await readdir(join(cwd, 'userpulse-data', 'compact'))).toEqual([]);
    },
  );

  it.each(['file', 's3'] as const)('takes late events in, beside what was removed (%s archive)', async (kind) => {
    const w = await world({ archive: kind });
    await w.put(testEvents(50));
    let ingest = w.ingest();
    await w.untilDurable();
    await ingest.stop();
    expect((await compact(w.env(), ...ONE_DAY, '--remove')).error).toBeUndefined();
    const late = testEvents(20);
    await w.put(late);
    ingest = w.ingest();
    await w.untilDurable();
    expect(await ingest.stop()).toEqual({ code: 0, signal: null });
    const again = await compact(w.env(), ...ONE_DAY);
    expect(again.stdout).toContain('wrote and verified');
    expect(again.stdout).toContain('70 lines of');
    const { duckdb } = await readable(w);
    const [view = ''] = await recipe('The archive as a table', 'DuckDB');
    await askDuckdb(duckdb(view));
    expect(await askDuckdb('SELECT count(*), count(DISTINCT event_id) FROM events')).toEqual([['70', '70']]);
    await askDuckdb('DROP VIEW events');
    expect((await compact(w.env(), ...ONE_DAY)).stdout).toContain('nothing to do');
  });

  it('puts row groups with the ranges of their columns into the file', async () => {
    const folder = await temporaryFolder('archive');
    await writeArchive(folder, testEvents(100), { perSegment: 20 });
    expect((await compact(envOf(folder), ...ONE_DAY)).error).toBeUndefined();
    const rows = await askDuckdb(
      `SELECT path_in_schema, stats_min_value, stats_max_value, stats_null_count, compression FROM parquet_metadata('${join(folder, TABLE)}')`,
    );
    expect(rows.find(([name]) => name === 'occurred_at')).toEqual([
      'occurred_at',
      expect.stringMatching(/^2012-07-01 00:/),
      expect.stringMatching(/^2012-07-01 00:/),
      '0',
      'ZSTD',
    ]);
    expect(rows.find(([name]) => name === 'share_id')?.[3]).toBe('50');
    expect(await askDuckdb(`SELECT name, type, converted_type FROM parquet_schema('${join(folder, TABLE)}')`)).toEqual(
      expect.arrayContaining([
        ['occurred_at', 'INT64', 'TIMESTAMP_MILLIS'],
        ['actor_id', 'INT64', null],
        ['receiver_id', 'INT64', null],
      ]),
    );
  });

  it('ends the same after it was killed at any point', async () => {
    const folder = await temporaryFolder('archive');
    const keys = await writeArchive(folder, testEvents(4_000), { shards: 2, perSegment: 100 });
    let kills = 0;
    for (let delay = 0; ; delay += 80) {
      const run = new UserpulseProcess(['compact', ...ONE_DAY, '--remove'], envOf(folder));
      // From when it holds the lock: it has begun.
      const locked = eventually(async () => run.ended !== undefined || (await holderOf(folder)) === run.pid, {
        what: 'the lock',
        intervalMs: 5,
      });
      const killer = locked.then(() => setTimeout(() => run.kill('SIGKILL'), delay));
      const { code } = await run.exit;
      clearTimeout(await killer);
      const left = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.ndjson.gz'));
      const table = await readFile(join(folder, TABLE)).catch(() => undefined);
      // At no time is an object gone that no whole table holds.
      if (left.length < keys.length) expect(table).toBeDefined();
      if (table !== undefined) {
        expect(await askDuckdb(`SELECT count(*), count(DISTINCT event_id) FROM '${join(folder, TABLE)}'`)).toEqual([
          ['4000', '4000'],
        ]);
      }
      if (code === 0) break;
      expect(run.log).not.toContain('userpulse:');
      kills++;
    }
    expect(kills).toBeGreaterThan(3);
    expect((await readdir(folder, { recursive: true })).filter((name) => name.includes('.ndjson.gz'))).toEqual([]);
    expect((await readdir(join(folder, 'events'))).sort()).toEqual(['year=2012']);
  });

  it('keeps a table that another run has put into S3 meanwhile', async () => {
    const bucket = await createS3Bucket();
    const folder = await temporaryFolder('archive');
    const keys = await writeArchive(folder, testEvents(3_000), { perSegment: 300 });
    for (const key of keys) await put(bucket, `raw/${key}`, await readFile(join(folder, key)));
    const env = partsEnv({ USERPULSE_ARCHIVE: `s3://${bucket}/raw` });
    expect((await compact(env, ...ONE_DAY)).error).toBeUndefined();
    const late = await temporaryFolder('late');
    const [more = ''] = await writeArchive(late, testEvents(10), { perSegment: 10, shards: 1 });
    const other = more.replace('shardId-000000000000', 'shardId-000000000009');
    await put(bucket, `raw/${other}`, await readFile(join(late, more)));
    const table = await readObject(bucket, `raw/${TABLE}`);
    // The second run reads the table first, and puts its own in place last.
    const tables = new S3Tables(target(bucket), cwd, systemClock);
    const [before] = await listed(bucket);
    expect((await compact(env, ...ONE_DAY)).error).toBeUndefined();
    const newer = await readObject(bucket, `raw/${TABLE}`);
    expect(newer.equals(table)).toBe(false);
    const stale = join(cwd, 'stale.parquet');
    await writeFile(stale, table);
    for (const known of [before, undefined]) {
      await expect(tables.put(TABLE, stale, known, TABLE_KIND, go)).rejects.toMatchObject({ code: 'archive_conflict' });
    }
    if (before === undefined) throw new Error('There was no table.');
    await expect(reader(bucket).slice(before, 0, 4, go)).rejects.toMatchObject({ code: 'archive_conflict' });
    expect((await readObject(bucket, `raw/${TABLE}`)).equals(newer)).toBe(true);
    // An answer that was lost: the same content is there already.
    await writeFile(stale, newer);
    await tables.put(TABLE, stale, before, TABLE_KIND, go);
  });

  it('puts a large table into S3 in parts, under the same conditions', async () => {
    const bucket = await createS3Bucket();
    const tables = new S3Tables(target(bucket), cwd, systemClock);
    const path = join(cwd, 'large.parquet');
    const write = async (): Promise<Buffer> => {
      const content = randomBytes(20 * 1024 * 1024);
      await writeFile(path, content);
      return content;
    };
    await write();
    await tables.put(TABLE, path, undefined, TABLE_KIND, go);
    const [first] = await listed(bucket);
    const second = await write();
    await expect(tables.put(TABLE, path, undefined, TABLE_KIND, go)).rejects.toMatchObject({
      code: 'archive_conflict',
    });
    await tables.put(TABLE, path, first, TABLE_KIND, go);
    expect((await readObject(bucket, `raw/${TABLE}`)).equals(second)).toBe(true);
    await write();
    await expect(tables.put(TABLE, path, first, TABLE_KIND, go)).rejects.toMatchObject({ code: 'archive_conflict' });
    expect((await readObject(bucket, `raw/${TABLE}`)).equals(second)).toBe(true);
    const { Uploads = [] } = await s3().send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    expect(Uploads).toEqual([]);
  });

  it('says what is wrong, and how to go on', async () => {
    const folder = await temporaryFolder('archive');
    const env = envOf(folder);
    const today = new Date().toISOString().slice(0, 10);
    const refused = async (...args: string[]) => (await compact(env, ...args)).error;
    expect(await refused()).toMatchObject({ code: 'bad_request', hint: expect.stringContaining('--day DAY') });
    expect(await refused('--day', '2012-07-01', '--to', '2012-07-02')).toMatchObject({ code: 'bad_request' });
    expect(await refused('--from', '2012-07-02', '--to', '2012-07-01')).toMatchObject({ code: 'bad_request' });
    expect(await refused('--from', '2012-07-02', '--to', today)).toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining('is not over (UTC)'),
    });
    expect(await refused(...ONE_DAY)).toMatchObject({ code: 'not_found' });
    expect((await compact(envOf(join(folder, 'nowhere')), ...ONE_DAY)).error).toMatchObject({
      code: 'archive_not_found',
    });
    expect(await readdir(folder)).toEqual([]);
    expect((await compact(partsEnv({ USERPULSE_ARCHIVE: 's3://no-such-bucket/raw' }), ...ONE_DAY)).error).toMatchObject(
      {
        code: 'archive_not_found',
      },
    );

    const [key = ''] = await writeArchive(folder, testEvents(10));
    await mkdir(dirname(join(folder, key)), { recursive: true });
    await writeFile(join(folder, key), gzipSync('{"eventId":"half'));
    const end = await userpulse(['compact', ...ONE_DAY], env);
    expect(end.code).toBe(1);
    expect(end.stderr).toContain(
      `${key} in ${env['USERPULSE_ARCHIVE'] ?? ''} is damaged: its last line has no line feed.`,
    );
    expect(end.stderr).toContain(`--without ${key}`);

    // A second run, while one is at work.
    await writeFile(
      join(folder, 'events', '.compact.lock'),
      JSON.stringify({ token: 'other', pid: process.pid, host: (await import('node:os')).hostname(), started: '' }),
    );
    expect(await refused(...ONE_DAY)).toMatchObject({ code: 'archive_locked' });
    await rm(join(folder, 'events', '.compact.lock'));
  });
});

const holderOf = async (folder: string): Promise<number | undefined> => {
  const text = await readFile(join(folder, 'events', '.compact.lock'), 'utf8').catch(() => '{}');
  return (JSON.parse(text) as { pid?: number }).pid;
};

const envOf = (folder: string): Record<string, string> => partsEnv({ USERPULSE_ARCHIVE: pathToFileURL(folder).href });

const go = new AbortController().signal;
const target = (bucket: string): S3ArchiveTarget => ({
  kind: 's3',
  url: new URL(`s3://${bucket}/raw`),
  s3: s3(),
  endpoint: parts().s3.endpoint,
  region: 'us-east-1',
});
const reader = (bucket: string): S3ArchiveReader => new S3ArchiveReader(target(bucket), systemClock);

async function listed(bucket: string): Promise<StoredObject[]> {
  const found: StoredObject[] = [];
  for await (const object of reader(bucket).list(...tableKeysOf({ from: 15_522, to: 15_522 }), go)) found.push(object);
  return found;
}

const put = (Bucket: string, Key: string, Body: Buffer): Promise<unknown> =>
  s3().send(new PutObjectCommand({ Bucket, Key, Body }));

/** How readers of this process get at the table of a world's archive. DuckDB would need an extension for S3, so it reads a copy of the file. */
async function readable(w: IngestWorld) {
  const url = 's3://my-archive/userpulse';
  const https = /'https:\/\/my-archive\.s3\.eu-west-1\.amazonaws\.com\/userpulse([^']*)'/;
  if (w.archive.kind === 'file') {
    const { folder } = w.archive;
    return {
      duckdb: (sql = '') => sql.replaceAll(url, folder),
      clickhouse: (sql = '') => sql.replace('s3(', 'file(').replace(https, `'${folder}$1'`),
    };
  }
  const { bucket } = w.archive;
  const copy = await temporaryFolder('copy');
  await eventually(async () => (await listKeys(bucket)).includes(`raw/${TABLE}`), { what: 'the table' });
  await mkdir(dirname(join(copy, TABLE)), { recursive: true });
  await writeFile(join(copy, TABLE), await readObject(bucket, `raw/${TABLE}`));
  const { endpoint, accessKeyId, secretAccessKey } = parts().s3;
  return {
    duckdb: (sql = '') => sql.replaceAll(url, copy),
    clickhouse: (sql = '') =>
      sql.replace(https, `'${endpoint}/${bucket}/raw$1', '${accessKeyId}', '${secretAccessKey}'`),
  };
}
