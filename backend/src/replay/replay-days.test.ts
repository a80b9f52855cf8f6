import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeArchive } from '../../../tests/support/archive.ts';
import { SIMULATED_SCHEMA } from '../../../tests/support/models/process.ts';
import { ModelInflux } from '../../../tests/support/models/sinks.ts';
import { NO_DIFFERENCE, Oracle, ROLES, type TestEvent } from '../../../tests/support/oracle.ts';
import { seeded } from '../../../tests/support/seeded.ts';
import { FileArchiveReader } from '../archive/file-reader.ts';
import { objectLines } from '../archive/object-lines.ts';
import { planDays } from '../archive/day-plan.ts';
import { replay } from './replay-days.ts';
import { ReplayState } from './state.ts';
import { ReplayStats } from './stats.ts';

const DAYS = { from: 15_522, to: 15_523 };
const DAY_MS = 86_400_000;
const TARGET = { archive: 'a', influx: 'i', buckets: [], schemes: [], types: [] };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'userpulse-replay-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Two days, most events in order, some late, some sent twice. */
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
  return [...events, ...events.slice(100, 200)];
}

async function world(events: readonly TestEvent[]) {
  await writeArchive(folder, events, { shards: 3, perSegment: 100 });
  const oracle = new Oracle();
  for (const event of events) oracle.event(event);
  const influx = new ModelInflux();
  const run = async (
    options: { readonly sliceEvents?: number; readonly state?: ReplayState; readonly signal?: AbortSignal } = {},
  ) => {
    const reader = new FileArchiveReader(pathToFileURL(folder));
    const signal = options.signal ?? new AbortController().signal;
    const { days } = await planDays(reader, DAYS, new Set(), signal);
    options.state?.plan(DAYS, days);
    const stats = new ReplayStats();
    const seen: number[] = [];
    const refused = await replay({
      read: (key, stop) => objectLines(reader, key, stop),
      days,
      schema: SIMULATED_SCHEMA,
      relocations: [],
      types: new Set(),
      sink: influx,
      state: options.state,
      maxLines: 40,
      parallel: 3,
      signal,
      stats,
      onProgress: (bytes) => seen.push(bytes),
      ...(options.sliceEvents === undefined ? {} : { sliceEvents: options.sliceEvents }),
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(days.reduce((sum, day) => sum + day.bytes, 0));
    return { stats, refused };
  };
  const expectExact = async (): Promise<void> => {
    for (const role of ROLES)
      expect(await oracle.comparePoints(role, influx.fields(role)), role).toEqual(NO_DIFFERENCE);
  };
  return { influx, run, expectExact };
}

describe('replay', () => {
  it.each([1_000_000, 300, 25])(
    'brings each event once, in slices of at most %i events',
    async (sliceEvents) => {
      const { run, expectExact } = await world(someEvents());
      const { stats } = await run({ sliceEvents });
      await expectExact();
      expect([stats.events, stats.repeated, stats.lines]).toEqual([2_000, 100, 2_100]);
      expect(stats.points.total).toBe(2_000);
    },
    60_000,
  );

  it('ends with the same after it was broken off at any write, and does no slice again that was done', async () => {
    const { influx, run, expectExact } = await world(someEvents());
    const random = seeded(2);
    let events = 0;
    for (let done = false; !done;) {
      const stop = new AbortController();
      const after = influx.writes + 5 + Math.floor(random() * 60);
      influx.gate = async () => {
        await Promise.resolve();
        if (influx.writes >= after) stop.abort(new Error('broken off'));
      };
      const state = new ReplayState(join(folder, 'state'), TARGET);
      await state.load();
      if (state.startedAt === '') state.begin(new Date(0));
      try {
        const { stats } = await run({ sliceEvents: 100, state, signal: stop.signal });
        events = stats.events;
        done = true;
        expect(state.complete).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ message: 'broken off' });
        expect(state.complete).toBe(false);
      }
    }
    expect(events).toBeLessThan(2_000);
    await expectExact();
  }, 60_000);

  it('counts refused points and keeps on', async () => {
    const { influx, run } = await world(someEvents());
    influx.refuses = (role, line) => role === 'received' && line.includes('user=5000i');
    const { refused, stats } = await run();
    expect(refused?.points).toBeGreaterThan(10);
    expect(refused?.example).toBe('received: the model refuses it');
    expect(influx.points.get('total')?.size).toBe(stats.events);
  });
});
