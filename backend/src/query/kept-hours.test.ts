import { beforeEach, describe, expect, it } from 'vitest';
import { HOUR_MS } from '../schema/hour-marks.ts';
import { QueryBudget } from './budget.ts';
import { KeptHours } from './kept-hours.ts';
import { KeptLists } from './kept-lists.ts';
import { partsOf } from './kept-parts.ts';

const MIB = 1_048_576;
const FIRST = 491_208;
const SPAN = { first: FIRST, end: FIRST + 4 };
const MINUTE_MS = 60_000;

let nowMs = 0;
/** Look since which each hour is sealed. */
let since = new Map<number, number>();
let number = 1;
beforeEach(() => {
  nowMs = FIRST * HOUR_MS;
  number = 1;
  since = new Map([0, 1, 2, 3].map((at) => [FIRST + at, 1]));
});
const seals = {
  sealedSince: (hour: number) => since.get(hour),
  get number() {
    return number;
  },
};

function world(maxBytes = 8 * MIB) {
  const budget = new QueryBudget({ maxBytes, running: 10, waiting: 0, waitMs: 1 });
  return { budget, kept: new KeptHours(seals, budget, () => nowMs) };
}

/** Keeps a count in each hour. */
function keep(kept: KeptHours, key = 'a', rows = 1): void {
  const draft = kept.draft(key, [SPAN], MINUTE_MS);
  for (let hour = SPAN.first; hour < SPAN.end; hour++)
    for (let n = 0; n < rows; n++) draft.add(`type${n % 2}`, hour * HOUR_MS + n * MINUTE_MS + 7, n + 1);
  draft.keep();
}

function read(kept: KeptHours, key = 'a'): [string, number, number][] {
  const out: [string, number, number][] = [];
  kept.read(key, kept.valid(key, SPAN), MINUTE_MS, (type) => (ms, count) => out.push([type, ms, count]));
  return out;
}

describe('kept hours', () => {
  it('give back what was read, by grain', () => {
    const { kept } = world();
    keep(kept, 'a', 2);
    expect(read(kept).slice(0, 2)).toEqual([
      ['type0', FIRST * HOUR_MS, 1],
      ['type1', FIRST * HOUR_MS + MINUTE_MS, 2],
    ]);
    expect(kept.most('a', [FIRST, FIRST + 1])).toBe(3);
  });

  it('are those that were sealed before they were read, and have the same seal since', () => {
    const { kept } = world();
    since.delete(FIRST + 1);
    keep(kept);
    since.set(FIRST + 1, 1);
    expect([...kept.valid('a', SPAN)]).toEqual([FIRST, FIRST + 2, FIRST + 3]);
    number = 2;
    since.set(FIRST + 2, 2);
    expect([...kept.valid('a', SPAN)]).toEqual([FIRST, FIRST + 3]);
    keep(kept);
    expect(kept.valid('a', SPAN).length).toBe(4);
  });

  it('are forgotten after an hour, because who deletes by hand marks nothing', () => {
    const { kept } = world();
    keep(kept);
    nowMs += HOUR_MS;
    expect(kept.valid('a', SPAN).length).toBe(4);
    nowMs += 1;
    expect(kept.valid('a', SPAN).length).toBe(0);
    expect(kept.bytes).toBe(0);
  });

  it('take a quarter of the budget at most, and the series that was asked for longest ago goes first', () => {
    const { kept } = world(64 * 1_024);
    for (let n = 0; n < 40; n++) {
      keep(kept, `series ${n}`);
      expect(kept.bytes).toBeLessThanOrEqual(16 * 1_024);
      expect(kept.valid('series 0', SPAN).length).toBe(4);
    }
    expect(kept.valid('series 1', SPAN).length).toBe(0);
  });

  it('give way to requests, drafts too', async () => {
    const { kept, budget } = world(64 * 1_024);
    keep(kept);
    const draft = kept.draft('b', [SPAN], MINUTE_MS);
    for (let n = 0; n < 60; n++) draft.add('like', FIRST * HOUR_MS + n * MINUTE_MS, 1);
    expect(kept.bytes).toBeGreaterThan(2_000);
    await budget.claim().admit(64 * 1_024);
    expect(kept.bytes).toBe(0);
    draft.add('like', FIRST * HOUR_MS, 1);
    draft.keep();
    expect([kept.bytes, kept.valid('b', SPAN).length, budget.free]).toEqual([0, 0, 0]);
  });

  it('of a series that does not fit are not kept', () => {
    const { kept } = world(16 * 1_024);
    keep(kept, 'a', 60);
    expect([kept.bytes, kept.valid('a', SPAN).length]).toEqual([0, 0]);
  });
});

it('kept lists are those of their seal, and bounded', () => {
  const { budget } = world(64 * 1_024);
  const lists = new KeptLists(budget, () => nowMs);
  const list = { hour: FIRST, seal: 'aa', type: 'like', bound: 0, ids: [{ id: '88', count: 5 }] };
  lists.keepList('made', list);
  expect(lists.list('made', FIRST, 'like', 'aa')).toBe(list);
  expect(lists.list('received', FIRST, 'like', 'aa')).toBeUndefined();
  expect(lists.list('made', FIRST, 'like', 'bb')).toBeUndefined();
  expect(lists.bytes).toBe(0);
  for (let n = 0; n < 100; n++) lists.keepList('made', { ...list, hour: FIRST + n });
  expect(lists.bytes).toBeLessThanOrEqual(8 * 1_024);
  nowMs += HOUR_MS + 1;
  expect(lists.list('made', FIRST + 99, 'like', 'aa')).toBeUndefined();
  lists.keepList('made', list);
  expect(lists.bytes).toBe(256 + 96);
  lists.free(Infinity);
  expect(lists.bytes).toBe(0);
});

it('kept lists are added up once, until one of them is another', () => {
  const { budget } = world(64 * 1_024);
  const lists = new KeptLists(budget, () => nowMs);
  const list = (hour: number, seal: string) => ({
    hour,
    seal,
    type: 'like',
    bound: 1,
    ids: [{ id: '88', count: hour }],
  });
  const [a, b, c] = [list(1, 'aa'), list(2, 'aa'), list(2, 'bb')];
  const sum = lists.sum('made', [], [a, b]);
  expect([sum.sorted, sum.bounds]).toEqual([[['88', { count: 3, bounds: 2 }]], 2]);
  expect(lists.sum('made', [], [a, b])).toBe(sum);
  expect(lists.bytes).toBeGreaterThan(sum.bytes);
  expect(lists.sum('made', [], [a, c])).not.toBe(sum);
  expect(lists.sum('made', [], [a]).bounds).toBe(1);
  expect(lists.sum('received', [], [a, c])).not.toBe(lists.sum('made', [], [a, c]));
});

describe('hours can be kept', () => {
  const range = { fromMs: FIRST * HOUR_MS + 1, toMs: (FIRST + 10) * HOUR_MS };
  const grainOf = (everyMs: number | null, offsetMs = 0): number | undefined => {
    const grain = everyMs === null ? null : { everyMs, offsetMs };
    const stream = { kind: 'counts', name: 'a', preset: 'made', ids: ['88'], types: [], ...range, grain } as const;
    return partsOf([{ ...range, windows: [], streams: [stream] }])?.[0]?.stream.grain.everyMs;
  };

  it.each([
    [null, 0, HOUR_MS],
    [HOUR_MS, 0, HOUR_MS],
    [600_000, 0, 600_000],
    [60_000, 0, 60_000],
    [24 * HOUR_MS, 18.5 * HOUR_MS, HOUR_MS / 2],
    [24 * HOUR_MS, 0, HOUR_MS],
    [2 * HOUR_MS, HOUR_MS, HOUR_MS],
    [600_000, 60_000, undefined],
    [420_000, 0, undefined],
    [1_700, 0, undefined],
  ])('of windows of %s ms from %s ms by grains of %s ms', (everyMs, offsetMs, grain) =>
    expect(grainOf(everyMs, offsetMs)).toBe(grain),
  );
});
