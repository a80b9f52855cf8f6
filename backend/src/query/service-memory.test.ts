import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { InfluxReader } from '../influx/reader.ts';
import { QueryBudget } from './budget.ts';
import type { QueryRequest } from './request.ts';
import { createQueryService } from './service.ts';
import { overTheWire } from './testing.ts';

const NOW = Date.parse('2026-02-01T00:00:00Z');
const DAY = { from: '2026-01-05T00:00:00Z', to: '2026-01-06T00:00:00Z' };
const MIB = 1_048_576;

/** A service over an InfluxDB that answers when told to: counts with one like at one o'clock, rankings and people with so many ids. */
function worldOf({ maxBytes = 100 * MIB, keepMs = 30_000, ids = 0 } = {}) {
  const budget = new QueryBudget({ maxBytes, running: 10, waiting: 10, waitMs: 60_000 });
  const scripts: string[] = [];
  const clock = { nowMs: NOW };
  let open = (): void => undefined;
  let closed: Promise<void> | undefined;
  const influx: InfluxReader = {
    bytes: async (script, onChunk) => {
      scripts.push(script.text);
      await closed;
      const name = /yield\(name: "([^"]*)"\)/.exec(script.text)?.[1];
      if (name !== undefined && script.text.includes('fn: count'))
        onChunk(Buffer.from(`,result,table,_time,_value,type\r\n,${name},0,2026-01-05T01:00:00Z,1,like\r\n\r\n`));
      else
        onChunk(
          Buffer.from(
            `,result,table,_value\r\n${Array.from({ length: ids }, (_, i) => `,${name ?? '_result'},0,${i + 1}\r\n`).join('')}\r\n`,
          ),
        );
    },
    rows: (_script, onTable) => {
      onTable(['_value'])(['like']);
      return Promise.resolve();
    },
  };
  const plain = createQueryService({
    influx,
    schema: {
      buckets: { made: 'm', received: 'r', share: 's', total: 't' },
      userPrefix: { by: 'first', length: 4 },
      sharePrefix: { by: 'first', length: 6 },
    },
    now: () => clock.nowMs,
    logger: pino({ level: 'silent' }),
    budget,
    keepMs,
  });
  return {
    budget,
    scripts,
    clock,
    plain,
    service: overTheWire(plain),
    /** InfluxDB answers nothing until what this gives is called. */
    hold: (): (() => void) => {
      closed = new Promise<void>((resolve) => (open = resolve));
      return () => {
        closed = undefined;
        open();
      };
    },
  };
}

const ask = (query: Readonly<Record<string, unknown>> = {}, over: Partial<QueryRequest> = {}): QueryRequest => ({
  ...DAY,
  queries: [{ refId: 'A', preset: 'made', ids: ['123456'], every: '12h', ...query }],
  ...over,
});

describe('equal questions', () => {
  it('are read once, whatever is calculated of their counts, and by whatever name', async () => {
    const { service, scripts, hold } = worldOf();
    const open = hold();
    const all = ['count', 'rate', 'cumulative'].map((calc) => service.query(ask({ calc, refId: calc })));
    await new Promise((resolve) => setImmediate(resolve));
    open();
    const values = (await Promise.all(all)).map(({ results }) =>
      Object.values(results).map((result) => ('error' in result ? result.error : result.frames[0]?.data.values[1])),
    );
    expect(values).toEqual([[[1, 0]], [[1 / 43_200, 0]], [[1, 1]]]);
    expect(scripts).toHaveLength(1);
    expect(service.answers.counts).toEqual({ read: 1, shared: 2, kept: 0 });
  });

  it.each<[string, Readonly<Record<string, unknown>>, Partial<QueryRequest>]>([
    ['ids', { ids: ['123457'] }, {}],
    ['a bucket', { preset: 'received' }, {}],
    ['types', { types: ['like'] }, {}],
    ['windows', { every: '6h' }, {}],
    ['a time zone, though the script is the same', {}, { timezone: 'Africa/Abidjan' }],
    ['labels', { groupBy: ['type'] }, {}],
    ['an earlier range', { compareTo: '1d' }, {}],
    ['one window instead of several', { calc: 'total' }, {}],
    ['a range', {}, { to: '2026-01-07T00:00:00Z' }],
  ])('are not those that differ by %s', async (_, query, over) => {
    const { service, scripts } = worldOf();
    await service.query(ask());
    await service.query(ask(query, over));
    expect(scripts).toHaveLength(2);
  });

  it('about a closed range are answered again, and the frame says how old its counts are; an alert reads for itself', async () => {
    const { plain, service, scripts, clock } = worldOf();
    await service.query(ask());
    clock.nowMs += 5_000;
    expect((await plain.query(ask())).ageMs).toBe(5_000);
    expect(await service.query(ask())).toMatchObject({
      results: { A: { frames: [{ schema: { meta: { custom: { ageMs: 5_000 } } } }] } },
    });
    expect(scripts).toHaveLength(1);
    expect((await plain.query(ask(), { fresh: true })).ageMs).toBe(0);
    expect(scripts).toHaveLength(2);
  });
});

describe('the memory of a request', () => {
  it('is planned for all its queries together, and refused as a whole', async () => {
    const { service, budget } = worldOf({ maxBytes: 30 * MIB });
    const large = { preset: 'everyone', ids: [], every: '1m' };
    const range = { from: '2026-01-05T00:00:00Z', to: '2026-01-12T00:00:00Z' };
    await expect(service.query(ask(large, range))).resolves.toMatchObject({ results: { A: { status: 200 } } });
    const queries = ['A', 'B'].map((refId) => ({ refId, ...large }));
    await expect(service.query({ ...range, queries })).rejects.toMatchObject({ code: 'answer_too_large' });
    expect([budget.bytes, budget.running]).toEqual([0, 0]);
  });

  it('is little more than the answer once that is there, and nothing when it has been sent', async () => {
    const { plain, budget } = worldOf();
    const claim = budget.claim();
    const answer = plain.query(ask({ preset: 'everyone', ids: [], every: '1m' }), { claim });
    expect(budget.bytes).toBeGreaterThan(2 * MIB);
    await answer;
    expect(budget.bytes).toBeLessThan(MIB / 2);
    claim.release();
    expect([budget.bytes, budget.running]).toEqual([0, 0]);
  });

  it('of a ranking grows with its ids; one that was refused waits for its room the next time', async () => {
    const { service, plain, budget } = worldOf({ maxBytes: 24 * MIB, ids: 100_000, keepMs: 0 });
    const top = { of: 'made', ...DAY };
    await service.top(top);
    expect(budget.bytes).toBe(0);
    const other = budget.claim();
    await other.admit(20 * MIB);
    const waits = plain.top(top);
    await new Promise((resolve) => setImmediate(resolve));
    expect(budget.waiting).toBe(1);
    other.release();
    expect((await waits).top).toHaveLength(10);

    const fresh = worldOf({ maxBytes: 24 * MIB, ids: 100_000, keepMs: 0 });
    const holder = fresh.budget.claim();
    await holder.admit(20 * MIB);
    await expect(fresh.service.top(top)).rejects.toMatchObject({ code: 'overloaded' });
    const again = fresh.service.top(top);
    holder.release();
    expect((await again).top).toHaveLength(10);
    expect([fresh.budget.bytes, fresh.budget.running]).toEqual([0, 0]);
  });

  it('of different people grows with them, is known the next time, and is given back', async () => {
    const { service, plain, budget } = worldOf({ maxBytes: 24 * MIB, ids: 100_000, keepMs: 0 });
    const query = ask({ preset: 'everyone', ids: [], calc: 'reach', groupBy: [] });
    await expect(service.query(query)).resolves.toMatchObject({
      results: { A: { frames: [{ data: { values: [[100_000]] } }] } },
    });
    expect([budget.bytes, budget.running]).toEqual([0, 0]);
    const other = budget.claim();
    await other.admit(20 * MIB);
    const waits = plain.query(query);
    await new Promise((resolve) => setImmediate(resolve));
    expect(budget.waiting).toBe(1);
    other.release();
    await waits;
    const small = worldOf({ maxBytes: 4 * MIB, ids: 100_000 });
    const { results } = await small.service.query(query);
    expect(results['A']).toMatchObject({ errorCode: 'answer_too_large', status: 413 });
    expect([small.budget.bytes, small.budget.running]).toEqual([0, 0]);
  });

  it('of a ranking that is being read is not asked for again by those who share it', async () => {
    const { service, budget, hold } = worldOf({ maxBytes: 24 * MIB, ids: 100_000 });
    await service.top({ of: 'made', from: '2026-01-04T00:00:00Z', to: '2026-01-05T00:00:00Z' });
    const open = hold();
    const all = [1, 2, 3].map(() => service.top({ of: 'made', ...DAY }));
    await new Promise((resolve) => setImmediate(resolve));
    expect([budget.running, budget.waiting]).toEqual([3, 0]);
    open();
    for (const { top } of await Promise.all(all)) expect(top).toHaveLength(10);
    expect(service.answers.counts).toEqual({ read: 2, shared: 2, kept: 0 });
  });

  it('of a live stream is counted while somebody listens', async () => {
    const { service, budget } = worldOf();
    const stop = new AbortController();
    const stream = service
      .live({ preset: 'everyone', ids: [], types: [], every: '1m' }, stop.signal)
      [Symbol.asyncIterator]();
    await stream.next();
    expect(budget.bytes).toBeGreaterThan(0);
    stop.abort();
    await stream.next();
    await expect.poll(() => budget.bytes).toBe(0);
    const full = budget.claim();
    await full.admit(100 * MIB);
    expect(() => service.live({ preset: 'everyone', ids: [], types: [], every: '1s' }, stop.signal)).toThrow(
      'The server is busy',
    );
  });
});
