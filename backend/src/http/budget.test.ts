import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { QueryBudget } from '../query/budget.ts';
import type { Call } from '../query/service.ts';
import { listen } from './listen.ts';
import { AUTHORIZED, fakeService, testServer } from './testing.ts';
import type { App } from './v1.ts';

const MIB = 1_048_576;
const budgetOf = (waiting = 0): QueryBudget =>
  new QueryBudget({ maxBytes: 100 * MIB, running: 10, waiting, waitMs: 60_000 });
const TYPES = { url: '/v1/types', headers: AUTHORIZED };

/** A server whose /v1/types takes so many bytes, and answers when told to. */
async function serverOf(
  budget: QueryBudget,
  bytes: number,
  types: readonly string[] = [],
): Promise<{ app: App; asked: Call[]; answer: () => void }> {
  const asked: Call[] = [];
  let answer = (): void => undefined;
  const told = new Promise<void>((resolve) => (answer = resolve));
  const app = await testServer({
    budget,
    service: fakeService({
      types: async (_input, call = {}) => {
        asked.push(call);
        const end = call.claim?.work();
        try {
          await call.claim?.admit(bytes, call.signal);
          await told;
          return { types, ageMs: 0 };
        } finally {
          end?.();
        }
      },
    }),
  });
  return { app, asked, answer };
}

describe('a request that does not fit', () => {
  it('beside others gets a 429 with Retry-After, and the others their answers', async () => {
    const budget = budgetOf();
    const { app, answer } = await serverOf(budget, 60 * MIB);
    const first = app.inject(TYPES);
    await expect.poll(() => budget.bytes).toBe(60 * MIB);
    const second = await app.inject(TYPES);
    expect(second.statusCode).toBe(429);
    expect(second.headers['retry-after']).toBe('1');
    expect(second.json()).toEqual({
      error: {
        code: 'overloaded',
        message:
          'The server is busy: 1 queries are running and 0 are waiting, with 60 MiB of 100 MiB of memory in use. Try again in a moment, or ask for less at a time.',
      },
    });
    const { body: metrics } = await app.inject('/metrics');
    for (const line of [
      'userpulse_queries_running 1',
      `userpulse_query_bytes ${60 * MIB}`,
      'userpulse_queries_refused_total{reason="busy"} 1',
      'userpulse_queries_refused_total{reason="too_large"} 0',
      'userpulse_query_answers_total{source="kept"} 0',
    ])
      expect(metrics).toContain(line);
    answer();
    expect((await first).statusCode).toBe(200);
    expect([budget.bytes, budget.running]).toEqual([0, 0]);
  });

  it('alone gets a 413, and the metrics say so as often as they are asked', async () => {
    const budget = budgetOf();
    const { app } = await serverOf(budget, 200 * MIB);
    const { statusCode, body } = await app.inject(TYPES);
    expect([statusCode, body]).toEqual([413, expect.stringContaining('"code":"answer_too_large"')]);
    expect(body).toContain('USERPULSE_QUERY_MAX_BYTES');
    for (let i = 0; i < 2; i++)
      expect((await app.inject('/metrics')).body).toContain('userpulse_queries_refused_total{reason="too_large"} 1');
    expect(budget.bytes).toBe(0);
  });
});

describe('what a request holds is free again', () => {
  it('when its client leaves in line, or while it runs', async () => {
    const budget = budgetOf(1);
    const { app, asked, answer } = await serverOf(budget, 60 * MIB);
    const url = await listen(app, { host: '127.0.0.1', port: 0 });
    try {
      const leave = new AbortController();
      const ask = (): Promise<unknown> =>
        fetch(`${url}/v1/types`, { headers: AUTHORIZED, signal: leave.signal }).catch(() => 'left');
      const both = [ask(), ask()];
      await expect.poll(() => [budget.running, budget.waiting]).toEqual([1, 1]);
      leave.abort();
      await Promise.all(both);
      await expect.poll(() => asked.every(({ signal }) => signal?.aborted)).toBe(true);
      await expect.poll(() => budget.waiting).toBe(0);
      // The work itself has not ended, so that it still holds what it took.
      expect(budget.bytes).toBe(60 * MIB);
      answer();
      await expect.poll(() => [budget.bytes, budget.running]).toEqual([0, 0]);
    } finally {
      await app.close();
    }
  });

  it('when a client has taken its answer, and not before', async () => {
    const budget = budgetOf();
    const { app, answer } = await serverOf(budget, 60 * MIB, ['x'.repeat(32 * MIB)]);
    const { port } = new URL(await listen(app, { host: '127.0.0.1', port: 0 }));
    const socket = connect(Number(port), '127.0.0.1');
    try {
      socket.pause();
      socket.on('error', () => undefined);
      socket.write(`GET /v1/types HTTP/1.1\r\nHost: x\r\nAuthorization: ${AUTHORIZED.authorization}\r\n\r\n`);
      await expect.poll(() => budget.running).toBe(1);
      answer();
      await expect.poll(() => budget.running).toBe(0);
      expect(budget.bytes).toBe(60 * MIB);
      socket.resume();
      await expect.poll(() => budget.bytes).toBe(0);
    } finally {
      socket.destroy();
      await app.close();
    }
  });

  it('when it fails', async () => {
    const budget = budgetOf();
    const app = await testServer({
      budget,
      service: fakeService({
        types: async (_input, { claim } = {}) => {
          await claim?.admit(MIB);
          throw new Error('a defect');
        },
      }),
    });
    expect((await app.inject(TYPES)).statusCode).toBe(500);
    expect([budget.bytes, budget.running]).toEqual([0, 0]);
  });
});

describe('an answer that was kept', () => {
  it('says its age in whole seconds, and one that was read now does not', async () => {
    let ageMs = 12_001;
    const app = await testServer({ service: fakeService({ types: () => Promise.resolve({ types: [], ageMs }) }) });
    expect((await app.inject(TYPES)).headers.age).toBe('13');
    ageMs = 0;
    expect((await app.inject(TYPES)).headers.age).toBeUndefined();
  });

  it.each([
    [undefined, false],
    ['no-cache', true],
    ['max-age=0, No-Cache', true],
    ['no-cache-at-all', false],
  ])('with Cache-Control: %s is wanted, or not', async (header, fresh) => {
    const calls: Call[] = [];
    const app = await testServer({
      service: fakeService({
        types: (_input, call = {}) => {
          calls.push(call);
          return Promise.resolve({ types: [], ageMs: 0 });
        },
      }),
    });
    await app.inject({
      ...TYPES,
      headers: { ...AUTHORIZED, ...(header === undefined ? {} : { 'cache-control': header }) },
    });
    expect(calls.map((call) => call.fresh)).toEqual([fresh]);
  });
});
