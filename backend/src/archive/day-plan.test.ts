import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ArchiveReader } from './archive-reader.ts';
import { cutDay, DAY_SECONDS, planDays } from './day-plan.ts';

describe('cutDay', () => {
  it('covers the day without gaps, and cuts only where a slice would hold too much', () => {
    const counts = fc.array(fc.tuple(fc.nat(DAY_SECONDS - 1), fc.nat(50)), { maxLength: 60 });
    fc.assert(
      fc.property(counts, (seconds) => {
        const perSecond = new Uint32Array(DAY_SECONDS);
        for (const [second, count] of seconds) perSecond[second] = count;
        const slices = cutDay(perSecond, 100);
        expect(slices[0]!.from).toBe(0);
        expect(slices.at(-1)!.to).toBe(DAY_SECONDS);
        const held = slices.map(({ from, to }) => perSecond.subarray(from, to).reduce((sum, n) => sum + n, 0));
        slices.slice(1).forEach(({ from }, n) => {
          expect(slices[n]!.to).toBe(from);
          expect(held[n]! + perSecond[from]!).toBeGreaterThan(100);
        });
        for (const events of held) expect(events).toBeLessThanOrEqual(100);
      }),
      { numRuns: 30 },
    );
  });

  it('leaves a second whole that holds more than a slice may', () => {
    const perSecond = new Uint32Array(DAY_SECONDS);
    perSecond.set([5, 500, 5], 10);
    expect(cutDay(perSecond, 100)).toEqual([
      { from: 0, to: 11 },
      { from: 11, to: 12 },
      { from: 12, to: DAY_SECONDS },
    ]);
  });
});

describe('planDays', () => {
  const reader = (keys: readonly string[]): ArchiveReader => ({
    url: 'model://archive',
    // eslint-disable-next-line @typescript-eslint/require-await
    list: async function* (from, to) {
      for (const key of [...keys].sort()) if (key >= from && key < to) yield { key, bytes: 10, version: '1' };
    },
    read: () => {
      throw new Error('Nothing is read.');
    },
    slice: () => Promise.reject(new Error('Nothing is read.')),
  });
  const go = new AbortController().signal;
  const key = (day: string, shard: number, first: number): string =>
    `2012/07/${day}/shardId-00${shard}-${first}-${first + 9}.ndjson.gz`;

  it('orders the objects of a day by their first record, as a number, over all shards', async () => {
    const keys = [key('01', 1, 9), key('01', 0, 100), key('01', 0, 20), key('02', 0, 5), key('03', 0, 1)];
    const { days } = await planDays(reader(keys), { from: 15_522, to: 15_523 }, new Set(), go);
    expect(days.map((day) => day.objects.map((o) => o.key))).toEqual([
      [key('01', 1, 9), key('01', 0, 20), key('01', 0, 100)],
      [key('02', 0, 5)],
    ]);
    expect(days[0]!.bytes).toBe(30);
  });

  it('tells a day with another object from what it was, and leaves out what is asked for and what is foreign', async () => {
    const days = { from: 15_522, to: 15_522 };
    const two = [key('01', 0, 1), key('01', 0, 20)];
    const plan = async (keys: readonly string[], without: readonly string[] = []) =>
      planDays(reader(keys), days, new Set(without), go);
    const before = await plan(two);
    expect((await plan([...two, '2012/07/01/notes.txt'])).foreign).toEqual(['2012/07/01/notes.txt']);
    expect((await plan(two)).days[0]!.digest).toBe(before.days[0]!.digest);
    expect((await plan(two, [two[0]!])).days[0]!.digest).not.toBe(before.days[0]!.digest);
    expect((await plan(two, [two[0]!])).days[0]!.objects).toHaveLength(1);
  });

  it('names what only a table holds, and takes a day for the same before and after its objects were removed', async () => {
    const keys = [key('01', 1, 9), key('01', 0, 100), key('01', 0, 20), key('02', 0, 5)];
    const days = { from: 15_522, to: 15_523 };
    const held = new Map([[15_522, keys.slice(0, 3)]]);
    const plan = async (listed: readonly string[], without: readonly string[] = []) =>
      (await planDays(reader(listed), days, new Set(without), go, held)).days;
    const before = await plan(keys);
    expect(before.map(({ removed }) => removed)).toEqual([[], []]);
    const after = await plan([key('01', 0, 20)]);
    expect(after).toHaveLength(1);
    expect(after[0]).toMatchObject({
      digest: before[0]!.digest,
      removed: [key('01', 1, 9), key('01', 0, 100)],
      bytes: 10,
    });
    expect((await plan([], [key('01', 1, 9)]))[0]!.removed).toEqual([key('01', 0, 20), key('01', 0, 100)]);
  });
});
