import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QueryBudget, type BudgetLimits } from './budget.ts';

const MIB = 1_048_576;
const budgetOf = (over: Partial<BudgetLimits> = {}): QueryBudget =>
  new QueryBudget({ maxBytes: 100 * MIB, running: 10, waiting: 10, waitMs: 60_000, ...over });
/** Lets promises that can go on go on. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the budget', () => {
  it('lets so many run and so many bytes be held, and takes the others in the order in which they came', async () => {
    const budget = budgetOf({ running: 2 });
    const order: string[] = [];
    const claims = ['a', 'b', 'c', 'd'].map((name) => {
      const claim = budget.claim();
      return { claim, admitted: claim.admit(60 * MIB).then(() => order.push(name)) };
    });
    await turn();
    expect([order, budget.running, budget.waiting, budget.bytes]).toEqual([['a'], 1, 3, 60 * MIB]);
    for (const { claim, admitted } of claims) {
      await admitted;
      claim.release();
      await turn();
    }
    expect(order).toEqual(['a', 'b', 'c', 'd']);
    expect([budget.running, budget.waiting, budget.bytes]).toEqual([0, 0, 0]);
  });

  it('gives a small request no place before a large one that came first', async () => {
    const budget = budgetOf();
    const [first, large, small] = [budget.claim(), budget.claim(), budget.claim()];
    await first.admit(50 * MIB);
    const waiting = [large.admit(60 * MIB), small.admit(MIB)];
    await turn();
    expect(budget.waiting).toBe(2);
    first.release();
    await Promise.all(waiting);
    expect(budget.bytes).toBe(61 * MIB);
  });

  it('refuses at once what is larger than all of it, and says how to ask for less', async () => {
    const budget = budgetOf();
    await expect(budget.claim().admit(310.5 * MIB)).rejects.toMatchObject({
      code: 'answer_too_large',
      message: "This would take up to 311 MiB of the server's memory, and all queries together have 100 MiB.",
      hint: expect.stringContaining('shorter range, a longer every, fewer ids or named types') as string,
    });
    expect(budget.refused).toEqual({ tooLarge: 1, busy: 0 });
  });

  it('refuses when the line is full, and when the time is up', async () => {
    const budget = budgetOf({ waiting: 1, waitMs: 20 });
    const first = budget.claim();
    await first.admit(100 * MIB);
    const second = budget.claim().admit(1);
    await expect(budget.claim().admit(1)).rejects.toMatchObject({ code: 'overloaded' });
    await expect(second).rejects.toMatchObject({
      code: 'overloaded',
      message: expect.stringContaining('1 queries are running') as string,
    });
    expect(budget.refused).toEqual({ tooLarge: 0, busy: 2 });
    expect(budget.waiting).toBe(0);
  });

  it('lets the others go on when a large one leaves the line', async () => {
    const budget = budgetOf();
    await budget.claim().admit(50 * MIB);
    const leave = new AbortController();
    const large = budget.claim().admit(60 * MIB, leave.signal);
    const small = budget.claim().admit(MIB);
    leave.abort(new Error('left'));
    await expect(large).rejects.toThrow('left');
    await small;
    expect(budget.bytes).toBe(51 * MIB);
  });

  it('grows what is held at once or not at all, and before those in line', async () => {
    const budget = budgetOf();
    const [claim, other] = [budget.claim(), budget.claim()];
    await claim.admit(20 * MIB);
    await other.admit(30 * MIB);
    void budget.claim().admit(70 * MIB);
    claim.grow(50 * MIB);
    expect(() => claim.grow(MIB)).toThrow('The server is busy');
    expect(() => claim.grow(50 * MIB)).toThrow('This would take up to 120 MiB');
    expect([claim.bytes, budget.bytes]).toEqual([70 * MIB, 100 * MIB]);
    claim.shrink(70 * MIB);
    other.release();
    await turn();
    expect(budget.bytes).toBe(70 * MIB);
  });

  it('keeps the bytes until the answer is sent, and the place until the work has ended', async () => {
    const budget = budgetOf();
    const claim = budget.claim();
    const [request, read] = [claim.work(), claim.work()];
    await claim.admit(10 * MIB);
    request();
    request();
    expect([budget.running, budget.bytes]).toEqual([1, 10 * MIB]);
    claim.release();
    expect([budget.running, budget.bytes]).toEqual([1, 10 * MIB]);
    read();
    expect([budget.running, budget.bytes]).toEqual([0, 0]);
    claim.release();
    expect(budget.bytes).toBe(0);
  });

  it('takes from what is only kept', async () => {
    const budget = budgetOf();
    const kept = [10 * MIB, 30 * MIB];
    for (const n of [0, 1])
      budget.addSpare({
        get bytes() {
          return kept[n] ?? 0;
        },
        free: (bytes) => (kept[n] = Math.max(0, (kept[n] ?? 0) - bytes)),
      });
    expect(budget.free).toBe(60 * MIB);
    await budget.claim().admit(65 * MIB);
    expect([...kept, budget.free]).toEqual([5 * MIB, 30 * MIB, 0]);
    await budget.claim().admit(25 * MIB);
    expect([...kept, budget.free]).toEqual([0, 10 * MIB, 0]);
  });
});

describe('whatever requests do', () => {
  type Step =
    | { readonly kind: 'admit'; readonly bytes: number }
    | { readonly kind: 'grow' | 'shrink'; readonly who: number; readonly bytes: number }
    | { readonly kind: 'leave' | 'work' | 'end' | 'release'; readonly who: number };
  const who = fc.nat(20);
  const bytes = fc.integer({ min: 0, max: 130 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    bytes.map((n) => ({ kind: 'admit' as const, bytes: n })),
    fc.record({ kind: fc.constantFrom('grow' as const, 'shrink' as const), who, bytes }),
    fc.record({ kind: fc.constantFrom('leave' as const, 'work' as const, 'end' as const, 'release' as const), who }),
  );

  it('the budget is never passed, and nothing of it is lost', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), async (steps, running) => {
        const budget = budgetOf({ maxBytes: 100, running, waiting: 3 });
        const clients: {
          claim: ReturnType<QueryBudget['claim']>;
          leave: AbortController;
          ends: (() => void)[];
          done: Promise<unknown>;
        }[] = [];
        for (const one of steps) {
          if (one.kind === 'admit') {
            const [claim, leave] = [budget.claim(), new AbortController()];
            const ends = [claim.work()];
            // Those who are refused or leave are through, as an HTTP request is.
            const done = claim.admit(one.bytes, leave.signal).catch(() => {
              claim.release();
              for (const end of ends) end();
            });
            clients.push({ claim, leave, ends, done });
          } else {
            const client = clients[one.who % Math.max(1, clients.length)];
            if (client === undefined) continue;
            switch (one.kind) {
              case 'grow':
                // Only those who run ask for more.
                if (client.claim.bytes > 0)
                  try {
                    client.claim.grow(one.bytes);
                  } catch {
                    // Refused: nothing has changed.
                  }
                break;
              case 'shrink':
                client.claim.shrink(one.bytes);
                break;
              case 'leave':
                client.leave.abort(new Error('left'));
                break;
              case 'work':
                client.ends.push(client.claim.work());
                break;
              case 'end':
                client.ends.at(-1)?.();
                break;
              case 'release':
                client.claim.release();
                break;
              default:
                one satisfies never;
            }
          }
          if (steps.indexOf(one) % 3 === 0) await turn();
          expect(budget.bytes).toBeGreaterThanOrEqual(0);
          expect(budget.bytes).toBeLessThanOrEqual(100);
          expect(budget.running).toBeLessThanOrEqual(running);
        }
        for (const { claim, leave, ends, done } of clients) {
          leave.abort(new Error('left'));
          claim.release();
          for (const end of ends) end();
          await done;
        }
        expect([budget.bytes, budget.running, budget.waiting]).toEqual([0, 0, 0]);
      }),
    );
  });
});
