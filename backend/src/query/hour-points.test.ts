import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JoinableQuestion } from '../influx/joined-reader.ts';
import { HOUR_MS } from '../schema/hour-marks.ts';
import { QueryBudget } from './budget.ts';
import { countPoints, EveryonesPoints } from './hour-points.ts';
import { KeptLists } from './kept-lists.ts';

const HOUR = 491_208;
const schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
} as const;

/** An InfluxDB whose answers come when told to. */
function world() {
  const asked: { readonly question: JoinableQuestion; readonly answer: (...ms: number[]) => void }[] = [];
  const seals = new Map<number, string>();
  const budget = new QueryBudget({ maxBytes: 1_048_576, running: 1, waiting: 0, waitMs: 0 });
  const lists = new KeptLists(budget, () => 0);
  const joined = {
    ask: (question: JoinableQuestion): Promise<void> =>
      new Promise((resolve) => {
        asked.push({
          question,
          answer: (...times) => {
            const add = question.begin()('points', 'like');
            for (const ms of times) add(HOUR * HOUR_MS + ms, new Uint8Array(), 0, 0);
            resolve();
          },
        });
      }),
  };
  const everyone = new EveryonesPoints(joined, lists, { sealOf: (hour) => seals.get(hour) }, schema);
  return { asked, seals, lists, everyone };
}
const turn = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));

describe("everyone's points of an hour", () => {
  it('are kept as long as the hour has the seal that it had before they were read', async () => {
    const { asked, seals, lists, everyone } = world();
    seals.set(HOUR, 'aa');
    const read = everyone.read(HOUR);
    await turn();
    asked[0]?.answer(7, 5);
    expect([...(await read).types]).toEqual([['like', Uint32Array.of(5, 7)]]);
    expect(everyone.kept(HOUR)).toBe(await read);
    expect(lists.bytes).toBe(256 + 8);
    seals.set(HOUR, 'bb');
    expect(everyone.kept(HOUR)).toBeUndefined();
  });

  it('are not kept where the seal has changed meanwhile, or there was none', async () => {
    for (const before of ['aa', undefined]) {
      const { asked, seals, everyone } = world();
      if (before !== undefined) seals.set(HOUR, before);
      const read = everyone.read(HOUR);
      await turn();
      seals.set(HOUR, 'bb');
      asked[0]?.answer(5);
      await read;
      expect(everyone.kept(HOUR)).toBeUndefined();
    }
  });

  it('are read once for all who ask before the question is sent, and anew for those after', async () => {
    const { asked, everyone } = world();
    const reads = [everyone.read(HOUR), everyone.read(HOUR)];
    await turn();
    reads.push(everyone.read(HOUR));
    await turn();
    expect(asked).toHaveLength(1);
    asked[0]?.question.script('');
    reads.push(everyone.read(HOUR));
    await turn();
    expect(asked).toHaveLength(2);
    asked[0]?.answer(1);
    asked[1]?.answer(1, 2);
    expect((await Promise.all(reads)).map(({ types }) => types.get('like')?.length)).toEqual([1, 1, 1, 2]);
  });

  it('are due once the parts that were counted have cost as much, where the hour is sealed', () => {
    const { seals, everyone } = world();
    expect(everyone.isDue(HOUR, 5)).toBe(false);
    seals.set(HOUR, 'aa');
    expect(everyone.isDue(HOUR, 5)).toBe(true);
    seals.set(HOUR + 1, 'aa');
    const due = Array.from({ length: 8 }, () => everyone.isDue(HOUR + 1, 60_000));
    expect(due.indexOf(true)).toBe(6);
    expect(everyone.isDue(HOUR, 1_000_000)).toBe(false);
  });
});

it('counts of a part of an hour are those of its points', () => {
  const within = fc.integer({ min: 0, max: HOUR_MS });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('like', 'view'), fc.integer({ min: 0, max: HOUR_MS - 1 }))),
      fc.tuple(within, within),
      fc.constantFrom(300_000, 600_000, HOUR_MS),
      (points, ends, everyMs) => {
        const [from = 0, to = 0] = [...ends].sort((a, b) => a - b).map((ms) => HOUR * HOUR_MS + ms);
        const times = (type: string) =>
          Uint32Array.from(points.flatMap(([of, ms]) => (of === type ? [ms] : []))).sort();
        const types = new Map(['like', 'view'].map((type) => [type, times(type)]));
        const counts = new Map<string, number>();
        for (const { type, ms, count } of countPoints({ seal: '', types }, HOUR, { fromMs: from, toMs: to }, everyMs)) {
          expect(ms).toBeGreaterThanOrEqual(from);
          counts.set(`${type} ${Math.floor(ms / everyMs)}`, count);
        }
        const expected = new Map<string, number>();
        for (const [type, within] of points) {
          const ms = HOUR * HOUR_MS + within;
          const key = `${type} ${Math.floor(ms / everyMs)}`;
          if (ms >= from && ms < to) expected.set(key, (expected.get(key) ?? 0) + 1);
        }
        expect(counts).toEqual(expected);
      },
    ),
  );
});
