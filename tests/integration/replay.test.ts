import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { registerReplay } from '../../backend/src/commands/replay.ts';
import { VERSION_1_FILES } from '../../backend/src/checkpoint/version-1.fixture.ts';
import { higgsEvent } from '../../backend/src/produce/higgs-event.ts';
import { baseOffset } from '../../backend/src/schema/identity.ts';
import { findHiggsFile, readHiggsLines } from '../../tools/higgs.ts';
import { UserpulseProcess } from '../../tools/userpulse.ts';
import { dayPath, writeArchive } from '../support/archive.ts';
import { userpulse, UserpulseServer } from '../support/cli.ts';
import { runInProcess, type CommandEnd } from '../support/command.ts';
import { IngestWorld, testEvent, testEvents, type TestEvent } from '../support/ingest-world.ts';
import {
  createBuckets,
  eventually,
  influxApi,
  influxRows,
  influxWrite,
  parts,
  partsEnv,
  temporaryFolder,
  usePartsEnvironment,
  type TestBuckets,
} from '../support/parts.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';

beforeAll(() => usePartsEnvironment());
const { world } = worldsOfEachTest();

/** From the first day that any test has events on to the last. */
const ALL_DAYS = ['--from', '2012/07/01', '--to', '2012/07/31'];

const cwd = await temporaryFolder('replay');
const replay = (env: Readonly<Record<string, string>>, ...args: string[]): Promise<CommandEnd> =>
  runInProcess(registerReplay, ['replay', ...args], env, { cwd });

/** Every point of a bucket with its nanosecond: `time type prefix field value`, sorted. */
async function points(bucket: string): Promise<string[]> {
  const rows = await influxRows(
    `from(bucket: "${bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)
      |> filter(fn: (r) => r._measurement == "interaction")
      |> map(fn: (r) => ({_time: r._time, type: r.type, prefix: if exists r.prefix then r.prefix else "", field: r._field, value: string(v: r._value)})) |> group()`,
  );
  return rows.map((r) => ['_time', 'type', 'prefix', 'field', 'value'].map((c) => String(r[c])).join(' ')).sort();
}
/** Of a time as InfluxDB writes it, with as many digits of the second as there are. */
function nanoseconds(time: string): string {
  const [seconds = '', fraction = ''] = time.replace('Z', '').split('.');
  return `${Date.parse(`${seconds}Z`) / 1000}${fraction.padEnd(9, '0')}`;
}

const ROLES = ['made', 'received', 'share', 'total'] as const;
const allPoints = async (buckets: TestBuckets): Promise<string[][]> =>
  Promise.all(ROLES.map((role) => points(buckets[role])));

/** Event ids in pairs that want one place. */
const COLLIDING: readonly string[] = (() => {
  const byOffset = new Map<number, string[]>();
  for (let n = 0; n < 20_000; n++) {
    const offsetNs = baseOffset(`c${n}`);
    byOffset.set(offsetNs, [...(byOffset.get(offsetNs) ?? []), `c${n}`]);
  }
  return [...byOffset.values()].filter((ids) => ids.length > 1).flat();
})();

/** Neighbours fall on one place in every bucket; told apart by the ids that they count for. */
const colliding = (count: number): TestEvent[] =>
  COLLIDING.slice(0, count).map((eventId, n) => ({
    eventId,
    type: 'like',
    occurredAt: 1_341_100_972_000,
    actorId: `1234${n}`,
    receiverId: `5678${n}`,
    shareId: `ababab${String(n).padStart(18, '0')}`,
  }));

/** Puts events as ingest finds them: neighbours of a collision on different shards, some sent twice. */
async function ingested(options: Parameters<typeof world>[0] = {}): Promise<IngestWorld> {
  const w = await world({ shards: 2, ...options });
  const events = [...colliding(60), ...testEvents(300, {}), ...testEvents(40, { occurredAt: 1_341_187_372_000 })];
  await w.put(events);
  await w.put(events.slice(0, 30));
  await w.putPoison([Buffer.from('no json')]);
  const ingest = w.ingest();
  await w.untilWritten();
  await w.untilArchived();
  expect(await ingest.stop()).toEqual({ code: 0, signal: null });
  await w.expectExact();
  return w;
}

describe('userpulse replay into live buckets', () => {
  it.each(['file', 's3'] as const)(
    'changes no point, collisions and repeated events included (%s archive)',
    async (archive) => {
      const w = await ingested({ archive });
      const before = await allPoints(w.buckets);
      for (let run = 0; run < 2; run++) {
        const end = await replay(w.env(), ...ALL_DAYS);
        expect(end.error).toBeUndefined();
        expect(end.stdout).toContain('Replayed 400 events from 430 lines');
        expect(end.stdout).toContain('Repeated events, counted once: 30 lines');
        expect(await allPoints(w.buckets)).toEqual(before);
      }
      await w.expectExact();
    },
  );

  it('brings back what InfluxDB has lost, also when nothing remembers which points were relocated', async () => {
    const w = await ingested();
    await rm(w.checkpointFolder, { recursive: true });
    const { org } = parts().influx;
    for (const role of ROLES) {
      await influxApi('POST', `/api/v2/delete?org=${org}&bucket=${w.buckets[role]}`, {
        start: '2012-07-01T00:00:00Z',
        stop: '2012-07-01T00:02:55Z',
      });
    }
    const end = await replay(w.env(), ...ALL_DAYS);
    expect(end.error).toBeUndefined();
    expect(end.stderr).toContain('Found no checkpoint at');
    await w.expectExact();
  });

  it('counts no event twice that ingest had relocated, also when nothing remembers that', async () => {
    const w = await ingested();
    await rm(w.checkpointFolder, { recursive: true });
    expect((await replay(w.env(), ...ALL_DAYS)).error).toBeUndefined();
    await w.expectExact();
  });

  it('adds the counterparts to points that 0.1 wrote without, and changes nothing else', async () => {
    const w = await ingested();
    const whole = await allPoints(w.buckets);
    const old = await createBuckets('old');
    for (const [i, role] of ROLES.entries()) {
      const lines = new Map<string, string[]>();
      for (const point of whole[i] ?? []) {
        const [time = '', type = '', prefix = '', field = '', value = ''] = point.split(' ');
        if (field === 'pair') continue;
        const at = `interaction${prefix === '' ? '' : `,prefix=${prefix}`},type=${type} ${nanoseconds(time)}`;
        lines.set(at, [...(lines.get(at) ?? []), `${field}=${field === 'share' ? `"${value}"` : `${value}i`}`]);
      }
      const written = [...lines].map(([at, fields]) => at.replace(' ', ` ${fields.join(',')} `));
      await influxWrite(old[role], written);
    }
    expect((await allPoints(old)).flat().join()).not.toContain(' pair ');
    expect((await replay({ ...w.env(), ...old.env }, ...ALL_DAYS)).error).toBeUndefined();
    expect(await allPoints(old)).toEqual(whole);
  });

  it.each([
    [0, 1],
    [1, 0],
  ])(
    'keeps the ids of contending totals apart, written first in the order %i %i, then the other way',
    async (...order) => {
      const [whole, bare] = colliding(2) as [TestEvent, TestEvent];
      const { shareId, ...without } = bare;
      const events = [whole, without];
      const first = await archived(order.map((n) => events[n]!));
      expect((await replay(first.env, ...ALL_DAYS)).error).toBeUndefined();
      const before = await points(first.buckets.total);
      const again = await archived(order.map((n) => events[1 - n]!));
      const env = { ...again.env, ...first.buckets.env };
      expect((await replay(env, ...ALL_DAYS)).error).toBeUndefined();
      const after = await points(first.buckets.total);
      // The two have changed places: what follows the time is what counts.
      const contents = (all: string[]) => all.map((point) => point.slice(point.indexOf(' '))).sort();
      expect(after).not.toEqual(before);
      expect(contents(after)).toEqual(contents(before));
      expect(after.filter((point) => point.endsWith(` share ${whole.shareId!}`))).toHaveLength(1);
      expect(after.join()).not.toContain(shareId);
    },
  );
});

describe('userpulse replay into new buckets', () => {
  it('gives each event its points under another prefix scheme, beside an ingest that goes on', async () => {
    const w = await ingested();
    const fresh = await createBuckets('fresh');
    const scheme = { ...fresh.env, USERPULSE_USER_PREFIX: 'last:4' };
    // docs/operations.md, "Change the prefix scheme": history first, then the same ingest into the new buckets, then what came meanwhile.
    expect((await replay(w.env(scheme), ...ALL_DAYS)).error).toBeUndefined();
    await w.put(testEvents(50));
    const old = w.ingest();
    await w.untilWritten();
    await old.stop();
    const ingest = w.ingest(scheme);
    await ingest.says('Reading a shard');
    await w.put(testEvents(50));
    const end = await replay(w.env(scheme), ...ALL_DAYS, '--only-changed');
    expect(end.error).toBeUndefined();
    expect(end.stderr).toMatch(/Skipping days that have not changed since the replay of/);
    await w.untilArchived();
    await ingest.stop();
    const lastFour = (role: 'made' | 'received' | 'share' | 'total') =>
      w
        .expectedPoints(role)
        .map((point) => {
          const [type = '', prefix = '', field = '', value = '', ms = ''] = point.split(' ');
          const [id = ''] = value.split(':');
          return `${type} ${role === 'made' || role === 'received' ? id.slice(-4) : prefix} ${field} ${value} ${ms}`;
        })
        .sort();
    for (const role of ROLES) {
      const stored = (await points(fresh[role])).map((point) => {
        const [time = '', type = '', prefix = '', field = '', value = ''] = point.split(' ');
        return `${type} ${prefix} ${field} ${value} ${Date.parse(time)}`;
      });
      expect(stored.sort()).toEqual(lastFour(role));
    }
  });

  it('writes the types asked for, of the days asked for, and on a dry run nothing', async () => {
    const folder = await temporaryFolder('archive');
    const events = [0, 1, 2].flatMap((n) => testEvents(30, { occurredAt: Date.UTC(2012, 6, 4 + n, 23, 59, 59, 999) }));
    await writeArchive(folder, [...events, ...events.slice(0, 5)], { perSegment: 20 });
    await writeFile(join(folder, dayPath(events[0]!.occurredAt), 'notes.txt'), 'mine');
    const buckets = await createBuckets('types');
    const env = partsEnv({ ...buckets.env, USERPULSE_ARCHIVE: pathToFileURL(folder).href });
    const days = ['--from', '2012-07-05', '--to', '2012/07/06'];

    const dry = await replay(
      { ...env, INFLUX_HOST: 'http://127.0.0.1:9' },
      '--from',
      '2012/07/04',
      '--to',
      '2012/07/04',
      '--dry-run',
      '--json',
    );
    expect(dry.error).toBeUndefined();
    expect(JSON.parse(dry.stdout)).toMatchObject({
      lines: 35,
      events: 30,
      repeated: 5,
      byType: { like: 10, reply: 10, retweet: 10 },
      points: { made: 30, received: 30, share: 15, total: 30 },
    });
    expect(dry.stderr).toContain('Skipping 1 object that ingest did not write, the first: 2012/07/04/notes.txt');
    expect(await points(buckets.total)).toEqual([]);

    expect((await replay(env, ...days, '--types', 'like,reply')).error).toBeUndefined();
    const expected = events.filter((e) => e.occurredAt >= Date.UTC(2012, 6, 5) && e.type !== 'retweet');
    const stored = (await points(buckets.made))
      .filter((p) => p.includes(' user '))
      .map((p) => [p.split(' ')[1], Date.parse(p.split(' ')[0]!)]);
    expect(stored.sort()).toEqual(expected.map((e) => [e.type, e.occurredAt]).sort());
    expect(stored).toHaveLength(40);
  });
});

/** An archive of its own, new buckets, and the environment that leads to both. */
async function archived(events: readonly TestEvent[], options: Parameters<typeof writeArchive>[2] = {}) {
  const folder = await temporaryFolder('archive');
  const keys = await writeArchive(folder, events, options);
  const buckets = await createBuckets('replay');
  const env = partsEnv({ ...buckets.env, USERPULSE_ARCHIVE: pathToFileURL(folder).href });
  return { folder, keys, buckets, env };
}

/** `type actor ms`, of what a bucket of actors must hold and of what it holds. */
const madeBy = (events: readonly TestEvent[]): string[] =>
  events.map((e) => `${e.type} ${e.actorId} ${e.occurredAt}`).sort();
const storedMade = async (buckets: TestBuckets): Promise<string[]> =>
  (await points(buckets.made))
    .filter((point) => point.includes(' user '))
    .map((point) => {
      const [time = '', type = '', , , value = ''] = point.split(' ');
      return `${type} ${value} ${Date.parse(time)}`;
    })
    .sort();

describe('userpulse replay, interrupted', () => {
  it('goes on after kill -9 where it was, and ends with the same', async () => {
    await userpulse(['--version']);
    const events = Array.from({ length: 6 }, (_, day) =>
      testEvents(3_000, { occurredAt: Date.UTC(2012, 6, 1 + day) }),
    ).flat();
    const { buckets, env } = await archived(events, { shards: 2, perSegment: 500 });
    const state = await temporaryFolder('state');
    const args = ['replay', '--from', '2012/07/01', '--to', '2012/07/06', '--parallel', '1', '--state', state];
    const slow = { ...env, USERPULSE_BATCH_MAX_LINES: '50' };
    const done = async (): Promise<number> => {
      const [file] = (await readdir(state)).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
      if (file === undefined) return 0;
      const { days } = JSON.parse(await readFile(join(state, file), 'utf8')) as {
        days: Record<string, { before: number }>;
      };
      return Object.values(days).filter((day) => day.before === 86_400).length;
    };
    for (let kill = 1; kill <= 3; kill++) {
      const run = new UserpulseProcess(args, slow);
      await eventually(async () => (await done()) >= kill, { intervalMs: 5, what: `day ${kill}` });
      run.kill('SIGKILL');
      expect((await run.exit).signal).toBe('SIGKILL');
    }
    const before = await done();
    const last = await replay(slow, ...args.slice(1), '--json');
    expect(last.error).toBeUndefined();
    expect(last.stderr).toContain('Resuming the replay of');
    expect((JSON.parse(last.stdout) as { events: number }).events).toBe((6 - before) * 3_000);
    expect(await storedMade(buckets)).toEqual(madeBy(events));
    // Done: the same command does all of it again.
    const again = await replay(slow, ...args.slice(1), '--json');
    expect((JSON.parse(again.stdout) as { events: number }).events).toBe(18_000);
    expect(await storedMade(buckets)).toEqual(madeBy(events));
  });

  it('leaves out days that have not changed, and does whole days that have, when told to', async () => {
    const days = [0, 1, 2].map((day) => testEvents(20, { occurredAt: Date.UTC(2012, 6, 1 + day) }));
    const { folder, buckets, env } = await archived(days.flat());
    const args = ['--from', '2012/07/01', '--to', '2012/07/03', '--only-changed', '--json'];
    const events = async (): Promise<number> =>
      (JSON.parse((await replay(env, ...args)).stdout) as { events: number }).events;
    expect(await events()).toBe(60);
    expect(await events()).toBe(0);
    const late = testEvents(5, { occurredAt: Date.UTC(2012, 6, 2) });
    await writeArchive(folder, late, { perSegment: 3 });
    expect(await events()).toBe(25);
    expect(await storedMade(buckets)).toEqual(madeBy([...days.flat(), ...late]));
  });
});

describe('userpulse replay of an archive that is not as it was written', () => {
  it.each([
    ['cut off', async (path: string) => truncate(path, 100), /is damaged: unexpected end of file/],
    ['empty', async (path: string) => truncate(path, 0), /is damaged: it is empty/],
    ['no gzip', async (path: string) => writeFile(path, '{"eventId":"a"}\n'), /is damaged: incorrect header check/],
    [
      'without its last line feed',
      async (path: string) => writeFile(path, gzipSync('{"a":1}')),
      /its last line has no line feed/,
    ],
  ])('stops at an object that is %s, names it, and goes on without it when told to', async (_what, damage, message) => {
    const events = [0, 1, 2].flatMap((day) => testEvents(20, { occurredAt: Date.UTC(2012, 6, 1 + day) }));
    const { folder, keys, buckets, env } = await archived(events);
    await damage(join(folder, keys[1]!));
    const stopped = await replay(env, ...ALL_DAYS);
    expect(stopped.error?.code).toBe('archive_damaged');
    expect(stopped.error?.message).toMatch(message);
    expect(stopped.error?.message).toContain(keys[1]);
    expect(stopped.error?.hint).toContain(`--without ${keys[1]!}`);
    const end = await replay(env, ...ALL_DAYS, '--without', keys[1]!);
    expect(end.error).toBeUndefined();
    expect(end.stderr).toContain('Resuming the replay of');
    expect(await storedMade(buckets)).toEqual(madeBy([...events.slice(0, 20), ...events.slice(40)]));
  });

  it('writes all that is an event, says what is not, and fails', async () => {
    const [event, misplaced] = [testEvent(), testEvent({ occurredAt: Date.UTC(2012, 6, 20) })];
    const { folder, keys, buckets, env } = await archived([event]);
    const text = gunzipSync(await readFile(join(folder, keys[0]!))).toString();
    await writeFile(join(folder, keys[0]!), gzipSync(`not json\n${text}${JSON.stringify(misplaced)}\n`));
    const end = await replay(env, ...ALL_DAYS);
    expect(end.error?.code).toBe('archive_damaged');
    expect(end.error?.message).toContain('2 lines of the archive are not valid for their day');
    expect(end.stdout).toContain(`Not valid (not_json): 1 line, the first: ${keys[0]!}, line 1:`);
    expect(end.stdout).toContain(`Not valid (other_day): 1 line, the first: ${keys[0]!}, line 3:`);
    expect(await storedMade(buckets)).toEqual(madeBy([event]));
  });

  it('says which points InfluxDB refused, writes the others, and fails', async () => {
    const events = testEvents(10, { occurredAt: 1_341_392_702_000, type: 'like' });
    const { buckets, env } = await archived(events);
    await influxWrite(buckets.received, ['interaction,prefix=1,type=like user="text" 1341392700000000000']);
    const end = await replay(env, ...ALL_DAYS);
    expect(end.error?.code).toBe('influx_rejected');
    expect(end.error?.message).toMatch(/rejected 10 points.*received: .*field type conflict/);
    expect(await storedMade(buckets)).toEqual(madeBy(events));
  });

  it('says that there is nothing where there is nothing', async () => {
    const { env } = await archived(testEvents(1));
    expect((await replay(env, '--from', '2013/01/01', '--to', '2013/01/02')).error?.code).toBe('not_found');
    const missing = await replay({ ...env, USERPULSE_ARCHIVE: 'file:///no/such/folder' }, ...ALL_DAYS);
    expect(missing.error?.code).toBe('archive_not_found');
  });
});

describe('userpulse replay beside a checkpoint', () => {
  it('goes on with that of its stream only, here one that 0.1 has written', async () => {
    const { env } = await archived(testEvents(5));
    const checkpoint = await temporaryFolder('checkpoint');
    for (const [file, text] of Object.entries(VERSION_1_FILES)) await writeFile(join(checkpoint, file), text);
    const beside = { ...env, USERPULSE_CHECKPOINT: pathToFileURL(checkpoint).href };
    const of = (stream: string) => replay({ ...beside, USERPULSE_STREAM: stream }, ...ALL_DAYS, '--dry-run');
    expect((await of('another')).error).toMatchObject({
      code: 'checkpoint_unusable',
      message: expect.stringContaining('belongs to stream "interactions"'),
    });
    expect((await of('')).error?.message).toContain('USERPULSE_STREAM is not set');
    const end = await of('interactions');
    expect(end.error).toBeUndefined();
    expect(end.stderr).not.toContain('Found no checkpoint');
  });
});

/** The whole file. Without it, made-up events of an hour. */
function higgsEvents(): TestEvent[] {
  const file = findHiggsFile();
  if (file === undefined) {
    return Array.from({ length: 40_000 }, (_, n) =>
      testEvent({
        occurredAt: Date.UTC(2012, 6, 4, 8) + (n % 3_600) * 1_000,
        actorId: String(10_000 + ((n * 7_919) % 90_000)),
      }),
    );
  }
  return readHiggsLines(file).flatMap((line) => {
    const event = higgsEvent(line);
    if (event === undefined) return [];
    const { eventId, type, occurredAtMs, actorId, receiverId, shareId } = event;
    return [
      {
        eventId,
        type,
        occurredAt: occurredAtMs,
        actorId,
        receiverId: receiverId!,
        ...(shareId === undefined ? {} : { shareId }),
      },
    ];
  });
}

describe('the prefix scheme of the Higgs data', () => {
  it('changes from first:4 to last:4 by a replay, and every answer stays the same', { timeout: 600_000 }, async () => {
    const events = higgsEvents();
    const { env } = await archived(events, { shards: 4, perSegment: 20_000 });
    const answers: unknown[] = [];
    for (const scheme of ['first:4', 'last:4']) {
      const buckets = await createBuckets(scheme.replace(':', ''));
      const to = { ...env, ...buckets.env, USERPULSE_USER_PREFIX: scheme };
      const end = await replay(to, ...ALL_DAYS, '--json');
      expect(end.error).toBeUndefined();
      expect(JSON.parse(end.stdout)).toMatchObject({
        events: events.length,
        points: { made: events.length, received: events.length, total: events.length },
      });
      const serve = await UserpulseServer.start('serve', { ...buckets.env, USERPULSE_USER_PREFIX: scheme });
      try {
        answers.push(await askEverything(serve, events));
      } finally {
        await serve.stop();
      }
    }
    expect(answers[1]).toEqual(answers[0]);
  });
});

/** Three questions about the busiest users and shares, everyone, and the tops: frames without the queries that made them. */
async function askEverything(serve: UserpulseServer, events: readonly TestEvent[]): Promise<unknown> {
  const busiest = (idOf: (e: TestEvent) => string | undefined): string[] => {
    const counts = new Map<string, number>();
    for (const event of events) {
      const id = idOf(event);
      if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return [...counts]
      .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
      .slice(0, 20)
      .map(([id]) => id);
  };
  const common = { every: '10m', calc: 'count' };
  const results = await serve.query({
    from: Date.UTC(2012, 6, 1),
    to: Date.UTC(2012, 6, 9),
    queries: [
      { ...common, refId: 'M', preset: 'made', ids: busiest((e) => e.actorId) },
      { ...common, refId: 'R', preset: 'received', ids: busiest((e) => e.receiverId) },
      { ...common, refId: 'S', preset: 'share', ids: busiest((e) => e.shareId) },
      { ...common, refId: 'E', preset: 'everyone' },
      ...(['made', 'received', 'share'] as const).map((of) => ({ refId: `T${of}`, preset: 'top', of, n: 100 })),
    ],
  });
  const data = Object.entries(results).map(([refId, result]) => {
    const { error, frames } = result as { error?: string; frames: { data: unknown }[] };
    if (error !== undefined) throw new Error(`${refId}: ${error}`);
    return [refId, frames.map((frame) => frame.data)];
  });
  expect(data).toHaveLength(7);
  // Nothing would be equal to nothing, too.
  expect(JSON.stringify(data).length).toBeGreaterThan(10_000);
  return data;
}
