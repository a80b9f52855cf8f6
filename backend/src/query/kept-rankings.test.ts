import { beforeEach, describe, expect, it } from 'vitest';
import type { JoinableQuestion } from '../influx/joined-reader.ts';
import { HOUR_MS } from '../schema/hour-marks.ts';
import { unlimitedBudget } from './budget.ts';
import { KeptLists } from './kept-lists.ts';
import { rankKept } from './kept-rankings.ts';
import type { TopPlan } from './plan.ts';

const HOUR = 491_208;
const NEVER = new AbortController().signal;
const schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
} as const;
/** From the middle of an hour, over three whole ones, into the next. */
const PLAN: TopPlan = {
  kind: 'top',
  refId: 'A',
  of: 'received',
  id: undefined,
  types: [],
  n: 2,
  fromMs: (HOUR - 0.5) * HOUR_MS,
  toMs: (HOUR + 3.5) * HOUR_MS,
};

let seals: Map<number, string>;
/** What a look sees. */
let seen: Map<number, string>;
let lists: KeptLists;
let cutoffMs: number | undefined;
let asked: string[];
let bytes: number;

beforeEach(() => {
  [asked, bytes, cutoffMs] = [[], 0, -Infinity];
  lists = new KeptLists(unlimitedBudget(), () => 0);
  seals = new Map();
  for (let hour = HOUR - 1; hour < HOUR + 3; hour++) {
    seals.set(hour, 'aa');
    lists.keepCounts({ hour, seal: 'aa', types: new Map([['like', [5]]]) });
    lists.keepList('received', { hour, seal: 'aa', type: 'like', ids: [{ id: '7', count: 3 }], bound: 0 });
  }
  // Before and after the middle.
  lists.keepIds('received', HOUR - 1, [], {
    seal: 'aa',
    numbers: new Map([
      ['7', 0],
      ['8', 1],
    ]),
    idAt: Uint32Array.of(0, 1, 1),
    msAt: Uint32Array.of(1, HOUR_MS / 2, HOUR_MS - 1),
  });
  seen = new Map(seals);
});

/** @param open ids of the hour that has just begun */
const rank = (open: readonly string[], plan = PLAN) =>
  rankKept(
    {
      influx: { bytes: no, rows: no, close: no } as never,
      joined: {
        ask: (question: JoinableQuestion) => {
          asked.push(question.script('1/').text);
          // Asked anew, because what it shared a script with has failed.
          for (const ids of [open.slice(0, 1), open]) {
            const add = question.begin()('ids 1', '');
            for (const id of ids) add(null, Buffer.from(id), 0, id.length);
          }
          return Promise.resolve();
        },
      },
      schema,
      retention: { cutoffMs: () => Promise.resolve(cutoffMs) },
      now: () => 0,
      lists,
      seals: {
        knows: () => seals.size > 0,
        sealOf: (hour) => seals.get(hour),
        look: () => {
          asked.push('look');
          return Promise.resolve().then(() => void (seals = seen));
        },
      },
    },
    plan,
    (change) => (bytes += change),
    NEVER,
  );
const no = () => Promise.reject(new Error('not asked for'));

describe('a ranking of what is kept', () => {
  it('asks for the ids of the hour that is open, beside the look', async () => {
    expect(await rank(['9', '9', '7'])).toEqual([
      { id: '7', count: 10 },
      { id: '8', count: 2 },
    ]);
    expect(asked).toEqual(['look', expect.stringContaining('yield(name: "1/ids 1")')]);
    expect(asked[1]).toContain('range(start: 2026-01-14T03:00:00.000Z, stop: 2026-01-14T03:30:00.000Z)');
    expect(bytes).toBeGreaterThan(0);
  });

  it.each([HOUR - 1, HOUR + 1])(
    'is none where hour %i has another seal at the look, and takes nothing',
    async (hour) => {
      seen.set(hour, 'bb');
      expect(await rank(Array.from({ length: 5_000 }, (_, at) => String(at + 1)))).toBeUndefined();
      expect(asked).toHaveLength(2);
      expect(bytes).toBe(0);
    },
  );

  it('counts the points of an hour that is open, wherever it lies', async () => {
    seals.delete(HOUR - 1);
    expect(await rank(['9'])).toEqual([
      { id: '7', count: 9 },
      { id: '9', count: 1 },
    ]);
    expect(asked[1]).toContain('yield(name: "1/ids 2")');
  });

  it('asks for nothing where something is not kept, or not for long', async () => {
    const kept = [...seals];
    for (const spoil of [
      () => seals.clear(),
      () => seals.set(HOUR, 'bb'),
      () => seals.set(HOUR - 1, 'bb'),
      () => (cutoffMs = undefined),
      () => (cutoffMs = (HOUR - 2) * HOUR_MS + 1),
      () => lists.keepList('received', { hour: HOUR, seal: 'bb', type: 'like', ids: [], bound: 0 }),
    ]) {
      [seals, cutoffMs] = [new Map(kept), -Infinity];
      spoil();
      expect(await rank([])).toBeUndefined();
    }
    expect(asked).toEqual([]);
  });

  it('reads all ids again where the first are too many to be kept', async () => {
    const kept = { hour: HOUR - 1, seal: 'aa', types: new Map([['like', [1_000_000]]]) };
    lists.keepCounts(kept);
    await rank(['9']);
    expect(asked[1]).toContain('range(start: 2026-01-13T23:30:00.000Z, stop: 2026-01-14T00:00:00.000Z)');
  });
});
