import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpInfluxReader } from '../../backend/src/influx/reader.ts';
import type { QueryFields } from '../../contract/query.ts';
import { createQueryService } from '../../backend/src/query/service.ts';
import { overTheWire, type ReadService } from '../../backend/src/query/testing.ts';
import type { Schema } from '../../backend/src/schema/buckets.ts';
import { createBuckets, influxRows, influxWrite, parts } from '../support/parts.ts';
import { variableSecret } from '../../backend/src/secrets.ts';

/** Reads of the storage so far, by operation, from influxd's own metrics. */
async function storageReads(): Promise<Map<string, number>> {
  const answer = await fetch(new URL('/metrics', parts().influx.url));
  const reads = new Map<string, number>();
  const line = /^query_influxdb_source_read_request_duration_seconds_count\{.*op="([^"]+)".*\} (\S+)$/gm;
  for (const [, op = '', count] of (await answer.text()).matchAll(line))
    reads.set(op, (reads.get(op) ?? 0) + Number(count));
  return reads;
}

/** Operations that were used in between, and how often. */
function since(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries(
    [...after].map(([op, n]) => [op, n - (before.get(op) ?? 0)] as const).filter(([, n]) => n > 0),
  );
}

let service: ReadService;
let reader: HttpInfluxReader;
const SHARE = '5f2c9b7a1d4e8a0012ab34cd';

beforeAll(async () => {
  const schema: Schema = {
    buckets: await createBuckets('pushdown'),
    userPrefix: { by: 'first', length: 4 },
    sharePrefix: { by: 'first', length: 6 },
  };
  const at = BigInt(Date.parse('2026-03-29T05:00:00Z')) * 1_000_000n;
  await influxWrite(schema.buckets.made, [`interaction,prefix=1234,type=like user=123456i,pair="123456:7" ${at}`]);
  await influxWrite(schema.buckets.received, [`interaction,prefix=1234,type=like user=123456i,pair="123456:7" ${at}`]);
  await influxWrite(schema.buckets.share, [
    `interaction,prefix=5f2c9b,type=like share="${SHARE}",pair="${SHARE}:7" ${at}`,
  ]);
  await influxWrite(schema.buckets.total, [`interaction,type=like made=123456i ${at}`]);
  const { url, org, token } = parts().influx;
  reader = new HttpInfluxReader({ host: url, org, token: variableSecret('INFLUX_TOKEN', token), timeoutMs: 30_000 });
  service = overTheWire(
    createQueryService({ influx: reader, schema, now: Date.now, logger: pino({ level: 'silent' }) }),
  );
});
afterAll(() => reader.close());

const PRESETS: readonly Partial<QueryFields>[] = [
  { preset: 'made', ids: ['123456'] },
  { preset: 'received', ids: ['123456'] },
  { preset: 'share', ids: [SHARE] },
  { preset: 'everyone' },
];
const SHAPES: readonly (readonly [string, Partial<QueryFields>, string, number])[] = [
  ['in UTC', { every: '10m' }, 'UTC', 1],
  ['of some types', { every: '1h', types: ['like'] }, 'UTC', 1],
  ['of local days across a clock change', { every: '1d' }, 'Europe/Paris', 1],
  ['of weeks from Monday', { every: '1w' }, 'Asia/Kathmandu', 1],
  ['of months', { every: '1mo' }, 'America/New_York', 1],
  ['summed', { every: '1h', groupBy: [] }, 'UTC', 1],
  ['as a total', { calc: 'total' }, 'Europe/Paris', 1],
  ['as a rate', { every: '1h', calc: 'rate' }, 'UTC', 1],
  ['with the week before', { every: '1h', compareTo: '1w' }, 'Europe/Paris', 2],
];

describe.each(PRESETS)('preset $preset is counted inside the storage', (preset) => {
  it.each(SHAPES)('%s', async (_, shape, timezone, reads) => {
    const before = await storageReads();
    const { results } = await service.query({
      from: '2026-03-20T00:00:00Z',
      to: '2026-04-10T00:00:00Z',
      timezone,
      queries: [{ refId: 'A', ...preset, ...shape }],
    });
    const result = results['A']!;
    if ('error' in result) throw new Error(result.error);
    expect(since(before, await storageReads())).toEqual({ 'readWindow(count)': reads });
    const numbers = result.frames[0]!.schema.fields.flatMap((f, i) =>
      f.type === 'number' ? [result.frames[0]!.data.values[i]!] : [],
    );
    expect(numbers.flat().some((n) => Number(n) > 0)).toBe(true);
  });
});

it('a type without interactions is looked up inside the storage, once a minute', async () => {
  const ask = async (): Promise<Record<string, number>> => {
    const before = await storageReads();
    await service.query({
      from: '2026-03-20T00:00:00Z',
      to: '2026-04-10T00:00:00Z',
      queries: [{ refId: 'A', preset: 'everyone', types: ['like', 'view'], every: '1h' }],
    });
    return since(before, await storageReads());
  };
  expect(await ask()).toEqual({ 'readWindow(count)': 1, 'readWindow(first)': 1 });
  expect(await ask()).toEqual({ 'readWindow(count)': 1 });
});

describe('the other end of interactions', () => {
  const ask = async (query: Partial<QueryFields>): Promise<[Record<string, number>, unknown]> => {
    const before = await storageReads();
    const { results } = await service.query({
      from: '2026-03-20T00:00:00Z',
      to: '2026-04-10T00:00:00Z',
      queries: [{ refId: 'A', every: '7d', ...query }],
    });
    const result = results['A']!;
    if ('error' in result) throw new Error(result.error);
    return [since(before, await storageReads()), result.frames[0]!.data.values[1]];
  };
  /** Whether points lack their counterpart is counted beside. */
  const LACKING = { 'readWindow(count)': 2 };

  it('of two users is counted inside the storage', async () => {
    const [reads, counts] = await ask({ preset: 'pair', ids: ['123456', '7'] });
    expect(reads).toEqual({ 'readWindow(count)': 3 });
    expect(counts).toContain(1);
  });

  it.each([
    { preset: 'received', ids: ['123456'] },
    { preset: 'share', ids: [SHARE] },
  ] as const)('is found by the storage for unique people: $preset', async (query) => {
    const [reads, counts] = await ask({ ...query, ids: [...query.ids], calc: 'unique' });
    expect(reads).toEqual({ ...LACKING, readFilter: 1 });
    expect(counts).toContain(1);
  });

  it('is found by the storage for who', async () => {
    const [reads, counts] = await ask({ preset: 'who', of: 'received', ids: ['123456'] });
    expect(reads).toEqual({ ...LACKING, readFilter: 1 });
    expect(counts).toEqual([1]);
  });

  it.each([
    { preset: 'received', ids: ['123456'], calc: 'unique' },
    { preset: 'who', of: 'received', ids: ['123456'] },
  ] as const)('leaves nothing for Flux to test: %j', async ({ ids, ...query }) => {
    const { results } = service.translate({
      from: '2026-03-20T00:00:00Z',
      to: '2026-04-10T00:00:00Z',
      queries: [{ refId: 'A', ...query, ids: [...ids], every: '7d' }],
    });
    const result = results['A']!;
    if ('error' in result) throw new Error(result.error);
    const rows = await influxRows(
      `import "profiler"\noption profiler.enabledProfilers = ["operator"]\n\n${result.flux}`,
    );
    const operators = rows.flatMap(({ Type: type }) => (typeof type === 'string' ? [type] : []));
    expect(operators).toContain('*influxdb.readFilterSource');
    expect(operators.filter((type) => /filter/i.test(type))).toEqual(['*influxdb.readFilterSource']);
  });

  it('of everyone is read window by window', async () => {
    const [reads, counts] = await ask({ preset: 'everyone', calc: 'unique' });
    expect(reads).toEqual({ readFilter: 4 });
    expect(counts).toContain(1);
  });
});

describe('several ids', () => {
  it.each([
    ['each in a read of its own where they are told apart', ['id', 'type'], 3],
    ['in one read where they are summed', ['type'], 1],
  ] as const)('are counted inside the storage, %s', async (_, groupBy, reads) => {
    const before = await storageReads();
    await service.query({
      from: '2026-03-20T00:00:00Z',
      to: '2026-04-10T00:00:00Z',
      queries: [{ refId: 'A', preset: 'made', ids: ['123456', '123457', '999'], every: '1h', groupBy: [...groupBy] }],
    });
    expect(since(before, await storageReads())).toEqual({ 'readWindow(count)': reads });
  });
});
