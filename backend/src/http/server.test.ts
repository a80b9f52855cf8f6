import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { failed, warned } from '../check.ts';
import { UserpulseError, type ErrorCode } from '../errors.ts';
import { STATUS } from './errors.ts';
import {
  errorBody,
  healthResponse,
  interactionsResponse,
  queryResponse,
  schemaResponse,
  topResponse,
  translateResponse,
  typesResponse,
} from './schemas.ts';
import { AUTHORIZED, fakeService, serviceWithoutInflux, testServer } from './testing.ts';

const RANGE = 'from=2026-01-31T00:00:00Z&to=2026-02-01T00:00:00Z';
const BODY = {
  from: 0,
  to: 1000,
  queries: [
    { refId: 'A', preset: 'made', ids: ['9007199254740993'] },
    { refId: 'B', preset: 'everyone' },
  ],
};

describe('routes', () => {
  const answers: readonly (readonly [method: 'GET' | 'POST', url: string, schema: z.ZodType])[] = [
    ['POST', '/v1/query', queryResponse],
    ['POST', '/v1/translate', translateResponse],
    ['GET', `/v1/interactions/made/88?${RANGE}`, interactionsResponse],
    ['GET', `/v1/top?of=received&${RANGE}&n=5`, topResponse],
    ['GET', '/v1/types', typesResponse],
    ['GET', '/v1/schema', schemaResponse],
    ['GET', '/v1/health', healthResponse],
  ];
  it.each(answers)('%s %s answers as the OpenAPI document says', async (method, url, schema) => {
    const app = await testServer();
    const answer = await app.inject({
      method,
      url,
      headers: AUTHORIZED,
      ...(method === 'POST' ? { payload: BODY } : {}),
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    schema.parse(answer.json());
  });

  it('hands ids over as they are, beyond 2^53 too', async () => {
    const asked: unknown[] = [];
    const app = await testServer({
      service: fakeService({
        top: (input) => {
          asked.push(input);
          return Promise.resolve({ top: [{ id: '9223372036854775807', count: 1 }], ageMs: 0 });
        },
      }),
    });
    const answer = await app.inject({ url: `/v1/top?of=made&${RANGE}`, headers: AUTHORIZED });
    expect(answer.body).toBe('{"top":[{"id":"9223372036854775807","count":1}]}');
    expect(asked).toEqual([{ of: 'made', types: [], from: '2026-01-31T00:00:00Z', to: '2026-02-01T00:00:00Z' }]);
  });

  it('reads lists separated by commas and repeated alike', async () => {
    const asked: (readonly string[] | undefined)[] = [];
    const app = await testServer({
      service: fakeService({
        interactions: (input) => {
          asked.push(input.types);
          return fakeService().interactions(input);
        },
      }),
    });
    for (const types of ['types=like,share', 'types=like&types=share', 'types=like,&types=%20share%20', 'types=']) {
      await app.inject({ url: `/v1/interactions/made/88?${RANGE}&${types}`, headers: AUTHORIZED });
    }
    expect(asked).toEqual([['like', 'share'], ['like', 'share'], ['like', 'share'], []]);
  });

  it('takes the plus sign of an offset as it is, percent-encoded or not', async () => {
    const asked: unknown[] = [];
    const app = await testServer({
      service: fakeService({
        types: (range) => {
          asked.push(range);
          return Promise.resolve({ types: [], ageMs: 0 });
        },
      }),
    });
    await app.inject({
      url: '/v1/types?from=2026-01-31T00:00:00+05:30&to=2026-01-31T12:00:00%2B05:30',
      headers: AUTHORIZED,
    });
    expect(asked).toEqual([{ from: '2026-01-31T00:00:00+05:30', to: '2026-01-31T12:00:00+05:30' }]);
  });

  it('compresses what is worth it and only for clients that take gzip', async () => {
    const types = Array.from({ length: 500 }, (_, i) => `type_${i}`);
    const app = await testServer({ service: fakeService({ types: () => Promise.resolve({ types, ageMs: 0 }) }) });
    const url = '/v1/types';
    const packed = await app.inject({ url, headers: { ...AUTHORIZED, 'accept-encoding': 'gzip' } });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(JSON.parse(gunzipSync(packed.rawPayload).toString())).toEqual({ types });
    const plain = await app.inject({ url, headers: AUTHORIZED });
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.json()).toEqual({ types });
  });

  it('reports health as found, the worst state as status, with HTTP 200', async () => {
    const app = await testServer({
      health: () =>
        Promise.resolve([
          warned('scheme', 'Ids share prefixes.', 'Change it.'),
          failed('influxdb', 'influx_unreachable', 'It is away.', 'Start it.'),
        ]),
    });
    const answer = await app.inject({ url: '/v1/health', headers: AUTHORIZED });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      status: 'error',
      checks: [
        { name: 'scheme', state: 'warning', message: 'Ids share prefixes.', hint: 'Change it.' },
        { name: 'influxdb', state: 'error', message: 'It is away.', hint: 'Start it.' },
      ],
    });
  });
});

describe('CSV', () => {
  const url = `/v1/interactions/made/88?${RANGE}`;
  const CSV = 'time,type,value\r\n2026-01-31T00:00:00.000Z,like,3\r\n2026-01-31T01:00:00.000Z,like,0\r\n';
  it.each([
    ['text/csv', ''],
    ['application/json;q=0.5, text/csv', ''],
    ['text/csv, */*;q=0.1', ''],
    ['text/*, */*;q=0.5', ''],
    ['TEXT/CSV; charset=utf-8; Q=0.9, application/json;q=0.8', ''],
    ['*/*, application/json;q=0', ''],
    ['*/*', '&format=csv'],
  ])('is sent for Accept: %s %s', async (accept, format) => {
    const app = await testServer();
    const answer = await app.inject({ url: url + format, headers: { ...AUTHORIZED, accept } });
    expect(answer.headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(answer.headers['vary']).toContain('accept');
    expect(answer.body).toBe(CSV);
  });
  it.each([
    '*/*',
    'application/json, text/csv',
    'application/json',
    'text/csv;q=0',
    'text/csv;q=0.5, */*;q=0.8',
    'text/html, application/xhtml+xml, */*;q=0.8',
    'text/html',
    'text/csv;q=high',
  ])('is not sent for Accept: %s', async (accept) => {
    const app = await testServer();
    const answer = await app.inject({ url, headers: { ...AUTHORIZED, accept } });
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  });
  it('is not how errors are sent', async () => {
    const app = await testServer();
    const answer = await app.inject({
      url: '/v1/interactions/made/88',
      headers: { ...AUTHORIZED, accept: 'text/csv' },
    });
    expect(answer.statusCode).toBe(400);
    errorBody.parse(answer.json());
  });
});

describe('the body of a query', () => {
  const json = { ...AUTHORIZED, 'content-type': 'application/json' };

  it('counts a member that is null as absent, and leaves the queries to the query service', async () => {
    const asked: unknown[] = [];
    const app = await testServer({
      service: fakeService({
        query: (request) => {
          asked.push(request);
          return fakeService().query(request);
        },
      }),
    });
    const queries = [{ refId: 'A', preset: 'everyone', ids: null, window: '1h' }];
    await app.inject({
      method: 'POST',
      url: '/v1/query',
      headers: AUTHORIZED,
      payload: { from: 0, to: 1000, timezone: null, maxDataPoints: null, intervalMs: null, queries },
    });
    expect(asked).toEqual([{ from: 0, to: 1000, queries }]);
  });

  it('has no members that are not known, whatever their name', async () => {
    const app = await testServer();
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/query',
      headers: json,
      payload: '{"from":0,"to":1,"x":1,"queries":[{"refId":"A"}]}',
    });
    expect(answer.statusCode).toBe(400);
    expect(errorBody.parse(answer.json()).error.message).toBe('"x" is not a member of the body.');
  });

  it('cannot change what every object has', async () => {
    const app = await testServer({ service: serviceWithoutInflux() });
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/translate',
      headers: json,
      payload:
        '{"from":0,"to":1,"queries":[{"refId":"A","preset":"everyone","__proto__":{"ids":7},"constructor":{"prototype":{"b":1}}}]}',
    });
    expect(translateResponse.parse(answer.json()).results['A']?.flux).toContain('from(bucket: "b_total")');
    expect({}).not.toHaveProperty('b');
  });
});

describe('what is no query at all is a 400', () => {
  it.each([
    ['', 'The body is missing.'],
    ['null', 'The body is missing.'],
    ['{"from":', 'The body is not JSON'],
    ['[]', 'The body must be an object, not an array.'],
    ['"text"', 'The body must be an object, not a string.'],
    ['{}', 'from is required: give a time'],
    ['{"from":0,"to":1}', 'queries is required.'],
    ['{"from":0,"to":1,"queries":{}}', 'queries must be an array, not an object.'],
    ['{"from":0,"to":1,"queries":[]}', 'queries is empty: give at least one query.'],
    ['{"from":0,"to":1,"queries":[7]}', 'queries[0] must be an object, not a number.'],
    ['{"from":0,"to":1,"queries":[{"preset":"made"}]}', 'queries[0].refId is required.'],
    ['{"from":0,"to":1,"queries":[{"refId":"A"},{"refId":"A"}]}', 'queries[1].refId "A" is used twice.'],
    ['{"from":{},"to":1,"queries":[{"refId":"A"}]}', 'from is not a time: give a time'],
    ['{"from":0,"to":1,"maxDataPoints":0,"queries":[{"refId":"A"}]}', 'maxDataPoints'],
    ['{"from":0,"to":1,"maxDataPoints":0.5,"queries":[{"refId":"A"}]}', 'maxDataPoints must be a whole number'],
  ])('%s', async (payload, message) => {
    const app = await testServer();
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/query',
      headers: { ...AUTHORIZED, ...(payload === '' ? {} : { 'content-type': 'application/json' }) },
      payload,
    });
    expect(answer.statusCode).toBe(400);
    const { error } = errorBody.parse(answer.json());
    expect(error.code).toBe('bad_request');
    expect(error.message).toContain(message);
  });
});

describe('query strings', () => {
  it.each([
    [`/v1/top?${RANGE}`, 'of is required: one of made, received, share.'],
    ['/v1/top?of=made&to=5', 'from is required: give a time such as'],
    [`/v1/top?of=made&${RANGE}&n=ten`, 'n must be a whole number from 1 to 1000.'],
    [`/v1/top?of=made&${RANGE}&n=1&n=2`, 'n is given more than once: give it once.'],
    [`/v1/top?of=made&${RANGE}&limit=5`, '"limit" is not a parameter here.'],
    [`/v1/who?id=88&${RANGE}`, 'of is required: one of made, received, share.'],
    [`/v1/who?of=received&${RANGE}`, 'id is required: the id of a user or share'],
    [`/v1/who?of=received&id=1&id=2&${RANGE}`, 'id is given more than once: give it once.'],
    ['/v1/interactions/made/88?from=1&to=', 'to is empty: give a time such as'],
    ['/v1/interactions/made/88?from=1&to=2&format=xml', 'format must be json or csv.'],
    ['/v1/stream?every=10s', 'preset is required'],
    ['/v1/stream?preset=made', 'every is required: a duration such as 10s.'],
  ])('%s is refused with what to change', async (url, message) => {
    const app = await testServer();
    const answer = await app.inject({ url, headers: AUTHORIZED });
    expect(answer.statusCode).toBe(400);
    expect(errorBody.parse(answer.json()).error).toEqual({
      code: 'bad_request',
      message: expect.stringContaining(message),
    });
  });
});

describe('errors have one form', () => {
  it('for an unknown address', async () => {
    const app = await testServer();
    const answer = await app.inject({ url: '/v1/nothing', headers: AUTHORIZED });
    expect(answer.statusCode).toBe(404);
    expect(errorBody.parse(answer.json()).error.code).toBe('not_found');
  });
  it('for an unknown preset in the path', async () => {
    const app = await testServer();
    const answer = await app.inject({ url: `/v1/interactions/liked/88?${RANGE}`, headers: AUTHORIZED });
    expect(answer.statusCode).toBe(404);
    expect(errorBody.parse(answer.json()).error.message).toContain('/v1/interactions/received/{id}');
  });
  it('for a wrong method, which it names', async () => {
    const app = await testServer();
    const answer = await app.inject({ url: '/v1/query', headers: AUTHORIZED });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers['allow']).toBe('POST');
    expect(errorBody.parse(answer.json()).error.code).toBe('method_not_allowed');
  });
  it('for HEAD on the stream, which would never end', async () => {
    const app = await testServer();
    const answer = await app.inject({
      method: 'HEAD',
      url: '/v1/stream?preset=everyone&every=1s',
      headers: AUTHORIZED,
    });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers['allow']).toBe('GET');
  });
  it('for an address that cannot be decoded', async () => {
    const app = await testServer();
    const answer = await app.inject({ url: '/v1/interactions/made/%ff?from=0&to=1', headers: AUTHORIZED });
    expect(answer.statusCode).toBe(400);
    errorBody.parse(answer.json());
  });
  it('for an id that is too long for any id', async () => {
    const app = await testServer();
    const answer = await app.inject({ url: `/v1/interactions/made/${'1'.repeat(500)}?${RANGE}`, headers: AUTHORIZED });
    expect(answer.statusCode).toBeGreaterThanOrEqual(400);
    errorBody.parse(answer.json());
  });
  it.each(['application/xml', 'text/plain', 'application/x-www-form-urlencoded'])(
    'for the media type %s',
    async (type) => {
      const app = await testServer();
      const answer = await app.inject({
        method: 'POST',
        url: '/v1/query',
        headers: { ...AUTHORIZED, 'content-type': type },
        payload: JSON.stringify(BODY),
      });
      expect(answer.statusCode).toBe(415);
      expect(errorBody.parse(answer.json()).error.code).toBe('unsupported_media_type');
    },
  );
  it('for a body over the limit, which it names', async () => {
    const app = await testServer();
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/query',
      headers: { ...AUTHORIZED, 'content-type': 'application/json' },
      payload: `"${'x'.repeat(1_048_576)}"`,
    });
    expect(answer.statusCode).toBe(413);
    expect(errorBody.parse(answer.json()).error).toEqual({
      code: 'payload_too_large',
      message: 'The body is larger than 1024 KiB. Ask for less at once, in several requests.',
    });
  });
  it('for a defect, whose words stay in the log', async () => {
    const app = await testServer({
      service: fakeService({ types: () => Promise.reject(new Error('token=hunter2 at influx:8086')) }),
    });
    const answer = await app.inject({ url: '/v1/types', headers: AUTHORIZED });
    expect(answer.statusCode).toBe(500);
    expect(errorBody.parse(answer.json()).error.code).toBe('internal');
    expect(answer.body).not.toContain('hunter2');
  });

  const codes: readonly ErrorCode[] = [
    'bad_request',
    'too_many_windows',
    'answer_too_large',
    'overloaded',
    'influx_unreachable',
    'query_failed',
    'query_timeout',
  ];
  it.each(codes)('for %s, with its status', async (code) => {
    const app = await testServer({
      service: fakeService({
        types: () => Promise.reject(new UserpulseError(code, 'What happened.', { hint: 'What to do.' })),
      }),
    });
    const answer = await app.inject({ url: '/v1/types', headers: AUTHORIZED });
    expect(answer.statusCode).toBe(STATUS[code]);
    expect(answer.json()).toEqual({ error: { code, message: 'What happened. What to do.' } });
    expect(answer.headers['retry-after']).toBe([429, 503].includes(STATUS[code]) ? '1' : undefined);
  });
});

describe('the bearer token', () => {
  const everything = [
    'POST /v1/query',
    'POST /v1/translate',
    `GET /v1/interactions/made/88?${RANGE}`,
    `GET /v1/top?of=made&${RANGE}`,
    'GET /v1/types',
    'GET /v1/schema',
    'GET /v1/stream?preset=everyone&every=10s',
    'GET /v1/health',
    'GET /v1/unknown',
    'GET /v1',
    'GET /v1/query',
  ];
  const split = (text: string): { method: 'GET' | 'POST'; url: string } => {
    const [method = '', url = ''] = text.split(' ');
    return { method: method === 'POST' ? 'POST' : 'GET', url };
  };
  it.each(everything)('is needed for %s', async (route) => {
    const app = await testServer();
    const answer = await app.inject({ ...split(route), ...(route.startsWith('POST') ? { payload: BODY } : {}) });
    expect(answer.statusCode).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="userpulse"');
    const { error } = errorBody.parse(answer.json());
    expect(error.code).toBe('unauthorized');
    expect(error.message).toContain('USERPULSE_API_TOKEN');
  });
  it.each(['GET /v1/openapi.json', 'GET /healthz', 'GET /readyz', 'GET /metrics'])(
    'is not needed for %s',
    async (route) => {
      const app = await testServer();
      const answer = await app.inject(split(route));
      expect(answer.statusCode).toBe(200);
    },
  );
  it.each([
    ['no scheme', 'a-token-of-the-tests', 401],
    ['another scheme', 'Basic YTp0b2tlbg==', 401],
    ['a wrong token', 'Bearer a-token-of-the-testz', 401],
    ['the beginning of the token', 'Bearer a-token-of', 401],
    ['nothing behind the scheme', 'Bearer ', 401],
    ['two tokens', 'Bearer a-token-of-the-tests a', 401],
    ['the scheme in lower case', 'bearer a-token-of-the-tests', 200],
    ['the token', 'Bearer a-token-of-the-tests', 200],
  ])('given as %s', async (_case, authorization, status) => {
    const app = await testServer();
    const answer = await app.inject({ url: '/v1/types', headers: { authorization } });
    expect(answer.statusCode).toBe(status);
  });
  it.each(['/v1//types', '/V1/types', '/v1/types/', '//v1/types', '/%76%31/types', '/v1/./types'])(
    'is not got round by writing %s',
    async (url) => {
      const app = await testServer();
      const answer = await app.inject({ url });
      expect(answer.statusCode).not.toBe(200);
      expect(answer.body).not.toContain('like');
    },
  );
  it('is asked of nobody where none is configured (loopback only)', async () => {
    const app = await testServer({ apiToken: undefined });
    expect((await app.inject({ url: '/v1/types' })).statusCode).toBe(200);
  });
});

describe('operations', () => {
  it('is ready, or says why not', async () => {
    const app = await testServer({
      ready: () => ({ ready: false, code: 'influx_unreachable', message: 'InfluxDB is away.' }),
    });
    const answer = await app.inject({ url: '/readyz' });
    expect(answer.statusCode).toBe(503);
    expect(answer.json()).toEqual({ error: { code: 'influx_unreachable', message: 'InfluxDB is away.' } });
    expect((await app.inject({ url: '/healthz' })).json()).toEqual({ alive: true });
  });
  it('counts requests by route, never by id', async () => {
    const app = await testServer();
    await app.inject({ url: `/v1/interactions/made/424242?${RANGE}`, headers: AUTHORIZED });
    await app.inject({ url: '/v1/secret-424242', headers: AUTHORIZED });
    const { body } = await app.inject({ url: '/metrics' });
    expect(body).toContain(
      'userpulse_http_request_duration_seconds_count{route="/v1/interactions/:preset/:id",method="GET",status="200"} 1',
    );
    expect(body).toContain(
      'userpulse_http_request_duration_seconds_count{route="unknown",method="GET",status="404"} 1',
    );
    expect(body).toContain('userpulse_query_duration_seconds_count{preset="made",outcome="ok"} 1');
    expect(body).not.toContain('424242');
  });
});
