import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteBudget, segmentToSeal, type Reservation } from './byte-budget.ts';

const never = new AbortController().signal;
/** Whether a promise has resolved, after everything that could run has run. */
const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  await new Promise((resolve) => setImmediate(resolve));
  return done;
};

describe('ByteBudget', () => {
  it('lets readers in in the order they came, as bytes are freed', async () => {
    const budget = new ByteBudget(100);
    const first = await budget.reserve(80, never);
    const second = budget.reserve(50, never);
    const third = budget.reserve(10, never);
    expect(await settled(third)).toBe(false);
    first.release(40);
    expect(await settled(second)).toBe(true);
    expect(await settled(third)).toBe(true);
    expect(budget.used).toBe(100);
  });

  it('takes from the whole what it takes as a part of it, and gives both back', async () => {
    const whole = new ByteBudget(100);
    const part = new ByteBudget(50, undefined, whole);
    await part.reserve(40, never);
    const five = part.hold(5);
    expect([part.used, whole.used]).toEqual([45, 45]);
    whole.hold(50);
    const stop = new AbortController();
    const quitter = part.reserve(5, stop.signal);
    five.release();
    expect(await settled(quitter)).toBe(true);
    const waiting = part.reserve(10, stop.signal);
    expect(await settled(waiting)).toBe(false);
    stop.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    expect([part.used, whole.used]).toEqual([45, 95]);
  });

  it('lets in what is larger than the whole budget when nothing else is held', async () => {
    const budget = new ByteBudget(100);
    const small = await budget.reserve(1, never);
    const large = budget.reserve(1_000, never);
    expect(await settled(large)).toBe(false);
    small.release();
    expect(await settled(large)).toBe(true);
  });

  it('forgets whoever gives up waiting, and lets the next one in', async () => {
    const budget = new ByteBudget(100);
    await budget.reserve(90, never);
    const stop = new AbortController();
    const quitter = budget.reserve(50, stop.signal);
    const small = budget.reserve(10, never);
    expect(await settled(small)).toBe(false);
    const reason = new Error('stopped');
    stop.abort(reason);
    await expect(quitter).rejects.toBe(reason);
    expect(await settled(small)).toBe(true);
    expect(budget.waiters).toBe(0);
    expect(budget.used).toBe(100);
  });

  it('notices when more is released than was held', () => {
    const budget = new ByteBudget(100);
    budget.hold(50);
    expect(() => budget.hold().release(1)).toThrow(RangeError);
    expect(budget.used).toBe(50);
  });

  it('says that it is short when someone begins to wait, and as long as what is released is not enough', async () => {
    let told = 0;
    const budget = new ByteBudget(100, () => told++);
    const first = await budget.reserve(90, never);
    expect(told).toBe(0);
    const waiting = budget.reserve(50, never);
    expect(told).toBe(1);
    first.release(10);
    expect(told).toBe(2);
    first.release(80);
    await waiting;
    expect(told).toBe(2);
  });
});

describe('Reservation', () => {
  it('shrinks to the page that came at once, and hands what is left to the next in line', async () => {
    const budget = new ByteBudget(100);
    const page = await budget.reserve(80, never);
    const next = budget.reserve(50, never);
    await page.resize(50, never);
    await next;
    expect([page.bytes, budget.used]).toEqual([50, 100]);
  });

  it('waits where the page is larger than was expected, before those who have not read yet', async () => {
    const budget = new ByteBudget(100);
    const queued = await budget.reserve(70, never);
    const page = await budget.reserve(20, never);
    const unread = budget.reserve(10, never);
    const resized = page.resize(60, never);
    // It gives way to nobody, though what it had held would be enough for the other.
    expect(await settled(unread)).toBe(true);
    const late = budget.reserve(1, never);
    expect(await settled(resized)).toBe(false);
    queued.release(40);
    expect(await settled(resized)).toBe(true);
    expect(await settled(late)).toBe(false);
    expect([page.bytes, budget.used]).toEqual([60, 100]);
  });

  it('holds nothing once its wait was given up', async () => {
    const whole = new ByteBudget(200);
    const part = new ByteBudget(100, undefined, whole);
    await part.reserve(70, never);
    const page = await part.reserve(20, never);
    const stop = new AbortController();
    const resized = page.resize(60, stop.signal);
    stop.abort(new Error('stopped'));
    await expect(resized).rejects.toThrow('stopped');
    expect([page.bytes, part.used, whole.used]).toEqual([0, 70, 70]);
  });

  it('takes over all that another one holds', async () => {
    const budget = new ByteBudget(100);
    const shard = budget.hold();
    shard.absorb(await budget.reserve(30, never));
    shard.absorb(await budget.reserve(40, never));
    expect([shard.bytes, budget.used]).toEqual([70, 70]);
    shard.release(70);
    expect(budget.used).toBe(0);
    expect(() => shard.absorb(new ByteBudget(100).hold(1))).toThrow('different budgets');
  });

  it('never lets the limit be passed but by one page larger than the whole of it, and leaves nobody waiting for ever', async () => {
    const step = fc.record({
      shard: fc.nat({ max: 4 }),
      expected: fc.integer({ min: 1, max: 40 }),
      came: fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 60 }) }, fc.integer({ min: 61, max: 300 })),
      // How much of what its shard holds is written before.
      written: fc.constantFrom(0, 0.5, 1),
      stopped: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const whole = new ByteBudget(100);
        const part = new ByteBudget(60, undefined, whole);
        const shards = Array.from({ length: 5 }, () => part.hold());
        const readers = shards.map(() => Promise.resolve());
        /** What is wanted for a page that is no shard's yet. */
        const wanted = new Set<{ readonly bytes: number }>();
        const expectBound = (): void => {
          for (const budget of [part, whole]) {
            const largest = Math.max(0, ...[...wanted].map(({ bytes }) => bytes));
            const over = budget.used > budget.maxBytes;
            expect(budget.used).toBeLessThanOrEqual(over ? largest : budget.maxBytes);
          }
        };
        const read = async (shard: Reservation, expected: number, came: number, signal: AbortSignal): Promise<void> => {
          const page = await part.reserve(expected, signal);
          const want = { bytes: came };
          wanted.add(want);
          expectBound();
          await new Promise((resolve) => setImmediate(resolve));
          await page.resize(came, signal);
          expectBound();
          // Its records are the shard's from now on; a page larger than the limit stands alone until it is written.
          if (came <= 60) shard.absorb(page);
          else await new Promise((resolve) => setImmediate(resolve)).then(() => page.release());
          wanted.delete(want);
        };
        for (const { shard, expected, came, written, stopped } of steps) {
          const held = shards[shard]!;
          held.release(Math.floor(held.bytes * written));
          const stop = new AbortController();
          readers[shard] = readers[shard]!.then(() => read(held, expected, came, stop.signal).catch(() => undefined));
          if (stopped) setImmediate(() => setImmediate(() => stop.abort(new Error('stopped'))));
          await new Promise((resolve) => setImmediate(resolve));
          expectBound();
        }
        // The sinks go on.
        const all = Promise.all(readers);
        let turns = 0;
        for (; turns < 1_000 && !(await settled(all)); turns++) {
          for (const held of shards) held.release();
          expectBound();
        }
        expect(turns).toBeLessThan(1_000);
        for (const held of shards) held.release();
        expect([part.used, whole.used, part.waiters, whole.waiters]).toEqual([0, 0, 0, 0]);
      }),
    );
  });
});

describe('segmentToSeal', () => {
  const held = (openBytes: number, queuedBytes = 0, sealing = false) => ({ openBytes, queuedBytes, sealing });

  it.each([
    ['nothing while there is room', [held(10), held(20)], 0, undefined],
    ['the largest when open segments hold more than half', [held(10), held(45), held(5)], 0, 1],
    ['none that waits for the one before it', [held(30), held(60, 0, true)], 0, 0],
    ['the largest when someone waits and only open segments are left', [held(10), held(20)], 1, 1],
    ['nothing when queued bytes will be freed by the sinks', [held(10, 50), held(20)], 1, undefined],
    ['nothing when sealed bytes will be freed by the archive', [held(10), held(20, 0, true)], 1, undefined],
    ['nothing when nothing is open', [held(0, 100)], 3, undefined],
  ])('seals %s', (_, shards, waiters, expected) => {
    expect(segmentToSeal(shards, { maxBytes: 100, waiters })).toBe(expected);
  });

  it('never leaves someone waiting with nothing under way', () => {
    const shard = fc.record({
      openBytes: fc.integer({ min: 0, max: 100 }),
      queuedBytes: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100 })),
      sealing: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(shard, { minLength: 1 }), (shards) => {
        const stuck =
          segmentToSeal(shards, { maxBytes: 100, waiters: 1 }) === undefined &&
          shards.every((s) => s.queuedBytes === 0 && !s.sealing) &&
          shards.some((s) => s.openBytes > 0);
        expect(stuck).toBe(false);
      }),
    );
  });
});
