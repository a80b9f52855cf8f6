import { describe, expect, it } from 'vitest';
import { errorBody, queryResponse } from './schemas.ts';
import { AUTHORIZED, serviceWithoutInflux, testServer } from './testing.ts';

/** Bad input against the real query core; its InfluxDB fails the test if it is ever asked. */

const HOSTILE_IDS = [
  '',
  ' ',
  '0',
  '-1',
  '01',
  '1e3',
  '1.0',
  '9223372036854775808',
  '"',
  '1" or true',
  '${1+1}',
  '\\',
  '1\\"',
  '1\n2',
  '1 |> drop(columns: ["_value"])',
  '1"|> drop()',
  '\u0000',
  '\ud800',
  '１２３',
  '../../etc/passwd',
  '<script>',
];
const HOSTILE_SHARES = [
  '5F2C9B7A1D4E8A0012AB34CD',
  '5f2c9b7a',
  '5f2c9b7a1d4e8a0012ab34cdd',
  'zf2c9b7a1d4e8a0012ab34cd',
  '88',
];
const DAY = { from: '2026-01-31T00:00:00Z', to: '2026-02-01T00:00:00Z' };

/** One server for all: bad input leaves nothing behind. */
const server = testServer({ service: serviceWithoutInflux() });

const ask = async (body: object): Promise<{ status: number; json: unknown }> => {
  const app = await server;
  const answer = await app.inject({ method: 'POST', url: '/v1/query', headers: AUTHORIZED, payload: body });
  return { status: answer.statusCode, json: answer.json() };
};

/** A query that must fail by itself with a 400 and a message. */
const refusal = async (query: object, range: object = DAY): Promise<string> => {
  const { status, json } = await ask({ ...range, queries: [{ refId: 'A', ...query }] });
  expect(status).toBe(200);
  const result = queryResponse.parse(json).results['A'];
  expect(result?.status).toBe(400);
  expect(['bad_request', 'too_many_windows']).toContain(result?.errorCode);
  expect(result?.frames).toEqual([]);
  return result?.error ?? '';
};

describe('ids', () => {
  it.each(HOSTILE_IDS.map((id) => [JSON.stringify(id), id]))('a user id of %s is refused', async (_shown, id) => {
    expect(await refusal({ preset: 'made', ids: [id] })).toMatch(/id/);
    expect(await refusal({ preset: 'received', ids: ['1', id] })).toMatch(/id/);
  });
  it.each([...HOSTILE_IDS, ...HOSTILE_SHARES].map((id) => [JSON.stringify(id), id]))(
    'a share id of %s is refused',
    async (_shown, id) => {
      expect(await refusal({ preset: 'share', ids: [id] })).toMatch(/id/);
    },
  );
  it.each(HOSTILE_IDS.filter((id) => id.trim() !== '' && id !== '\ud800').map((id) => [JSON.stringify(id), id]))(
    'an id of %s in the path is refused',
    async (_shown, id) => {
      const app = await server;
      const url = `/v1/interactions/made/${encodeURIComponent(id)}?from=${DAY.from}&to=${DAY.to}`;
      const answer = await app.inject({ url, headers: AUTHORIZED });
      expect(answer.statusCode).toBe(400);
      expect(errorBody.parse(answer.json()).error.code).toBe('bad_request');
    },
  );
  it('none at all is refused, with what is needed', async () => {
    expect(await refusal({ preset: 'made' })).toMatch(/id/);
    expect(await refusal({ preset: 'share', ids: [] })).toMatch(/id/);
  });
  it('more than 50 are refused, with the bound', async () => {
    const ids = Array.from({ length: 51 }, (_, i) => String(i + 1));
    expect(await refusal({ preset: 'made', ids })).toContain('50');
  });
  it('on a preset without ids are refused', async () => {
    expect(await refusal({ preset: 'everyone', ids: ['1'] })).toMatch(/id/);
  });
});

describe('what else can be wrong', () => {
  it.each([
    ['an unknown preset', { preset: 'liked' }, /made, received, share, everyone, pair, who, top/],
    ['a hostile preset', { preset: 'made"|>drop()' }, /preset/],
    ['a name every object has as a preset', { preset: 'constructor' }, /preset/],
    ['a hostile type', { preset: 'everyone', types: ['like") |> drop()'] }, /type/],
    ['a type in capitals', { preset: 'everyone', types: ['LIKE'] }, /type/],
    ['an unknown calculation', { preset: 'everyone', calc: 'sum' }, /count, rate, cumulative/],
    ['an unknown group', { preset: 'everyone', groupBy: ['user'] }, /groupBy/],
    ['every of 0', { preset: 'everyone', every: '0s' }, /every/],
    ['a negative every', { preset: 'everyone', every: '-5m' }, /every/],
    ['an every that is no duration', { preset: 'everyone', every: 'hourly' }, /every/],
    ['a hostile every', { preset: 'everyone', every: '1h) |> drop(' }, /every/],
    ['a hostile compareTo', { preset: 'everyone', compareTo: '1d)' }, /compareTo/],
    ['top of nothing', { preset: 'top', of: '' }, /of/],
    ['top of something else', { preset: 'top', of: 'everyone' }, /made, received/],
    ['top 0', { preset: 'top', of: 'made', n: 0 }, /n/],
    ['top 1.5', { preset: 'top', of: 'made', n: 1.5 }, /n/],
    ['top 1001', { preset: 'top', of: 'made', n: 1001 }, /1000/],
  ])('%s is refused with what to change', async (_case, query, message) => {
    expect(await refusal(query)).toMatch(message);
  });

  it('1ns windows over a year are refused with the length that would fit', async () => {
    const year = { from: '2025-01-01T00:00:00Z', to: '2026-01-01T00:00:00Z' };
    expect(await refusal({ preset: 'everyone', every: '1ns' }, year)).toMatch(/1ms/);
    expect(await refusal({ preset: 'everyone', every: '1ms' }, year)).toMatch(/1h/);
    expect(await refusal({ preset: 'everyone', every: '1s' }, year)).toMatch(/1h/);
  });

  it.each([
    ['from after to', { from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }],
    ['from equal to to', { from: 5, to: 5 }],
    ['a time without an offset', { from: '2026-01-01T00:00:00', to: 5 }],
    ['a day that does not exist', { from: '2026-02-30T00:00:00Z', to: '2026-03-30T00:00:00Z' }],
    ['a time far beyond what InfluxDB holds', { from: 0, to: 9_007_199_254_740_991 }],
    ['text', { from: 'yesterday', to: 'now()' }],
    ['Flux', { from: '-1h) |> drop(', to: 5 }],
  ])('%s is a 400 for the whole request', async (_case, range) => {
    const { status, json } = await ask({ ...range, queries: [{ refId: 'A', preset: 'everyone' }] });
    expect(status).toBe(400);
    expect(errorBody.parse(json).error.message).toMatch(/from|to/);
  });
  it('is refused by /v1/top before InfluxDB is asked', async () => {
    const app = await server;
    for (const wrong of ['n=1001', 'of=everyone', 'types=LIKE', 'from=yesterday']) {
      const query = new URLSearchParams({ of: 'made', ...DAY, ...Object.fromEntries(new URLSearchParams(wrong)) });
      const answer = await app.inject({ url: `/v1/top?${query.toString()}`, headers: AUTHORIZED });
      expect(answer.statusCode).toBe(400);
      expect(errorBody.parse(answer.json()).error.code).toBe('bad_request');
    }
  });
  it('an unknown time zone is a 400', async () => {
    const { status, json } = await ask({
      ...DAY,
      timezone: 'Mars/Olympus',
      queries: [{ refId: 'A', preset: 'everyone' }],
    });
    expect(status).toBe(400);
    expect(errorBody.parse(json).error.message).toMatch(/Mars/);
  });
});

describe('a live stream', () => {
  it.each([
    'preset=liked&every=10s',
    'preset=made&every=10s',
    'preset=made&ids=0&every=10s',
    'preset=everyone&every=0s',
    'preset=top&every=10s',
  ])('with %s is refused before it begins', async (query) => {
    const app = await server;
    const answer = await app.inject({ url: `/v1/stream?${query}`, headers: AUTHORIZED });
    expect(answer.statusCode).toBe(400);
    errorBody.parse(answer.json());
  });
});
