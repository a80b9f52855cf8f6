import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteBudget } from './byte-budget.ts';
import { segmentToSeal } from '../ingest/pressure.ts';

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
    await budget.reserve(80, never);
    const second = budget.reserve(50, never);
    const third = budget.reserve(10, never);
    expect(await settled(third)).toBe(false);
    budget.release(40);
    expect(await settled(second)).toBe(true);
    expect(await settled(third)).toBe(true);
    expect(budget.used).toBe(100);
  });

  it('takes from the whole what it takes as a part of it, and gives both back', async () => {
    const whole = new ByteBudget(100);
    const part = new ByteBudget(50, undefined, whole);
    await part.reserve(40, never);
    part.charge(5);
    expect([part.used, whole.used]).toEqual([45, 45]);
    whole.charge(50);
    const stop = new AbortController();
    const quitter = part.reserve(5, stop.signal);
    part.release(5);
    expect(await settled(quitter)).toBe(true);
    const waiting = part.reserve(10, stop.signal);
    expect(await settled(waiting)).toBe(false);
    stop.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    expect([part.used, whole.used]).toEqual([45, 95]);
  });

  it('lets in what is larger than the whole budget when nothing else is held', async () => {
    const budget = new ByteBudget(100);
    await budget.reserve(1, never);
    const large = budget.reserve(1_000, never);
    expect(await settled(large)).toBe(false);
    budget.release(1);
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
    expect(() => new ByteBudget(100).release(1)).toThrow(RangeError);
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
