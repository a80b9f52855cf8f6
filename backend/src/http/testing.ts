import { pino } from 'pino';
import { Registry } from 'prom-client';
import { passed } from '../check.ts';
import type { InfluxReader } from '../influx/reader.ts';
import type { QueryRequest } from '../query/request.ts';
import { unlimitedBudget } from '../query/budget.ts';
import { createQueryService, type QueryAnswer, type QueryService } from '../query/service.ts';
import type { Schema } from '../schema/buckets.ts';
import { buildServer, type ServerOptions } from './server.ts';
import type { App } from './v1.ts';
import { variableSecret } from '../secrets.ts';

/** Makers for the tests of the HTTP interface; nothing in production imports this file. */

export const TOKEN = 'a-token-of-the-tests';
export const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };

export const SCHEMA: Schema = {
  buckets: { made: 'b_made', received: 'b_received', share: 'b_share', total: 'b_total' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
};

export const silent = pino({ level: 'silent' });

/** A query service whose every answer is known. Override what a test is about. */
export function fakeService(overrides: Partial<QueryService> = {}): QueryService {
  return {
    query: (request: QueryRequest): Promise<QueryAnswer> =>
      Promise.resolve({
        results: new Map(
          request.queries.map((q) => [q.refId, { frame: { schema: { refId: q.refId, fields: [] }, columns: [] } }]),
        ),
        ageMs: 0,
      }),
    translate: (request) => ({
      results: Object.fromEntries(request.queries.map((q) => [q.refId, { flux: `flux of ${String(q['preset'])}` }])),
    }),
    interactions: (input) =>
      Promise.resolve({
        preset: 'made',
        id: input.id,
        every: '1h',
        from: '2026-01-31T00:00:00.000Z',
        to: '2026-01-31T02:00:00.000Z',
        times: Float64Array.of(1_769_817_600_000, 1_769_821_200_000),
        series: [{ type: 'like', values: Float64Array.of(3, 0) }],
        ageMs: 0,
      }),
    top: () => Promise.resolve({ top: [{ id: '9007199254740993', count: 7 }], ageMs: 0 }),
    who: () => Promise.resolve({ who: [{ id: '9007199254740993', count: 7 }], people: 1, ageMs: 0 }),
    types: () => Promise.resolve({ types: ['like', 'share'], ageMs: 0 }),
    // eslint-disable-next-line @typescript-eslint/require-await -- a generator that has all its windows at hand
    live: async function* () {
      yield {
        kind: 'window',
        window: { id: '88', type: 'like', time: 1_769_817_600_000, value: 3, partial: true },
        placeMs: 1_769_817_604_123,
      };
    },
    wake: () => undefined,
    answers: { counts: { read: 0, shared: 0, kept: 0 }, bytes: 0, reading: 0 },
    joined: { counts: { questions: 0, scripts: 0 } },
    kept: { bytes: 0, free: () => undefined },
    ...overrides,
  };
}

/** The real query core over an InfluxDB that must not be asked: whatever gets through to it fails the test. */
export function serviceWithoutInflux(): QueryService {
  const refuse = (): Promise<never> => Promise.reject(new Error('InfluxDB was asked, though the input is bad.'));
  const influx: InfluxReader = { rows: refuse, bytes: refuse };
  return createQueryService({ influx, schema: SCHEMA, now: () => 1_769_817_600_000, logger: silent });
}

export const testServer = (overrides: Partial<ServerOptions> = {}): Promise<App> =>
  buildServer({
    service: fakeService(),
    budget: unlimitedBudget(),
    streamTicketMs: 300_000,
    schema: SCHEMA,
    apiToken: variableSecret('USERPULSE_API_TOKEN', TOKEN),
    registry: new Registry(),
    logger: silent,
    health: () => Promise.resolve([passed('influxdb', 'There.')]),
    ready: () => ({ ready: true }),
    ...overrides,
  });
