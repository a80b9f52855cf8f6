import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { registerCompact } from '../../backend/src/commands/compact.ts';
import { registerForget } from '../../backend/src/commands/forget.ts';
import { registerRepair } from '../../backend/src/commands/repair.ts';
import { registerRollup } from '../../backend/src/commands/rollup.ts';
import { registerReplay } from '../../backend/src/commands/replay.ts';
import { ErasureKey } from '../../backend/src/erasure/erasure-key.ts';
import { aggregate } from '../../backend/src/event/kpl.ts';
import { higgsEvent } from '../../backend/src/produce/higgs-event.ts';
import { baseOffset } from '../../backend/src/schema/identity.ts';
import { findHiggsFile, readHiggsLines } from '../../tools/higgs.ts';
import { UserpulseProcess } from '../../tools/userpulse.ts';
import { writeArchive } from '../support/archive.ts';
import { userpulse, UserpulseServer } from '../support/cli.ts';
import { runInProcess, type CommandEnd } from '../support/command.ts';
import { testEvents, type IngestWorld, type TestEvent } from '../support/ingest-world.ts';
import { ROLES, type Role } from '../support/oracle.ts';
import {
  createBuckets,
  createS3Bucket,
  eventually,
  influxRows,
  partsEnv,
  s3,
  temporaryFolder,
  usePartsEnvironment,
  type TestBuckets,
} from '../support/parts.ts';
import { plainText } from '../support/plain-text.ts';
import { archiveObjects, everyByte, storedFields, tableRows, type ArchivePlace } from '../support/stored.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';

beforeAll(() => usePartsEnvironment());
const { world } = worldsOfEachTest();

const KEY = 'a-key-of-the-tests-that-is-long-enough';
const cwd = await temporaryFolder('forget');
type Env = Readonly<Record<string, string>>;
const withKey = (env: Env): Env => ({ ...env, USERPULSE_ERASURE_KEY: KEY });
const forget = (env: Env, ...args: string[]): Promise<CommandEnd> =>
  runInProcess(registerForget, ['forget', ...args], withKey(env), { cwd });
const replay = (env: Env, ...args: string[]): Promise<CommandEnd> =>
  runInProcess(registerReplay, ['replay', ...args], env, { cwd });
const DAYS = ['--from', '2012/07/01', '--to', '2012/07/08'];
const JULY = ['--from', '2012/07/01', '--to', '2012/07/31'];

/**
 * What the buckets must hold, once a user is forgotten: from the events alone.
 * @param pseudonym what takes the place of the id; absent: nobody
 */
function expected(
  events: readonly TestEvent[],
  forgotten: string | undefined,
  pseudonym?: string,
): Record<Role, string[]> {
  const all: Record<Role, string[]> = { made: [], received: [], share: [], total: [] };
  const distinct = new Map(events.map((event) => [event.eventId, event]));
  const of = (id: string | undefined): string | undefined =>
    id !== undefined && id === forgotten ? (pseudonym ?? '0') : id;
  for (const event of distinct.values()) {
    const { type, shareId, occurredAt: ms } = event;
    const [actorId = '', receiverId] = [of(event.actorId), of(event.receiverId)];
    const other = (id: string | undefined): string => id ?? '0';
    const add = (role: Role, id: string, prefix: string, fields: Readonly<Record<string, string>>): void => {
      if (id === '0') return;
      for (const [field, value] of Object.entries(fields)) all[role].push(`${type} ${prefix} ${field} ${ms} ${value}`);
    };
    add('made', actorId, actorId.slice(0, 4), { user: actorId, pair: `${actorId}:${other(receiverId)}` });
    if (receiverId !== undefined)
      add('received', receiverId, receiverId.slice(0, 4), {
        user: receiverId,
        pair: `${receiverId}:${other(actorId)}`,
      });
    if (shareId !== undefined)
      add('share', shareId, shareId.slice(0, 6), { share: shareId, pair: `${shareId}:${other(actorId)}` });
    add('total', actorId, '', { made: actorId, received: other(receiverId), share: shareId ?? '-' });
  }
  for (const role of ROLES) all[role].sort();
  return all;
}

/** How many texts in the totals bucket that are no points of interactions name a user. */
async function topsNaming(buckets: TestBuckets, id: string): Promise<number> {
  const rows = await influxRows(
    `from(bucket: "${buckets.total}") |> range(start: 2012-01-01T00:00:00Z, stop: 2013-01-01T00:00:00Z)
      |> filter(fn: (r) => r._measurement != "interaction") |> keep(columns: ["_value"]) |> group()`,
  );
  return rows.filter((row) => new RegExp(`[ ;]${id}=`).test(String(row['_value']))).length;
}

/** Ids that stand in the place of an id of the contract, in every line. */
async function idsIn(place: ArchivePlace): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for await (const [key, content] of archiveObjects(place)) {
    if (key.startsWith('_control/')) continue;
    for (const line of plainText(key, content).split('\n').slice(0, -1)) {
      const event = JSON.parse(line) as Record<string, unknown>;
      for (const name of ['actorId', 'receiverId', 'shareId']) ids.add(String(event[name]));
    }
  }
  return ids;
}

/** Objects in which an id stands anywhere, as "grep -w" finds it. What stands for who was forgotten is a hash. */
async function grep(place: ArchivePlace, id: string): Promise<string[]> {
  const word = new RegExp(`\\b${id}\\b`);
  return [...(await everyByte(place))].flatMap(([key, bytes]) => {
    const lines = bytes
      .toString('latin1')
      .split('\n')
      .filter((line) => word.test(line));
    return lines.map((line) => `${key}: ${line}`);
  });
}

function higgsEvents(from: number, to: number): TestEvent[] {
  const file = findHiggsFile();
  if (file === undefined) {
    // As of the file, event ids name nobody.
    return testEvents(to - from).map((event, n) => ({
      ...event,
      eventId: `line${n}of`,
      ...(n % 5 === 0 ? { receiverId: '88' } : n % 500 === 1 ? { actorId: '88' } : {}),
    }));
  }
  return readHiggsLines(file)
    .slice(from, to)
    .flatMap((line) => {
      const event = higgsEvent(line);
      if (event === undefined) return [];
      const { eventId, type, occurredAtMs, actorId, receiverId, shareId } = event;
      return [
        {
          eventId,
          type,
          occurredAt: occurredAtMs,
          actorId,
          ...(receiverId === undefined ? {} : { receiverId }),
          ...(shareId === undefined ? {} : { shareId }),
        },
      ];
    });
}

/** An archive of these events, in a folder or in S3, and buckets that a replay has filled from it. */
async function archived(events: readonly TestEvent[], kind: 'file' | 's3') {
  const folder = await temporaryFolder('archive');
  await writeArchive(folder, events, { shards: 2, perSegment: 4_000, codecs: ['gz', 'zst'] });
  const buckets = await createBuckets('forget');
  let place: ArchivePlace = { kind: 'file', folder };
  if (kind === 's3') {
    place = { kind: 's3', bucket: await createS3Bucket() };
    for await (const [key, content] of archiveObjects({ kind: 'file', folder }))
      await s3().send(new PutObjectCommand({ Bucket: place.bucket, Key: `raw/${key}`, Body: content }));
  }
  const env = partsEnv({
    ...buckets.env,
    USERPULSE_ARCHIVE: place.kind === 'file' ? pathToFileURL(folder).href : `s3://${place.bucket}/raw`,
    USERPULSE_CHECKPOINT: pathToFileURL(join(folder, 'no-checkpoint')).href,
  });
  expect((await replay(env, ...JULY)).error).toBeUndefined();
  return { place, buckets, env };
}

describe('userpulse forget on the Higgs data', { timeout: 600_000 }, () => {
  it.each([
    ['file', 60_000, 85_000],
    ['s3', 85_000, 95_000],
  ] as const)('erases user 88 and nobody else (%s archive)', async (kind, from, to) => {
    const events = higgsEvents(from, to);
    const { place, buckets, env } = await archived(events, kind);
    const before = await storedFields(buckets);
    expect(before).toEqual(expected(events, undefined));
    const wanted = expected(events, '88');
    expect(before.received.length - wanted.received.length).toBeGreaterThan(500);

    // The lists of the most frequent ids of counted hours.
    const rollup = (): Promise<CommandEnd> => runInProcess(registerRollup, ['rollup', ...DAYS], env, { cwd });
    expect((await rollup()).error).toBeUndefined();
    expect(await topsNaming(buckets, '88')).toBeGreaterThan(2);

    const dry = await forget(env, '--user', '88', '--dry-run');
    expect(dry.error).toBeUndefined();
    expect(await storedFields(buckets)).toEqual(before);
    expect(await idsIn(place)).toContain('88');
    expect((await grep(place, '88')).length).toBeGreaterThan(1);

    const end = await forget(env, '--user', '88', '--report', 'report.json');
    expect(end.error).toBeUndefined();
    expect(end.stdout.split('\n')[0]).toBe(dry.stdout.split('\n')[0]?.replace('would erase', 'erased'));
    expect(await storedFields(buckets)).toEqual(wanted);
    expect(await idsIn(place)).not.toContain('88');
    expect(await grep(place, '88')).toEqual([]);
    expect(await topsNaming(buckets, '88')).toBe(0);
    expect((await rollup()).error).toBeUndefined();
    expect(await topsNaming(buckets, '88')).toBe(0);
    // A replay into the same buckets, one into others, and a repair: nobody brings anything back.
    const places = await storedFields(buckets, 'places');
    expect((await replay(env, ...JULY)).error).toBeUndefined();
    expect(await storedFields(buckets, 'places')).toEqual(places);
    const fresh = await createBuckets('fresh');
    expect((await replay({ ...env, ...fresh.env }, ...JULY)).error).toBeUndefined();
    expect(await storedFields(fresh)).toEqual(wanted);
    const repaired = await runInProcess(registerRepair, ['repair', ...JULY], env, { cwd });
    expect(repaired.stdout).toContain('Every event is there once: nothing to change.');

    expect((await forget(env, '--verify', 'report.json')).stdout).toContain('is as it was signed');
    const again = await forget(env, '--user', '88', '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({
      report: { archive: { events: 0 }, influxdb: { hours: 0, left: 0 } },
    });

    const server = await UserpulseServer.start('serve', env);
    try {
      const total = async (query: object): Promise<number> => {
        const range = { from: '2012-07-01T00:00:00Z', to: '2012-08-01T00:00:00Z' };
        const results = await server.query({
          ...range,
          queries: [{ refId: 'A', calc: 'total', groupBy: [], ...query }],
        });
        const { data } = (results as { A: { frames: [{ data: { values: number[][] } }] } }).A.frames[0];
        return data.values.flat().reduce((sum, value) => sum + value, 0);
      };
      for (const preset of ['made', 'received']) expect(await total({ preset, ids: ['88'] })).toBe(0);
      // Of everyone, what they made is gone, and nothing else.
      const mine = new Set(events.filter(({ actorId }) => actorId === '88').map(({ eventId }) => eventId));
      const all = new Set(events.map(({ eventId }) => eventId));
      expect(await total({ preset: 'everyone' })).toBe(all.size - mine.size);
    } finally {
      await server.stop();
    }
  });

  it('comes to the same end when it is killed again and again', async () => {
    await userpulse(['--version']);
    const events = higgsEvents(60_000, 80_000);
    const { place, buckets, env } = await archived(events, 'file');
    const state = await temporaryFolder('state');
    const args = ['forget', '--user', '88', '--state', state];
    const entries = async (): Promise<number> => {
      const [file] = (await readdir(state)).filter((name) => name.endsWith('.ndjson') && !name.startsWith('.'));
      return file === undefined ? 0 : (await readFile(join(state, file), 'utf8')).split('\n').length - 1;
    };
    // Each entry is followed by a change: the points of a bucket, or an object.
    let killed = 0;
    for (let entry = 1; entry <= 7; entry++) {
      const run = new UserpulseProcess(args, withKey(env));
      const before = await entries();
      await eventually(async () => (await entries()) > before || run.ended !== undefined, {
        intervalMs: 1,
        what: `entry ${entry}`,
      });
      run.kill('SIGKILL');
      if ((await run.exit).signal === 'SIGKILL') killed++;
    }
    expect(killed).toBeGreaterThan(3);
    const last = await forget(env, ...args.slice(1), '--json');
    expect(last.error).toBeUndefined();
    expect(last.stderr).toContain('Went on with an earlier run');
    expect(await storedFields(buckets)).toEqual(expected(events, '88'));
    expect(await idsIn(place)).not.toContain('88');
    expect(await grep(place, '88')).toEqual([]);
    // The report counts what all runs have done.
    const mine = new Set(events.filter((event) => event.receiverId === '88').map(({ eventId }) => eventId));
    const { report } = JSON.parse(last.stdout) as {
      report: { influxdb: { points: Record<string, { removed: number }> } };
    };
    expect(report.influxdb.points[buckets.received]?.removed).toBe(mine.size);
  });
});

/** Event ids that want an offset that another of them wants. */
const COLLIDING: readonly string[] = (() => {
  const byOffset = new Map<number, string[]>();
  for (let n = 0; n < 60_000; n++) {
    const offsetNs = baseOffset(`c${n}`);
    byOffset.set(offsetNs, [...(byOffset.get(offsetNs) ?? []), `c${n}`]);
  }
  return [...byOffset.values()].filter((ids) => ids.length > 1).flat();
})();

/** Beyond 2^53, with others that begin like it, end like it, and hold it. */
const ME = '9007199254740993';
const OTHERS = ['900719925474099', '90071992547409931', '99007199254740993', '7', '88', '9007199254740992'];

/** Events of one millisecond that contend for offsets, and ordinary ones; some sent twice. */
function contending(): TestEvent[] {
  const who = (n: number): string => (n % 3 === 0 ? ME : OTHERS[n % OTHERS.length]!);
  const bursts = COLLIDING.slice(0, 600).map((eventId, n): TestEvent => ({
    eventId,
    type: 'like',
    occurredAt: Date.UTC(2012, 6, 2, 1 + Math.floor(n / 200)),
    actorId: who(n),
    ...(n % 4 === 0 ? {} : { receiverId: who(n + 1 + (n % 2)) }),
    ...(n % 4 === 1 ? {} : { shareId: `ababab${String(n % 7).padStart(18, '0')}` }),
  }));
  const events = [
    ...bursts,
    ...testEvents(200),
    ...testEvents(50, { actorId: ME }),
    ...testEvents(50, { receiverId: ME }),
  ];
  return [...events, ...events.filter((_, n) => n % 17 === 0)];
}

/** As producers may write an event: ids as numbers and as texts, further fields, times as texts. */
const written = (event: TestEvent, n: number): Buffer => {
  const { actorId, ...rest } = event;
  const further = n % 5 === 0 ? { text: `by ${actorId}`, device: { of: actorId } } : {};
  const text = JSON.stringify({ ...rest, ...further });
  return Buffer.from(text.replace(/}$/, `,"actorId":${n % 2 === 0 ? actorId : `"${actorId}"`}}`));
};

/** Records that are no events, and name me. */
const POISON = [
  `{"actorId":${ME},"type":"LIKE"}`,
  `no json, but of "${ME}"`,
  aggregate([{ partitionKey: ME, data: Buffer.from(`{"receiverId":"${ME}"}`) }]).data,
  `{"actorId":${ME}1}`,
].map((data) => Buffer.from(data));

async function ingested(archive: 'file' | 's3', events: readonly TestEvent[]): Promise<IngestWorld> {
  const w = await world({ archive, shards: 2 });
  const ingest = w.ingest();
  await w.putBytes([...events.map(written), ...POISON]);
  await w.untilDurable();
  ingest.kill('SIGTERM');
  expect(await ingest.exit).toMatchObject({ code: 0 });
  return w;
}

/** Everything that names me in an archive: in bytes, in what dead letters hold, and in the rows of tables. */
async function mentionsOf(w: IngestWorld): Promise<string[]> {
  const found: string[] = [];
  const look = (where: string, text: string): void => {
    if (new RegExp(`(?<![0-9])${ME}(?![0-9])`).test(text)) found.push(where);
  };
  for (const [key, bytes] of await everyByte(w.archive)) {
    look(key, bytes.toString('latin1'));
    if (!key.includes('_rejected/')) continue;
    for (const line of bytes.toString().split('\n').slice(0, -1))
      look(`${key}, data`, Buffer.from((JSON.parse(line) as { data: string }).data, 'base64').toString('latin1'));
  }
  if (w.archive.kind === 'file') {
    for await (const { table, line, event } of tableRows(w.archive.folder))
      look(table, `${line} ${JSON.stringify(event)}`);
  }
  return found;
}

describe('userpulse forget beside ingest', { timeout: 600_000 }, () => {
  it.each([
    ['file', []],
    ['s3', []],
    ['file', ['--pseudonym']],
  ] as const)('erases points that contend, dead letters and tables (%s archive, %j)', async (archive, how) => {
    const events = contending();
    const w = await ingested(archive, events);
    const pseudonym = how.length === 0 ? undefined : new ErasureKey(KEY).pseudonymOf('user', ME, 'int64');
    expect(await storedFields(w.buckets)).toEqual(expected(events, undefined));
    const compact = (...args: string[]): Promise<CommandEnd> =>
      runInProcess(registerCompact, ['compact', ...args], w.env(), { cwd });
    // One day is only in its table, one is in both.
    expect((await compact('--day', '2012-07-02', '--remove')).error).toBeUndefined();
    expect((await compact('--day', '2012-07-01')).error).toBeUndefined();
    expect((await mentionsOf(w)).length).toBeGreaterThan(3);

    const ingest = w.ingest();
    await eventually(async () => (await readdir(w.checkpointFolder)).includes('lock'), { what: 'ingest to run' });
    expect((await forget(w.env(), '--user', ME)).error?.code).toBe('checkpoint_locked');
    ingest.kill('SIGTERM');
    await ingest.exit;
    expect(await storedFields(w.buckets)).toEqual(expected(events, undefined));

    const end = await forget(w.env(), '--user', ME, ...how);
    expect(end.error).toBeUndefined();
    expect(end.stdout).toContain('Placed anew');
    expect(end.stdout).toContain(', 3 of rejected records');
    const wanted = expected(events, ME, pseudonym);
    expect(await storedFields(w.buckets)).toEqual(wanted);
    expect(await mentionsOf(w)).toEqual([]);

    // Replay reads the checkpoint, too: what it relocated must not come back.
    const places = await storedFields(w.buckets, 'places');
    expect((await replay(w.env(), ...JULY)).error).toBeUndefined();
    expect(await storedFields(w.buckets, 'places')).toEqual(places);
    const repaired = await runInProcess(registerRepair, ['repair', ...JULY], w.env(), { cwd });
    expect(repaired.stdout).toContain('Every event is there once: nothing to change.');
    expect((await compact('--from', '2012-07-01', '--to', '2012-07-02')).stdout).not.toContain('wrote');

    // Sent once more, and new ones: ingest knows who was forgotten, and counts for the others only.
    const [like] = testEvents(1, { actorId: ME, receiverId: '88' });
    await w.putBytes([...events.map(written), written(like!, 1)]);
    const second = w.ingest(withKey({ USERPULSE_FORGOTTEN: 'apply' }));
    await w.untilDurable();
    second.kill('SIGTERM');
    expect(await second.exit).toMatchObject({ code: 0 });
    expect(await storedFields(w.buckets)).toEqual(expected([...events, like!], ME, pseudonym));
    expect(await mentionsOf(w)).toEqual([]);
  });

  it('keeps a restored archive from bringing anybody back', async () => {
    const events = contending();
    const { env } = await archived(events, 'file');
    expect((await forget(env, '--user', ME)).error).toBeUndefined();
    // As a backup would hold it, with the list of who was forgotten.
    const restored = await temporaryFolder('restored');
    await writeArchive(restored, events, { shards: 2 });
    const list = join(new URL(env['USERPULSE_ARCHIVE']!).pathname, '_control');
    await cp(list, join(restored, '_control'), { recursive: true });
    const fresh = await createBuckets('restored');
    const from = { ...env, ...fresh.env, USERPULSE_ARCHIVE: pathToFileURL(restored).href };
    expect((await replay(withKey({ ...from, USERPULSE_FORGOTTEN: 'apply' }), ...JULY)).error).toBeUndefined();
    expect(await storedFields(fresh)).toEqual(expected(events, ME));
    const other = {
      ...from,
      USERPULSE_FORGOTTEN: 'apply',
      USERPULSE_ERASURE_KEY: 'another-key-of-the-tests-long-enough',
    };
    expect((await replay(other, ...JULY)).error?.message).toContain('another USERPULSE_ERASURE_KEY');
  });

  it('forgets a share, and leaves what people made', async () => {
    const share = `ababab${'0'.repeat(17)}3`;
    const events = contending();
    const { buckets, env, place } = await archived(events, 'file');
    const without = events.map((event) => (event.shareId === share ? { ...event, shareId: undefined } : event));
    expect((await forget(env, '--share', share)).error).toBeUndefined();
    const wanted = expected(without as TestEvent[], undefined);
    expect(await storedFields(buckets)).toEqual(wanted);
    expect(await idsIn(place)).not.toContain(share);
    const places = await storedFields(buckets, 'places');
    expect((await replay(env, ...JULY)).error).toBeUndefined();
    expect(await storedFields(buckets, 'places')).toEqual(places);
  });

  it('says what is wrong with what it was asked', async () => {
    const { env } = await archived(testEvents(3), 'file');
    const messages = await Promise.all(
      [[], ['--user', '088'], ['--share', 'xyz'], ['--user', '1', '--share', 'a'.repeat(24)]].map(
        async (args) => (await forget(env, ...args)).error?.code,
      ),
    );
    expect(messages).toEqual(Array.from({ length: 4 }, () => 'bad_request'));
    const { error } = await runInProcess(registerForget, ['forget', '--user', '1'], env, { cwd });
    expect(error?.message).toContain('USERPULSE_ERASURE_KEY is not set');
    expect((await forget(env, '--user', '1')).error).toBeUndefined();
    expect((await forget(env, '--user', '1', '--pseudonym')).error?.message).toContain('has been forgotten before');
  });
});
