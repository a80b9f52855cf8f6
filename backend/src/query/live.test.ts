import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { UserpulseError } from '../errors.ts';
import { unlimitedBudget } from './budget.ts';
import type { Series } from './counts.ts';
import { LiveHub, type LiveUpdate } from './live.ts';
import type { SeriesPlan } from './plan.ts';
import type { LiveWindow } from '../../../contract/answers.ts';

/** An InfluxDB that holds events as [time in ms, type], and a clock that stands where it is put. */
class World {
  events: [number, string][] = [];
  nowMs = Date.parse('2026-01-05T10:00:05Z');
  reads = 0;
  failure: Error | undefined;
  seen: (plan: SeriesPlan) => void = () => undefined;
  readonly #mostWindows: number;
  constructor({ mostWindows = Infinity } = {}) {
    this.#mostWindows = mostWindows;
  }
  readonly hub = new LiveHub({
    schema: {},
    now: () => this.nowMs,
    logger: pino({ level: 'silent' }),
    pollMs: 5,
    budget: unlimitedBudget(),
    read: (plan) => {
      this.reads++;
      this.seen(plan);
      if (plan.now.windows.length > this.#mostWindows)
        return Promise.reject(new UserpulseError('answer_too_large', 'Too much.'));
      return this.failure === undefined ? Promise.resolve(this.#series(plan)) : Promise.reject(this.failure);
    },
  });

  #series(plan: SeriesPlan): Series[] {
    const types = plan.types.length > 0 ? plan.types : [...new Set(this.events.map(([, type]) => type))];
    const counts = (type: string): Float64Array =>
      Float64Array.from(
        plan.now.windows,
        (w) => this.events.filter(([ms, t]) => t === type && ms >= w.startMs && ms < w.endMs).length,
      );
    const id = plan.ids[0];
    return types.length === 0
      ? [{ id, type: undefined, counts: new Float64Array(plan.now.windows.length) }]
      : types.map((type) => ({ id, type, counts: counts(type) }));
  }
}

const REQUEST = { preset: 'made', ids: ['7'], types: [], every: '1m', timezone: 'UTC' } as const;
const at = (time: string): number => Date.parse(`2026-01-05T${time}Z`);

/** Takes windows until one satisfies the test; returns all that came. */
async function until(stream: AsyncIterator<LiveUpdate>, test: (w: LiveWindow) => boolean): Promise<LiveWindow[]> {
  const out: LiveWindow[] = [];
  for (;;) {
    const next = await stream.next();
    if (next.done === true) throw new Error('The stream ended.');
    if (next.value.kind === 'gap') throw new Error('There is a gap.');
    out.push(next.value.window);
    if (test(next.value.window)) return out;
  }
}

it('takes as its calculation what a feed can count, and keeps feeds of people apart', async () => {
  const world = new World();
  const stop = new AbortController();
  expect(() => world.hub.subscribe({ ...REQUEST, calc: 'rate' }, stop.signal)).toThrow(
    'calc "rate" cannot be streamed.',
  );
  const first = async (request: object): Promise<LiveWindow[]> =>
    until(world.hub.subscribe({ ...REQUEST, ...request }, stop.signal)[Symbol.asyncIterator](), () => true);
  const asked: string[] = [];
  world.seen = ({ calc, groupBy, pair }) => asked.push(`${calc} ${[...groupBy].join()} ${pair?.join() ?? ''}`);
  await first({});
  await first({ calc: 'unique', groupBy: [] });
  await first({ preset: 'pair', ids: ['7', '8'], direction: 'both' });
  expect(new Set(asked)).toEqual(new Set(['count id,type ', 'unique  ', 'count id,type 7,8']));
  stop.abort();
});

describe('a live stream', () => {
  it('begins with the last windows, dense, and marks the running one', async () => {
    const world = new World();
    world.events = [[at('10:00:01'), 'like']];
    const stop = new AbortController();
    const stream = world.hub.subscribe(REQUEST, stop.signal)[Symbol.asyncIterator]();
    const first = await until(stream, (w) => w.time === at('10:00:00'));
    expect(first.map((w) => [w.id, w.type, w.value, w.partial])).toEqual([
      ['7', 'like', 0, false],
      ['7', 'like', 0, false],
      ['7', 'like', 0, false],
      ['7', 'like', 1, true],
    ]);
    stop.abort();
    await expect(stream.next()).resolves.toMatchObject({ done: true });
  });

  it('sends a window again when it grows, closes, or gets a late event, and a new one as zero', async () => {
    const world = new World();
    world.events = [[at('10:00:01'), 'like']];
    const stop = new AbortController();
    const stream = world.hub.subscribe(REQUEST, stop.signal)[Symbol.asyncIterator]();
    await until(stream, (w) => w.time === at('10:00:00'));
    world.events.push([at('10:00:04'), 'like']);
    expect(await until(stream, () => true)).toEqual([
      { id: '7', type: 'like', time: at('10:00:00'), value: 2, partial: true },
    ]);
    world.nowMs = at('10:01:00');
    expect(await until(stream, (w) => w.time === at('10:01:00'))).toEqual([
      { id: '7', type: 'like', time: at('10:00:00'), value: 2, partial: false },
      { id: '7', type: 'like', time: at('10:01:00'), value: 0, partial: true },
    ]);
    world.events.push([at('09:59:30'), 'like']);
    expect(await until(stream, () => true)).toEqual([
      { id: '7', type: 'like', time: at('09:59:00'), value: 1, partial: false },
    ]);
    stop.abort();
  });

  it('has a series without a type until something happens, then one per type', async () => {
    const world = new World();
    const stop = new AbortController();
    const stream = world.hub.subscribe(REQUEST, stop.signal)[Symbol.asyncIterator]();
    expect((await until(stream, (w) => w.partial)).every((w) => w.type === '' && w.value === 0)).toBe(true);
    world.events.push([at('10:00:04'), 'view']);
    expect((await until(stream, (w) => w.partial)).every((w) => w.type === 'view')).toBe(true);
    stop.abort();
  });

  it('shares one look between equal subscriptions, and stops looking when the last has gone', async () => {
    const world = new World();
    const [a, b] = [new AbortController(), new AbortController()];
    const first = world.hub.subscribe(REQUEST, a.signal)[Symbol.asyncIterator]();
    await until(first, (w) => w.partial);
    const reads = world.reads;
    const second = world.hub.subscribe({ ...REQUEST, ids: [' 7 '] }, b.signal)[Symbol.asyncIterator]();
    // What is known is there at once, without another look.
    await until(second, (w) => w.partial);
    expect(world.reads - reads).toBeLessThanOrEqual(1);
    a.abort();
    await first.next();
    world.events.push([at('10:00:04'), 'view']);
    await until(second, (w) => w.type === 'view');
    b.abort();
    await expect(second.next()).resolves.toMatchObject({ done: true });
    const after = world.reads;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(world.reads).toBe(after);
  });

  it('looks at once when it is woken', async () => {
    const world = new World();
    const hub = new LiveHub({
      schema: {},
      now: () => world.nowMs,
      logger: pino({ level: 'silent' }),
      pollMs: 3_600_000,
      budget: unlimitedBudget(),
      read: (plan) =>
        Promise.resolve([{ id: '7', type: 'like', counts: Float64Array.from(plan.now.windows, () => ++world.reads) }]),
    });
    const stop = new AbortController();
    const stream = hub.subscribe({ ...REQUEST, every: '1h' }, stop.signal)[Symbol.asyncIterator]();
    await until(stream, (w) => w.partial);
    hub.wake();
    expect((await until(stream, (w) => w.partial)).length).toBeGreaterThan(0);
    stop.abort();
  });

  it('throws when InfluxDB fails at the first look, and outlives a later failure', async () => {
    const world = new World();
    world.failure = new UserpulseError('influx_unreachable', 'Gone.');
    const stop = new AbortController();
    await expect(world.hub.subscribe(REQUEST, stop.signal)[Symbol.asyncIterator]().next()).rejects.toThrow('Gone.');
    world.failure = undefined;
    const stream = world.hub.subscribe(REQUEST, stop.signal)[Symbol.asyncIterator]();
    await until(stream, (w) => w.partial);
    world.failure = new UserpulseError('influx_unreachable', 'Gone.');
    const failing = world.reads;
    while (world.reads < failing + 2) await new Promise((resolve) => setTimeout(resolve, 1));
    world.failure = undefined;
    world.events.push([at('10:00:04'), 'view']);
    expect((await until(stream, (w) => w.partial)).at(-1)).toMatchObject({ type: 'view', value: 1 });
    stop.abort();
  });

  it('catches up with what happened while InfluxDB was away, however long', async () => {
    const world = new World();
    const stop = new AbortController();
    world.events = [[at('10:00:01'), 'like']];
    const stream = world.hub.subscribe(REQUEST, stop.signal)[Symbol.asyncIterator]();
    await until(stream, (w) => w.partial);
    world.failure = new UserpulseError('influx_unreachable', 'Gone.');
    const failing = world.reads;
    while (world.reads < failing + 2) await new Promise((resolve) => setTimeout(resolve, 1));
    world.nowMs = at('10:20:00');
    world.events.push([at('10:00:30'), 'like'], [at('10:05:00'), 'like']);
    world.failure = undefined;
    const missed = await until(stream, (w) => w.partial);
    expect(missed.map((w) => w.time)).toEqual(Array.from({ length: 21 }, (_, i) => at('10:00:00') + i * 60_000));
    expect(missed.filter((w) => w.value > 0).map((w) => [w.time, w.value, w.partial])).toEqual([
      [at('10:00:00'), 2, false],
      [at('10:05:00'), 1, false],
    ]);
    stop.abort();
  });

  it('leaves out no window between two looks, however short windows are', async () => {
    const world = new World();
    const stop = new AbortController();
    const stream = world.hub.subscribe({ ...REQUEST, every: '1ms' }, stop.signal)[Symbol.asyncIterator]();
    await until(stream, (w) => w.partial);
    const before = world.nowMs;
    world.nowMs += 700;
    const windows = await until(stream, (w) => w.partial);
    expect(windows.map((w) => w.time)).toEqual(Array.from({ length: 701 }, (_, i) => before + i));
    stop.abort();
  });

  it.each([
    [{ every: 'auto' }, 'definite every'],
    [{ every: '0s' }, 'is zero'],
    [{ preset: 'top', ids: [] }, 'no windows'],
    [{ ids: ['x'] }, 'not a valid user ID'],
    [{ timezone: 'Mars/Olympus' }, 'not known'],
  ])('with %j is refused at once', (over, message) => {
    expect(() => new World().hub.subscribe({ ...REQUEST, ...over }, new AbortController().signal)).toThrow(message);
  });
});

describe('a live stream that goes on', () => {
  const taken = async (stream: AsyncIterable<LiveUpdate>, count: number): Promise<LiveUpdate[]> => {
    const out: LiveUpdate[] = [];
    for await (const update of stream) if (out.push(update) === count) break;
    return out;
  };
  const windowsOf = (updates: readonly LiveUpdate[]): LiveWindow[] =>
    updates.flatMap((update) => (update.kind === 'window' ? [update.window] : []));

  it('tells every window since, changed or not, before anything newer', async () => {
    const world = new World();
    world.events = [[at('09:30:30'), 'like']];
    const stop = new AbortController();
    // Somebody else listens, so that there are windows at hand already.
    await until(world.hub.subscribe(REQUEST, stop.signal)[Symbol.asyncIterator](), (w) => w.partial);
    const since = at('09:40:00');
    const updates = await taken(world.hub.subscribe(REQUEST, stop.signal, since), 24);
    // From three windows before the look that was got last, which may have been cut off, to the running one.
    expect(windowsOf(updates).map((w) => w.time)).toEqual(
      Array.from({ length: 24 }, (_, n) => at('09:37:00') + n * 60_000),
    );
    // Cut off before the last of them, it must not go on from this look.
    expect(updates.map((u) => u.kind === 'window' && u.placeMs)).toEqual([
      ...Array.from({ length: 23 }, () => undefined),
      world.nowMs,
    ]);
    stop.abort();
  });

  it('loses nothing wherever it is cut off, while it catches up too', async () => {
    for (const cut of [1, 5, 33, 34, 60]) {
      const world = new World();
      world.events = Array.from({ length: 30 }, (_, n) => [at('09:30:30') + n * 60_000, 'like']);
      const known = new Map<number, number>();
      let place = at('09:30:00');
      for (const most of [cut, cut, Infinity]) {
        let taken = 0;
        for await (const update of world.hub.subscribe(REQUEST, new AbortController().signal, place)) {
          if (update.kind === 'gap') throw new Error('There is a gap.');
          known.set(update.window.time, update.window.value);
          place = update.placeMs ?? place;
          if (update.window.partial || ++taken === most) break;
        }
        world.nowMs += 2_000;
      }
      const lost = world.events.filter(([ms]) => known.get(ms - 30_000) !== 1);
      expect(lost, `cut off after ${cut}`).toEqual([]);
    }
  });

  it('does not keep the others waiting where catching up is too much', async () => {
    const world = new World({ mostWindows: 500 });
    world.events = [[at('10:00:01'), 'like']];
    const stop = new AbortController();
    const other = world.hub.subscribe(REQUEST, stop.signal)[Symbol.asyncIterator]();
    await until(other, (w) => w.partial);
    const since = world.nowMs - 900 * 60_000;
    await expect(taken(world.hub.subscribe(REQUEST, stop.signal, since), 1)).rejects.toThrow('Too much.');
    world.events.push([at('10:00:02'), 'like']);
    expect(await until(other, () => true)).toMatchObject([{ time: at('10:00:00'), value: 2 }]);
    stop.abort();
  });

  it('says which part it does not tell when it was away for too long', async () => {
    const world = new World();
    const stop = new AbortController();
    const since = world.nowMs - 1_200 * 60_000;
    const [first, ...rest] = await taken(world.hub.subscribe(REQUEST, stop.signal, since), 1_002);
    expect(first).toEqual({ kind: 'gap', fromMs: since, toMs: world.nowMs - 1_000 * 60_000 });
    expect(windowsOf(rest)[0]?.time).toBe(at('10:00:00') - 1_000 * 60_000);
    expect(windowsOf(rest).at(-1)).toMatchObject({ time: at('10:00:00'), partial: true });
    stop.abort();
  });

  it('takes a look in the future for one just now', async () => {
    const world = new World();
    const stop = new AbortController();
    const updates = await taken(world.hub.subscribe(REQUEST, stop.signal, world.nowMs + 3_600_000), 4);
    expect(windowsOf(updates).at(-1)).toMatchObject({ time: at('10:00:00'), partial: true });
    stop.abort();
  });
});
