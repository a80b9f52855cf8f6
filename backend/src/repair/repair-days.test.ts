import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeArchive } from '../../../tests/support/archive.ts';
import { SIMULATED_SCHEMA } from '../../../tests/support/models/process.ts';
import { ModelInflux, ModelPoints } from '../../../tests/support/models/sinks.ts';
import { NO_DIFFERENCE, Oracle, ROLES, type TestEvent } from '../../../tests/support/oracle.ts';
import { seeded } from '../../../tests/support/seeded.ts';
import { FileArchiveReader } from '../archive/file-reader.ts';
import { planWithTables } from '../table/replay-source.ts';
import { ReplayState } from '../replay/state.ts';
import { baseOffset } from '../schema/identity.ts';
import { repair } from './repair-days.ts';
import { RepairStats } from './stats.ts';

const DAYS = { from: 15_522, to: 15_523 };
const DAY_MS = 86_400_000;
const TARGET = { archive: 'a', influx: 'i', buckets: [], schemes: [], types: [] };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'userpulse-repair-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** An id whose offset is the last of its millisecond: another event that wants it wraps around. */
const LAST = (() => {
  const found: string[] = [];
  for (let n = 0; found.length < 2; n++) if (baseOffset(`m${n}`) === 999_999) found.push(`m${n}`);
  return found;
})();

/** Two days, most events in order, some late, some sent twice; the last millisecond of the first day is contended. */
function someEvents(): TestEvent[] {
  const random = seeded(1);
  const events = Array.from({ length: 2_000 }, (_, n): TestEvent => {
    const late = random() < 0.05;
    return {
      eventId: `e${n}`,
      type: n % 3 === 0 ? 'like' : 'reply',
      occurredAt: DAYS.from * DAY_MS + Math.floor((late ? random() : n / 2_000) * 2 * DAY_MS),
      actorId: String(1_000 + (n % 40)),
      ...(n % 2 === 0 ? { receiverId: String(5_000 + (n % 30)) } : { shareId: 'cd'.repeat(12) }),
    };
  });
  const midnight = LAST.map((eventId, n): TestEvent => {
    return { eventId, type: 'like', occurredAt: DAYS.to * DAY_MS - 1, actorId: `7000${n}`, receiverId: '80001' };
  });
  return [...events, ...midnight, ...events.slice(100, 200)];
}

async function world(events: readonly TestEvent[]) {
  await writeArchive(folder, events, { shards: 3, perSegment: 100 });
  const oracle = new Oracle();
  for (const event of events) oracle.event(event);
  const influx = new ModelInflux();
  const points = new ModelPoints(influx);
  const run = async (
    options: {
      readonly sliceEvents?: number;
      readonly state?: ReplayState;
      readonly signal?: AbortSignal;
      readonly dryRun?: boolean;
      readonly maxLines?: number;
    } = {},
  ) => {
    const reader = new FileArchiveReader(pathToFileURL(folder));
    const signal = options.signal ?? new AbortController().signal;
    const { days, read } = await planWithTables(reader, DAYS, new Set(), signal);
    options.state?.plan(DAYS, days);
    const stats = new RepairStats();
    const seen: number[] = [];
    const refused = await repair({
      reader,
      read,
      days,
      without: new Set(),
      schema: SIMULATED_SCHEMA,
      points,
      sink: options.dryRun === true ? undefined : influx,
      state: options.state,
      maxLines: options.maxLines ?? 40,
      parallel: 3,
      signal,
      stats,
      onProgress: (bytes) => seen.push(bytes),
      ...(options.sliceEvents === undefined ? {} : { sliceEvents: options.sliceEvents, comparedEvents: 40 }),
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(days.reduce((sum, day) => sum + day.bytes, 0));
    return { stats, refused };
  };
  const expectExact = async (): Promise<void> => {
    for (const role of ROLES)
      expect(await oracle.comparePoints(role, influx.fields(role)), role).toEqual(NO_DIFFERENCE);
  };
  return { influx, points, run, expectExact };
}

const changes = (stats: RepairStats) => stats.sum('missing') + stats.sum('replaced') + stats.sum('removed');

describe('repair', () => {
  it.each([undefined, 150])('fills empty buckets, slices of %s events, and finds nothing to do then', async (most) => {
    const { influx, run, expectExact } = await world(someEvents());
    const slices = most === undefined ? {} : { sliceEvents: most };
    const { stats } = await run(slices);
    expect(stats).toMatchObject({ events: 2_002, repeated: 100, changedDays: [] });
    expect(stats.points.made).toMatchObject({ wanted: 2_002, missing: 2_002, replaced: 0, removed: 0, foreign: 0 });
    await expectExact();
    // Around the end of the millisecond, not into the next day.
    const lastMs = [...influx.points.get('total')!.keys()].filter((key) => key.includes(` ${DAYS.to * DAY_MS - 1}`));
    expect(lastMs.map((key) => key.slice(-6)).sort()).toEqual(['000000', '999999']);
    influx.writes = 0;
    expect(changes((await run(slices)).stats)).toBe(0);
    expect(influx.writes).toBe(0);
  });

  it('restores what was overwritten, doubled or lost, and nothing else; a dry run says as much and does nothing', async () => {
    const { influx, points, run, expectExact } = await world(someEvents());
    await run();
    const [made, total] = [influx.points.get('made')!, influx.points.get('total')!];
    const [lost, overwritten] = [...made.keys()];
    made.delete(lost!);
    made.get(overwritten!)!.set('user', '9i');
    const like = [...total].find(([key]) => key.startsWith('interaction,type=like'))!;
    total.set(
      like[0].replace(/\d{6}$/, (ns) => String((Number(ns) + 2) % 1_000_000).padStart(6, '0')),
      new Map(like[1]),
    );
    const before = JSON.stringify([...made].map(([key, fields]) => [key, ...fields]));
    influx.writes = 0;
    const dry = await run({ dryRun: true });
    expect([influx.writes, points.removes]).toEqual([0, 0]);
    expect(JSON.stringify([...made].map(([key, fields]) => [key, ...fields]))).toBe(before);
    const { stats } = await run();
    expect(stats.points).toEqual(dry.stats.points);
    // The value 9 is no archived user's: to the repair, an event that is not archived yet.
    expect(stats.points.made).toMatchObject({ missing: 2, foreign: 1 });
    expect(stats.points.total).toMatchObject({ missing: 0, replaced: 0, removed: 1 });
    expect(points.removes).toBe(1);
    made.delete(overwritten!);
    await run();
    await expectExact();
  });

  it('goes on where it was cut short', async () => {
    const { influx, run, expectExact } = await world(someEvents());
    const states = join(folder, '..', `${folder.split('/').at(-1)}-state`);
    let left = 3;
    influx.gate = () => (left-- > 0 ? Promise.resolve() : Promise.reject(new Error('broken off')));
    let read = 0;
    let attempts = 0;
    try {
      for (let done = false; !done; attempts++) {
        left = 25;
        const state = new ReplayState(states, TARGET);
        await state.load();
        if (state.startedAt === '') state.begin(new Date());
        done = await run({ state, sliceEvents: 150 }).then(
          ({ stats }) => {
            read += stats.events;
            return state.complete;
          },
          () => false,
        );
      }
    } finally {
      await rm(states, { recursive: true, force: true });
    }
    expect(attempts).toBeGreaterThan(3);
    expect(read).toBeLessThan(1_500);
    await expectExact();
    influx.gate = () => Promise.resolve();
    expect(changes((await run()).stats)).toBe(0);
  });

  it('does not remember a slice as done whose last writes have failed', async () => {
    const { influx, run, expectExact } = await world(someEvents());
    const states = join(folder, 'state');
    const state = new ReplayState(states, TARGET);
    state.begin(new Date());
    influx.gate = () => Promise.reject(new Error('broken off'));
    // All writes are sent at the end of the slice.
    await expect(run({ state, maxLines: 100_000 })).rejects.toThrow('broken off');
    influx.gate = () => Promise.resolve();
    const again = new ReplayState(states, TARGET);
    await again.load();
    await run({ state: again, maxLines: 100_000 });
    await expectExact();
  });

  it('says which days got new objects meanwhile', async () => {
    const { influx, run } = await world(someEvents());
    const late: TestEvent = {
      eventId: 'late',
      type: 'like',
      occurredAt: DAYS.to * DAY_MS,
      actorId: '1',
      receiverId: '2',
    };
    let once = false;
    influx.gate = async () => {
      if (once) return;
      once = true;
      await writeArchive(folder, [...someEvents(), late], { shards: 1, perSegment: 5_000 });
    };
    expect((await run()).stats.changedDays).toEqual(['2012/07/01', '2012/07/02']);
    expect((await run()).stats.changedDays).toEqual([]);
  });

  it('counts refused points and keeps on', async () => {
    const { influx, run } = await world(someEvents());
    influx.refuses = (role, line) => role === 'received' && line.includes('user=5000i');
    const { refused, stats } = await run();
    expect(refused?.points).toBeGreaterThan(10);
    expect(influx.points.get('total')?.size).toBe(stats.events);
  });
});
