import { describe, expect, it } from 'vitest';
import { QueryGate } from './gate.ts';
import { AUTHORIZED, fakeService, testServer } from './testing.ts';

const never = new AbortController().signal;

/** Work that ends when told to. */
const held = (): { work: () => Promise<string>; end: () => void } => {
  let end: () => void = () => undefined;
  const done = new Promise<string>((resolve) => {
    end = () => resolve('done');
  });
  return { work: () => done, end };
};

describe('QueryGate', () => {
  it('lets so many run, so many wait, and refuses the next', async () => {
    const gate = new QueryGate({ running: 1, waiting: 1 });
    const first = held();
    const second = held();
    const a = gate.run(never, first.work);
    const b = gate.run(never, second.work);
    await expect(gate.run(never, first.work)).rejects.toMatchObject({ code: 'overloaded' });
    expect([gate.running, gate.waiting]).toEqual([1, 1]);
    first.end();
    expect(await a).toBe('done');
    expect([gate.running, gate.waiting]).toEqual([1, 0]);
    second.end();
    await b;
    expect([gate.running, gate.waiting]).toEqual([0, 0]);
  });

  it('takes those who wait in the order in which they came', async () => {
    const gate = new QueryGate({ running: 1, waiting: 10 });
    const first = held();
    const order: number[] = [];
    const all = [gate.run(never, first.work)];
    for (const n of [1, 2, 3]) {
      all.push(
        gate.run(never, () => {
          order.push(n);
          return Promise.resolve('done');
        }),
      );
    }
    first.end();
    await Promise.all(all);
    expect(order).toEqual([1, 2, 3]);
  });

  it('gives up the place of a client that leaves while it waits', async () => {
    const gate = new QueryGate({ running: 1, waiting: 1 });
    const first = held();
    const a = gate.run(never, first.work);
    const leave = new AbortController();
    const b = gate.run(leave.signal, first.work);
    leave.abort(new Error('left'));
    await expect(b).rejects.toThrow('left');
    expect(gate.waiting).toBe(0);
    first.end();
    await a;
    expect(gate.running).toBe(0);
  });

  it('gives its place back when the work fails', async () => {
    const gate = new QueryGate({ running: 1, waiting: 0 });
    await expect(gate.run(never, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await gate.run(never, () => Promise.resolve(1))).toBe(1);
  });
});

describe('too many queries at once', () => {
  it('get a 503 with Retry-After, and the others their answers', async () => {
    const running = held();
    const app = await testServer({
      limits: { running: 1, waiting: 0 },
      service: fakeService({
        types: async () => {
          await running.work();
          return [];
        },
      }),
    });
    const first = app.inject({ url: '/v1/types', headers: AUTHORIZED });
    // The first has its place once the metrics say so.
    await expect
      .poll(async () => (await app.inject({ url: '/metrics' })).body)
      .toContain('userpulse_queries_running 1');
    const second = await app.inject({ url: '/v1/types', headers: AUTHORIZED });
    expect(second.statusCode).toBe(503);
    expect(second.headers['retry-after']).toBe('1');
    expect(second.json()).toMatchObject({ error: { code: 'overloaded' } });
    running.end();
    expect((await first).statusCode).toBe(200);
  });
});
