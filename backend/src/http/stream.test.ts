import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ServerResponse } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { UserpulseError } from '../errors.ts';
import type { LiveWindow } from '../../../contract/answers.ts';
import { sseComment, sseEvent, sseWrite } from './sse.ts';
import { AUTHORIZED, fakeService, serviceWithoutInflux, testServer } from './testing.ts';
import type { App } from './v1.ts';

const WINDOW: LiveWindow = { id: '88', type: 'like', time: 1_769_817_600_000, value: 3, partial: true };
const UPDATE = { kind: 'window', window: WINDOW, placeMs: 1_769_817_604_123 } as const;
const OPEN = ': open\n\nretry: 2000\n\n';
const EVENT = sseEvent('window', WINDOW, UPDATE.placeMs);
const URL = '/v1/stream?preset=received&ids=88,89&types=like&every=10s&timezone=Europe/Berlin';

describe('framing', () => {
  it('is one event per window', () => {
    expect(sseEvent('window', WINDOW)).toBe(
      'event: window\ndata: {"id":"88","type":"like","time":1769817600000,"value":3,"partial":true}\n\n',
    );
  });
  it('has an id from which a client goes on', () => {
    expect(sseEvent('window', 1, 17)).toBe('event: window\ndata: 1\nid: 17\n\n');
  });
  it('never lets a line break of the data end an event', () => {
    expect(sseEvent('error', { message: 'a\n\nevent: window\r\ndata: x' }).split('\n')).toHaveLength(4);
  });
  it('has comments as heartbeats', () => {
    expect(sseComment('heartbeat')).toBe(': heartbeat\n\n');
  });
});

describe('GET /v1/stream', () => {
  it('opens at once and sends each window as an event', async () => {
    const asked: unknown[] = [];
    const service = fakeService();
    const app = await testServer({
      service: {
        ...service,
        live: (input, signal) => {
          asked.push(input);
          return service.live(input, signal);
        },
      },
    });
    const answer = await app.inject({ url: URL, headers: AUTHORIZED });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.body).toBe(OPEN + EVENT);
    expect(asked).toEqual([
      { preset: 'received', ids: ['88', '89'], types: ['like'], every: '10s', timezone: 'Europe/Berlin' },
    ]);
  });

  it('says why it ends where it fails', async () => {
    const app = await testServer({
      service: fakeService({
        // eslint-disable-next-line @typescript-eslint/require-await
        live: async function* () {
          yield UPDATE;
          throw new UserpulseError('influx_unreachable', 'InfluxDB is away.', { hint: 'Start it.' });
        },
      }),
    });
    const { body } = await app.inject({ url: URL, headers: AUTHORIZED });
    expect(body).toBe(
      `${OPEN}${EVENT}event: error\ndata: {"error":{"code":"influx_unreachable","message":"InfluxDB is away. Start it."}}\n\n`,
    );
  });

  it('refuses more clients than the limit and takes new ones when others leave', async () => {
    const leave = new AbortController();
    const app = await testServer({
      limits: { streams: 1 },
      service: fakeService({
        live: async function* (_input, signal) {
          yield UPDATE;
          await aborted(AbortSignal.any([signal, leave.signal]));
        },
      }),
    });
    const first = await app.inject({ url: URL, headers: AUTHORIZED, payloadAsStream: true });
    expect(first.statusCode).toBe(200);
    const second = await app.inject({ url: URL, headers: AUTHORIZED });
    expect(second.statusCode).toBe(429);
    expect(second.json()).toMatchObject({ error: { code: 'overloaded' } });
    leave.abort();
    await finished(first.stream().resume());
    const third = await app.inject({ url: URL, headers: AUTHORIZED });
    expect(third.statusCode).toBe(200);
  });

  it('ends when the server stops', async () => {
    const app = await testServer({
      service: fakeService({
        live: async function* (_input, signal) {
          yield UPDATE;
          await aborted(signal);
        },
      }),
    });
    const answer = await app.inject({ url: URL, headers: AUTHORIZED, payloadAsStream: true });
    const read = (async () => {
      let text = '';
      for await (const chunk of answer.stream()) text += String(chunk);
      return text;
    })();
    await app.close();
    expect(await read).toContain('event: window');
  });

  it('sends heartbeats while nothing happens', async () => {
    const app = await testServer({
      limits: { heartbeatMs: 5 },
      service: fakeService({
        live: async function* (_input, signal) {
          yield UPDATE;
          await aborted(signal);
        },
      }),
    });
    const answer = await app.inject({ url: URL, headers: AUTHORIZED, payloadAsStream: true });
    let text = '';
    for await (const chunk of answer.stream()) {
      text += String(chunk);
      if (text.includes(': heartbeat\n\n')) break;
    }
    expect(text.startsWith(OPEN)).toBe(true);
    await app.close();
  });
});

describe('a stream ticket', () => {
  const QUESTION = { preset: 'received', ids: ['88'], types: ['like'], every: '10s', timezone: 'Europe/Berlin' };
  const ask = (app: App, payload: object, headers: Record<string, string> = AUTHORIZED) =>
    app.inject({ method: 'POST', url: '/v1/stream-tickets', headers, payload });
  const ticketOf = async (app: App): Promise<string> => (await ask(app, QUESTION)).json<{ ticket: string }>().ticket;

  it('opens the stream of its question without the token', async () => {
    const asked: unknown[] = [];
    const service = fakeService();
    const app = await testServer({
      service: { ...service, live: (...args) => (asked.push([args[0], args[2]]), service.live(...args)) },
    });
    const answer = await ask(app, QUESTION);
    expect(answer.statusCode).toBe(200);
    const { ticket, path, expiresAt } = answer.json<{ ticket: string; path: string; expiresAt: string }>();
    expect(path).toBe(`/v1/stream?ticket=${ticket}`);
    expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now());
    expect((await app.inject({ url: path })).body).toBe(OPEN + EVENT);
    expect((await app.inject({ url: `${path}&lastEventId=17` })).statusCode).toBe(200);
    expect((await app.inject({ url: `${path}&lastEventId=17`, headers: { 'last-event-id': '18' } })).statusCode).toBe(
      200,
    );
    // Judged when it was asked for, then opened three times.
    expect(asked).toEqual([
      [QUESTION, undefined],
      [QUESTION, undefined],
      [QUESTION, 17],
      [QUESTION, 18],
    ]);
  });

  it('opens nothing else, and does not come with other words', async () => {
    const app = await testServer();
    const ticket = await ticketOf(app);
    for (const url of ['/v1/types', '/v1/schema', '/v1/health', '/v1/interactions/received/88', '/v1/stream-tickets'])
      expect((await app.inject({ url: `${url}?ticket=${ticket}` })).statusCode, url).toBe(401);
    const at = `/v1/stream?ticket=${ticket}`;
    const both = await app.inject({ url: at, headers: AUTHORIZED });
    expect(both.json()).toMatchObject({
      error: { message: 'The request has an Authorization header and a ticket. Send one of them.' },
    });
    const more = await app.inject({ url: `${at}&ids=9` });
    expect(more.statusCode).toBe(400);
    expect(more.json<{ error: { message: string } }>().error.message).toContain(
      'ticket must come without preset, ids, types, every, calc, groupBy, direction and timezone',
    );
    expect((await app.inject({ url: `${at}x` })).statusCode).toBe(401);
    expect((await app.inject({ url: '/v1/stream?ticket=' })).statusCode).toBe(401);
    expect((await app.inject({ url: `${at}&ticket=${ticket}` })).statusCode).toBe(400);
  });

  it('is given to who has the token, for a question that a stream can answer', async () => {
    const app = await testServer({ service: serviceWithoutInflux() });
    expect((await ask(app, QUESTION, {})).statusCode).toBe(401);
    const refused = async (question: object): Promise<string> => {
      const answer = await ask(app, question);
      expect(answer.statusCode).toBe(400);
      return answer.json<{ error: { message: string } }>().error.message;
    };
    expect(await refused({ ...QUESTION, ids: [88] })).toContain('write ids in quotes');
    expect(await refused({ ...QUESTION, preset: 'top', ids: [] })).toContain('has no windows to stream');
    expect(await refused({ ...QUESTION, ids: ['x'] })).toContain('not a valid user ID');
    expect(await refused({ ...QUESTION, every: 'auto' })).toContain('A stream needs a definite every');
    expect(await refused({ ...QUESTION, evry: '10s' })).toContain('evry');
    expect(await refused({ preset: 'everyone' })).toContain('every');
  });

  it('leaves the questions of those with the token as they were', async () => {
    const app = await testServer();
    const message = async (url: string): Promise<string> =>
      (await app.inject({ url, headers: AUTHORIZED })).json<{ error: { message: string } }>().error.message;
    expect(await message('/v1/stream')).toContain('preset is required: one of made, received, share, everyone');
    expect(await message('/v1/stream?preset=everyone')).toContain('every is required: a duration such as 10s');
    expect(await message(`${URL}&lastEventId=x`)).toContain('lastEventId is not the id of an event of this stream');
    const headers = { ...AUTHORIZED, 'last-event-id': '-1' };
    expect((await app.inject({ url: URL, headers })).statusCode).toBe(400);
  });
});

describe('pages of other origins', () => {
  const origin = 'https://app.example.com';
  it('may ask /v1 where their origin is allowed, and learn nothing otherwise', async () => {
    const app = await testServer({ corsOrigins: [origin, 'http://localhost:3000'] });
    const preflight = (from: string, url = '/v1/query') =>
      app.inject({
        method: 'OPTIONS',
        url,
        headers: {
          origin: from,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type',
        },
      });
    expect((await preflight(origin)).headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, content-type, last-event-id',
      vary: expect.stringContaining('Origin'),
    });
    expect((await preflight('https://evil.example.com')).headers['access-control-allow-origin']).toBeUndefined();
    expect((await preflight(origin, '/metrics')).headers['access-control-allow-origin']).toBeUndefined();
    const stream = await app.inject({ url: URL, headers: { ...AUTHORIZED, origin } });
    expect(stream.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'content-type': 'text/event-stream; charset=utf-8',
    });
    const refused = await app.inject({ url: '/v1/types', headers: { origin } });
    expect(refused.statusCode).toBe(401);
    expect(refused.headers['access-control-allow-origin']).toBe(origin);
    for (const url of ['/metrics', '/healthz', '/readyz'])
      expect(
        (await app.inject({ url, headers: { origin } })).headers['access-control-allow-origin'],
        url,
      ).toBeUndefined();
  });
  it('are none by default', async () => {
    const app = await testServer();
    const answer = await app.inject({ url: URL, headers: { ...AUTHORIZED, origin } });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect((await app.inject({ method: 'OPTIONS', url: '/v1/query', headers: { origin } })).statusCode).toBe(401);
  });
});

describe('a client that reads slowly', () => {
  /** A response whose buffers are always full. */
  const stuck = (): ServerResponse & { drained(): void } => {
    let release: () => void = () => undefined;
    const stream = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => {
        release = done;
      },
    });
    return Object.assign(stream as unknown as ServerResponse, { drained: () => release() });
  };

  it('is waited for while it drains in time', async () => {
    const response = stuck();
    const written = sseWrite(response, 'text', 60_000, new AbortController().signal);
    response.drained();
    expect(await written).toBe('written');
  });
  it('is given up after the patience', async () => {
    vi.useFakeTimers();
    try {
      const written = sseWrite(stuck(), 'text', 10_000, new AbortController().signal);
      await vi.advanceTimersByTimeAsync(10_000);
      expect(await written).toBe('too_slow');
    } finally {
      vi.useRealTimers();
    }
  });
  it('is not waited for once it has gone or the server stops', async () => {
    const stop = new AbortController();
    const response = stuck();
    const written = sseWrite(response, 'text', 60_000, stop.signal);
    stop.abort();
    expect(await written).toBe('gone');
    expect(await sseWrite(response, 'more', 60_000, stop.signal)).toBe('gone');
  });
});

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
