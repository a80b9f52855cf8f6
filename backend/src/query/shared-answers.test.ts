import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { QueryBudget } from './budget.ts';
import { CLOSED_AFTER_MS, SharedAnswers, type Question } from './shared-answers.ts';

const NOW = Date.parse('2026-01-31T12:00:00Z');
const CLOSED = NOW - CLOSED_AFTER_MS;
const MIB = 1_048_576;

/** Answers over an InfluxDB whose reads end when told to. */
class World {
  readonly budget = new QueryBudget({ maxBytes: 8 * MIB, running: 100, waiting: 0, waitMs: 1 });
  readonly answers: SharedAnswers;
  readonly reads: { readonly signal: AbortSignal; end(value: string): void; fail(error: Error): void }[] = [];

  constructor(keepMs = 30_000) {
    this.answers = new SharedAnswers({ keepMs, budget: this.budget, now: () => Date.now() });
  }

  question(key = 'a', over: Partial<Question<string>> = {}): Question<string> {
    return {
      key,
      toMs: CLOSED,
      bytesOf: (value) => value.length,
      read: (signal) =>
        new Promise((resolve, reject) => {
          this.reads.push({ signal, end: resolve, fail: reject });
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        }),
      ...over,
    };
  }

  /** Asks as a client of its own. */
  ask(question = this.question(), { fresh = false, signal = new AbortController().signal } = {}) {
    const claim = this.budget.claim();
    return this.answers.ask(question, { signal, claim, fresh }).finally(() => claim.release());
  }

  async answered(question = this.question(), value = 'x'): Promise<void> {
    const asked = this.ask(question);
    await vi.advanceTimersByTimeAsync(0);
    this.reads.at(-1)?.end(value);
    await asked;
  }
}

beforeEach(() => vi.useFakeTimers({ now: NOW }));
afterEach(() => vi.useRealTimers());
const turn = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe('questions that several ask at once', () => {
  it('are asked once, and each gets the answer', async () => {
    const world = new World();
    const all = [world.ask(), world.ask(), world.ask(world.question('b'))];
    await turn();
    expect(world.reads).toHaveLength(2);
    world.reads[0]?.end('one');
    world.reads[1]?.end('two');
    expect((await Promise.all(all)).map(({ value }) => value)).toEqual(['one', 'one', 'two']);
    expect(world.answers.counts).toEqual({ read: 2, shared: 1, kept: 0 });
  });

  it('go on when one of them leaves, even the first', async () => {
    const world = new World();
    const leave = new AbortController();
    const [first, second] = [world.ask(world.question(), { signal: leave.signal }), world.ask()];
    await turn();
    leave.abort(new Error('left'));
    await expect(first).rejects.toThrow('left');
    world.reads[0]?.end('one');
    expect((await second).value).toBe('one');
  });

  it('fail for all, and are asked again afterwards', async () => {
    const world = new World();
    const all = [world.ask(), world.ask()];
    await turn();
    world.reads[0]?.fail(new Error('away'));
    for (const { status } of await Promise.allSettled(all)) expect(status).toBe('rejected');
    await world.answered();
    expect(world.reads).toHaveLength(2);
  });

  it('are not shared with one who wants its own answer', async () => {
    const world = new World();
    await world.answered();
    const own = world.ask(world.question(), { fresh: true });
    await turn();
    world.reads[1]?.end('new');
    expect(await own).toEqual({ value: 'new', ageMs: 0 });
  });
});

describe('a question that all have left', () => {
  const leaving = async (world: World, question: Question<string>): Promise<void> => {
    const leave = new AbortController();
    const asked = world.ask(question, { signal: leave.signal });
    await turn();
    leave.abort(new Error('left'));
    await expect(asked).rejects.toThrow('left');
  };

  it('about a closed range is read to its end, for a dashboard that asks again every five seconds', async () => {
    const world = new World();
    for (let refresh = 0; refresh < 4; refresh++) {
      await leaving(world, world.question());
      await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(world.reads).toHaveLength(1);
    world.reads[0]?.end('slow');
    await turn();
    expect(await world.ask()).toEqual({ value: 'slow', ageMs: 20_000 });
    expect(world.answers.reading).toBe(0);
  });

  it('about a range that is not closed is given up, unless it is asked again within two seconds', async () => {
    const world = new World();
    const open = world.question('a', { toMs: NOW });
    await leaving(world, open);
    await vi.advanceTimersByTimeAsync(1_900);
    await leaving(world, open);
    expect(world.reads[0]?.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(world.reads[0]?.signal.aborted).toBe(true);
    expect(world.answers.reading).toBe(0);
    await leaving(world, open);
    expect(world.reads).toHaveLength(2);
  });

  it('keeps what its asker claimed until the read has ended', async () => {
    const world = new World();
    const claim = world.budget.claim();
    const leave = new AbortController();
    await claim.admit(MIB);
    const asked = world.answers.ask(world.question(), { signal: leave.signal, claim, fresh: false });
    await turn();
    leave.abort(new Error('left'));
    await expect(asked).rejects.toThrow('left');
    claim.release();
    expect(world.budget.bytes).toBe(MIB);
    world.reads[0]?.end('x');
    await turn();
    expect(world.budget.bytes).toBe(0);
  });
});

describe('an answer', () => {
  it('about a closed range is given again for as long as was set, with its age', async () => {
    const world = new World(30_000);
    await world.answered();
    await vi.advanceTimersByTimeAsync(29_999);
    expect(await world.ask()).toEqual({ value: 'x', ageMs: 29_999 });
    await vi.advanceTimersByTimeAsync(1);
    await world.answered();
    expect(world.answers.counts).toEqual({ read: 2, shared: 0, kept: 1 });
  });

  it.each([
    ['about a range that ended less than an hour ago', 30_000, CLOSED + 1],
    ['where nothing is to be kept', 0, CLOSED],
  ])('%s is read each time', async (_, keepMs, toMs) => {
    const world = new World(keepMs);
    const question = world.question('a', { toMs });
    await world.answered(question);
    await world.answered(question);
    expect(world.answers.counts).toEqual({ read: 2, shared: 0, kept: 0 });
    expect(world.answers.bytes).toBe(0);
  });

  it('makes room for requests, and takes a quarter of the budget at most', async () => {
    const world = new World();
    for (let i = 0; i < 10; i++) await world.answered(world.question(`q${i}`), 'x'.repeat(MIB / 2));
    expect(world.answers.bytes).toBeLessThanOrEqual(2 * MIB);
    expect(world.answers.bytes).toBeGreaterThan(MIB);
    await world.answered(world.question('large'), 'x'.repeat(3 * MIB));
    expect(world.answers.bytes).toBeLessThanOrEqual(2 * MIB);
    await world.budget.claim().admit(8 * MIB);
    expect(world.answers.bytes).toBe(0);
    await world.answered(world.question('none'), 'x');
    expect(world.answers.bytes).toBe(0);
  });
});

it('whoever asks, leaves and answers, nothing of the budget is lost, and no read goes on without end', async () => {
  type Step = { readonly kind: 'ask' | 'leave' | 'answer' | 'fail' | 'wait'; readonly n: number };
  const steps = fc.array(
    fc.record<Step>({ kind: fc.constantFrom('ask', 'leave', 'answer', 'fail', 'wait'), n: fc.nat(7) }),
    { maxLength: 50 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const world = new World();
      const clients: { leave: AbortController; done: Promise<unknown> }[] = [];
      for (const { kind, n } of all) {
        switch (kind) {
          case 'ask': {
            const [claim, leave] = [world.budget.claim(), new AbortController()];
            const question = world.question(`q${n >> 1}`, { toMs: n % 2 === 0 ? CLOSED : NOW + CLOSED_AFTER_MS });
            const ask = async (): Promise<void> => {
              const end = claim.work();
              try {
                await claim.admit(1_000, leave.signal);
                await world.answers.ask(question, { signal: leave.signal, claim, fresh: n === 7 });
              } catch {
                // Left, or failed.
              } finally {
                end();
                claim.release();
              }
            };
            clients.push({ leave, done: ask() });
            break;
          }
          case 'leave':
            clients[n]?.leave.abort(new Error('left'));
            break;
          case 'answer':
            world.reads[n]?.end('x'.repeat(n));
            break;
          case 'fail':
            world.reads[n]?.fail(new Error('away'));
            break;
          case 'wait':
            await vi.advanceTimersByTimeAsync(n * 500);
            break;
          default:
            kind satisfies never;
        }
        await turn();
        expect(world.budget.bytes).toBeLessThanOrEqual(8 * MIB);
      }
      for (const { leave } of clients) leave.abort(new Error('left'));
      await Promise.all(clients.map(({ done }) => done));
      for (const read of world.reads) read.end('x');
      await vi.advanceTimersByTimeAsync(2_000);
      expect([world.budget.bytes, world.budget.running, world.answers.reading]).toEqual([0, 0, 0]);
    }),
    { numRuns: 200 },
  );
});
