import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { registerRepair } from '../../backend/src/commands/repair.ts';
import { registerReplay } from '../../backend/src/commands/replay.ts';
import type { InteractionEvent } from '../../backend/src/event/event.ts';
import { higgsEvent } from '../../backend/src/produce/higgs-event.ts';
import type { RepairStats } from '../../backend/src/repair/stats.ts';
import type { Schema } from '../../backend/src/schema/buckets.ts';
import { baseOffset, identityOf, partOf } from '../../backend/src/schema/identity.ts';
import { OffsetTable } from '../../backend/src/schema/offsets.ts';
import { pointsOf, renderLine } from '../../backend/src/schema/points.ts';
import { findHiggsFile, readHiggsLines } from '../../tools/higgs.ts';
import { UserpulseProcess } from '../../tools/userpulse.ts';
import { writeArchive } from '../support/archive.ts';
import { userpulse } from '../support/cli.ts';
import { runInProcess, type CommandEnd } from '../support/command.ts';
import { testEvents, type TestEvent } from '../support/ingest-world.ts';
import { ROLES, type Role } from '../support/oracle.ts';
import {
  createBuckets,
  eventually,
  influxApi,
  influxWrite,
  parts,
  partsEnv,
  temporaryFolder,
  usePartsEnvironment,
  type TestBuckets,
} from '../support/parts.ts';
import { seeded } from '../support/seeded.ts';
import { archiveObjects, storedPoints } from '../support/stored.ts';
import { WorkersWorld } from '../support/workers-world.ts';

beforeAll(() => usePartsEnvironment());

const cwd = await temporaryFolder('repair');
const repair = (env: Readonly<Record<string, string>>, ...args: string[]): Promise<CommandEnd> =>
  runInProcess(registerRepair, ['repair', ...args], env, { cwd });

const DAY_MS = Date.UTC(2012, 6, 2);
const DAY = ['--from', '2012/07/02', '--to', '2012/07/02'];

/** Event ids that want an offset that another of them wants. */
const COLLIDING: readonly string[] = (() => {
  const byOffset = new Map<number, string[]>();
  for (let n = 0; n < 60_000; n++) {
    const offsetNs = baseOffset(`c${n}`);
    byOffset.set(offsetNs, [...(byOffset.get(offsetNs) ?? []), `c${n}`]);
  }
  return [...byOffset.values()].filter((ids) => ids.length > 1).flat();
})();

/** A day: events all over it, and bursts whose events contend, one of them in its last millisecond; some are sent twice. */
function generatedDay(): TestEvent[] {
  const random = seeded(3);
  const ordinary = Array.from({ length: 4_000 }, (_, n): TestEvent => {
    const actorId = String(1_000 + Math.floor(random() ** 3 * 9_000));
    return {
      eventId: `o${n}`,
      type: ['like', 'reply', 'share'][n % 3]!,
      occurredAt: DAY_MS + Math.floor(random() * 86_400_000),
      actorId,
      ...(n % 4 === 0 ? {} : { receiverId: String(1_000 + Math.floor(random() ** 3 * 9_000)) }),
      ...(n % 4 === 1 ? {} : { shareId: `ababab${String(n % 50).padStart(18, '0')}` }),
    };
  });
  const bursts = COLLIDING.slice(0, 1_200).map((eventId, n): TestEvent => {
    const burst = Math.floor(n / 300);
    return {
      eventId,
      type: 'like',
      occurredAt: burst === 3 ? DAY_MS + 86_399_999 : DAY_MS + 3_600_000 * (burst + 1),
      actorId: `1234${n}`,
      ...(n % 4 === 0 ? {} : { receiverId: `5678${n}` }),
      ...(n % 4 === 1 ? {} : { shareId: `ababab${String(n).padStart(18, '0')}` }),
    };
  });
  const events = [...ordinary, ...bursts];
  return [...events, ...events.filter((_, n) => n % 41 === 0)];
}

const asEvent = ({ eventId, type, occurredAt, actorId, receiverId, shareId }: TestEvent): InteractionEvent => ({
  eventId,
  type,
  occurredAtMs: occurredAt,
  actorId,
  receiverId,
  shareId,
});

/** Writes events as one ingest does, or as several that know nothing of each other. */
async function write(
  buckets: TestBuckets,
  events: readonly TestEvent[],
  workers: number,
  splitFromMs: number | undefined,
): Promise<void> {
  const schema: Schema = {
    buckets,
    userPrefix: { by: 'first', length: 4 },
    sharePrefix: { by: 'first', length: 6 },
    totalsSplitFromMs: splitFromMs,
  };
  const table = new OffsetTable({ capacity: 2 ** 21 });
  for (let at = 0; at < events.length; at += 10_000) {
    const lines: Record<Role, string[]> = { made: [], received: [], share: [], total: [] };
    for (const sent of events.slice(at, at + 10_000)) {
      const event = asEvent(sent);
      for (const point of pointsOf(event, schema)) {
        // One of several relocates nothing.
        const { offsetNs } = workers > 1 ? identityOf(event) : table.assign(point, identityOf(event));
        lines[point.role].push(renderLine(point, offsetNs));
      }
    }
    for (const role of ROLES) await influxWrite(buckets[role], lines[role]);
  }
}

/** What a bucket holds: what its points say, and where they are; sorted. */
async function held(buckets: TestBuckets) {
  const all: Record<string, { readonly said: string[]; readonly places: string[] }> = {};
  for (const role of ROLES) {
    const [said, places]: [string[], string[]] = [[], []];
    for await (const { type, prefix, field, value, ms, offsetNs } of storedPoints(buckets[role])) {
      said.push(`${type} ${prefix} ${field} ${value} ${ms}`);
      places.push(`${type} ${prefix} ${ms} ${offsetNs}`);
    }
    all[role] = { said: said.sort(), places: places.sort() };
  }
  return all;
}

async function archive(events: readonly TestEvent[], splitFrom: string | undefined): Promise<Record<string, string>> {
  const folder = await temporaryFolder('archive');
  await writeArchive(folder, events, { shards: 3, perSegment: 1_000 });
  if (splitFrom !== undefined) {
    await mkdir(join(folder, '_control'));
    const said = `${JSON.stringify({ version: 1, from: splitFrom })}\n`;
    await writeFile(join(folder, '_control', 'totals-split.ndjson.gz'), gzipSync(said));
  }
  return { USERPULSE_ARCHIVE: pathToFileURL(folder).href };
}

interface Report {
  readonly events: number;
  readonly points: RepairStats['points'];
  readonly seconds: number;
}
const reportOf = ({ stdout, error }: CommandEnd): Report => {
  expect(error).toBeUndefined();
  return JSON.parse(stdout) as Report;
};
const sum = ({ points }: Report, count: 'missing' | 'replaced' | 'removed' | 'foreign'): number =>
  ROLES.reduce((all, role) => all + points[role][count], 0);

/** Days several workers wrote beside those that one did, each in buckets of its own. */
async function written(events: readonly TestEvent[], workers: number, splitFrom: string | undefined) {
  const splitFromMs = splitFrom === undefined ? undefined : Date.parse(splitFrom.replaceAll('/', '-'));
  const [one, several] = [await createBuckets('one'), await createBuckets('several')];
  await write(one, events, 1, splitFromMs);
  await write(several, events, workers, splitFromMs);
  const from = await archive(events, splitFrom);
  return { one, several, env: partsEnv({ ...several.env, ...from }), oneEnv: partsEnv({ ...one.env, ...from }) };
}

describe('userpulse repair', () => {
  it.each([
    [2, undefined],
    [2, '2012/07/01'],
  ])('makes a day of %i workers equal to one worker’s, totals split from %s', async (workers, splitFrom) => {
    const { one, several, env, oneEnv } = await written(generatedDay(), workers, splitFrom);
    const wanted = await held(one);
    const short = await held(several);
    for (const role of ROLES) expect(short[role]!.said.length, role).toBeLessThan(wanted[role]!.said.length);

    const dry = reportOf(await repair(env, ...DAY, '--dry-run', '--json'));
    expect(await held(several)).toEqual(short);
    const end = await repair(env, ...DAY, '--json');
    const report = reportOf(end);
    expect(report.events).toBe(5_200);
    expect(report.points).toEqual(dry.points);
    expect(sum(report, 'missing')).toBeGreaterThan(200);
    expect(sum(report, 'foreign')).toBe(0);
    expect(await held(several)).toEqual(wanted);

    const again = await repair(env, ...DAY);
    expect(again.stdout).toContain('Every event is there once: nothing to change.');
    const exact = reportOf(await repair(oneEnv, ...DAY, '--json'));
    expect(['missing', 'replaced', 'removed', 'foreign'].map((count) => sum(exact, count as 'missing'))).toEqual([
      0, 0, 0, 0,
    ]);
    // A replay agrees.
    const replayed = await runInProcess(registerReplay, ['replay', ...DAY], env, { cwd });
    expect(replayed.error).toBeUndefined();
    expect(await held(several)).toEqual(wanted);
  });

  it('has less to do where totals are split', async () => {
    const colliding = generatedDay().filter(({ eventId }) => eventId.startsWith('c'));
    // Of events that want one offset, as many as in one of 64 want one part.
    const pairs = new Map<number, number[]>();
    for (const { eventId } of colliding) {
      pairs.set(baseOffset(eventId), [...(pairs.get(baseOffset(eventId)) ?? []), partOf(eventId)]);
    }
    const [whole, split] = await Promise.all(
      [undefined, '2012/07/02'].map(async (from) =>
        reportOf(await repair((await written(colliding, 3, from)).env, ...DAY, '--dry-run', '--json')),
      ),
    );
    expect(whole!.points.total.missing).toBeGreaterThan(100);
    expect(split!.points.total.missing).toBeLessThan(whole!.points.total.missing / 5);
    expect(split!.points.made).toEqual(whole!.points.made);
  });

  it('writes what InfluxDB has lost, removes what is there twice, and leaves what is not ours', async () => {
    const { one, several, env } = await written(generatedDay(), 1, '2012/07/03');
    const wanted = await held(one);
    const { org } = parts().influx;
    await influxApi('POST', `/api/v2/delete?org=${org}&bucket=${several.made}`, {
      start: '2012-07-02T05:00:00Z',
      stop: '2012-07-02T07:00:00Z',
    });
    const event = asEvent(generatedDay()[10]!);
    const schema: Schema = {
      buckets: several,
      userPrefix: { by: 'first', length: 4 },
      sharePrefix: { by: 'first', length: 6 },
    };
    const twice = pointsOf(event, schema);
    const beside = (baseOffset(event.eventId) + 3) % 1_000_000;
    for (const point of twice) await influxWrite(several[point.role], [renderLine(point, beside)]);
    const theirs = [
      // Of an event that is not archived, in the millisecond of one that is; of another series; with a tag of its own.
      `${twice[0]!.series} user=77i ${event.occurredAtMs}${String((beside + 5) % 1_000_000).padStart(6, '0')}`,
      `interaction,prefix=77,type=like user=77i ${event.occurredAtMs}000007`,
      `${twice[0]!.series},zone=x ${twice[0]!.fields} ${event.occurredAtMs}${String(beside).padStart(6, '0')}`,
    ];
    await influxWrite(several.made, theirs);

    const report = reportOf(await repair(env, ...DAY, '--json'));
    expect(report.points.made.missing).toBeGreaterThan(100);
    expect(sum(report, 'removed')).toBe(twice.length);
    expect(report.points.made.foreign).toBe(3);
    const { made, ...others } = await held(several);
    const { made: ours, ...wantedOthers } = wanted;
    expect(others).toEqual(wantedOthers);
    // A delete by tags also takes the same nanosecond of a series that has more tags.
    expect(made!.said.filter((text) => / 77 /.test(text))).toHaveLength(2);
    expect(made!.said.filter((text) => !/ 77 /.test(text))).toEqual(ours!.said);
    expect(sum(reportOf(await repair(env, ...DAY, '--json')), 'missing')).toBe(0);
  });

  it('goes on after kill -9 where it was, and ends with the same', async () => {
    await userpulse(['--version']);
    const events = Array.from({ length: 6 }, (_, day) =>
      testEvents(2_000, { occurredAt: Date.UTC(2012, 6, 1 + day) }).map((event, n) =>
        n < 500 ? { ...event, type: 'like', eventId: COLLIDING[day * 500 + n]! } : event,
      ),
    ).flat();
    const { one, several, env } = await written(events, 3, undefined);
    const { org } = parts().influx;
    // The totals stay as three workers have left them; with the others, there is enough to write.
    for (const role of ['made', 'received', 'share'] as const) {
      const range = { start: '2012-07-01T00:00:00Z', stop: '2012-07-31T00:00:00Z' };
      await influxApi('POST', `/api/v2/delete?org=${org}&bucket=${several[role]}`, range);
    }
    const state = await temporaryFolder('state');
    const args = ['repair', '--from', '2012/07/01', '--to', '2012/07/06', '--parallel', '1', '--state', state];
    const slow = { ...env, USERPULSE_BATCH_MAX_LINES: '20' };
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
    const last = await repair(slow, ...args.slice(1), '--json');
    expect(last.stderr).toContain('Resuming the repair of');
    expect(reportOf(last).events).toBe((6 - before) * 2_000);
    expect(reportOf(last).points.total.missing).toBeGreaterThan(50);
    expect(await held(several)).toEqual(await held(one));
    // Done: the same command looks at all of it again, and finds nothing.
    const again = await repair(slow, ...args.slice(1), '--json');
    expect(reportOf(again).events).toBe(12_000);
    expect(sum(reportOf(again), 'missing') + sum(reportOf(again), 'replaced') + sum(reportOf(again), 'removed')).toBe(
      0,
    );
  });

  it('refuses a day whose events may not all be archived, and says until when', async () => {
    const today = new Date().toISOString().slice(0, 10);
    const { error } = await repair(partsEnv(await archive([], undefined)), '--from', '2012/07/01', '--to', today);
    expect(error?.code).toBe('bad_request');
    expect(error?.message).toMatch(
      /^The events of \d{4}\/\d\d\/\d\d may not all be archived before .*T00:15:00\.000Z\.$/,
    );
  });

  it('needs a token that reads and writes', async () => {
    const { env } = await written(generatedDay().slice(0, 10), 1, undefined);
    const { error } = await repair({ ...env, INFLUX_TOKEN: 'wrong', USERPULSE_START_DEADLINE_MS: '0' }, ...DAY);
    expect(error?.message).toContain('INFLUX_TOKEN');
  });
});

describe('workers that share a stream', () => {
  it('are exact after a repair, and split the totals from the next day on', { timeout: 300_000 }, async () => {
    const w = await WorkersWorld.create({ shards: 2 });
    try {
      const { world } = w;
      const workers = [w.worker(), w.worker()];
      await w.untilOwned(2, 2);
      const events = generatedDay().filter(({ eventId }) => eventId.startsWith('c'));
      await world.put([...events, ...events.slice(0, 50)]);
      await w.untilDurable();
      for (const worker of workers) expect(await worker.stop()).toEqual({ code: 0, signal: null });
      await expect(world.expectExact()).rejects.toThrow();
      const report = reportOf(await repair(world.env(), ...DAY, '--json'));
      expect(sum(report, 'missing')).toBeGreaterThan(200);
      await world.expectExact();
      expect((await repair(world.env(), ...DAY)).stdout).toContain('Every event is there once: nothing to change.');
      const keys: string[] = [];
      for await (const [key] of archiveObjects(world.archive)) keys.push(key);
      expect(keys).toContain('_control/totals-split.ndjson.gz');
    } finally {
      await w.end();
    }
  });
});

/** Lines of the file, whose times are whole seconds. Without it, made-up events in as many seconds. */
function higgsEvents(from: number, to: number): TestEvent[] {
  const file = findHiggsFile();
  if (file === undefined) {
    const [example] = testEvents(1);
    return Array.from({ length: to - from }, (_, n) => ({
      ...example!,
      eventId: `h${n}`,
      occurredAt: DAY_MS + Math.floor(n / 20) * 1_000,
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

describe('the Higgs data that three workers wrote is that of one after a repair', () => {
  it.each([
    ['its first lines', 0, 40_000, 1, 0],
    // Of the whole file only two totals contend.
    ['its fullest hours, all events of an hour in one millisecond', 230_000, 280_000, 3_600_000, 100],
  ])('%s', { timeout: 600_000 }, async (_, first, last, grainMs, atLeast) => {
    const events = higgsEvents(first, last).map((event) => ({
      ...event,
      occurredAt: event.occurredAt - (event.occurredAt % grainMs),
    }));
    const { one, several, env } = await written(events, 3, undefined);
    const days = ['--from', '2012/07/01', '--to', '2012/07/08'];
    const report = reportOf(await repair(env, ...days, '--json'));
    expect(report.events).toBe(new Set(events.map(({ eventId }) => eventId)).size);
    expect(report.points.total.missing).toBeGreaterThanOrEqual(atLeast);
    expect(await held(several)).toEqual(await held(one));
    expect((await repair(env, ...days)).stdout).toContain('Every event is there once: nothing to change.');
  });
});
