import { connect } from 'node:net';
import { PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { healthResponse, interactionsResponse, queryResponse, topResponse } from '../../backend/src/http/schemas.ts';
import { listen } from '../../backend/src/http/listen.ts';
import { AUTHORIZED, fakeService, testServer } from '../../backend/src/http/testing.ts';
import { UserpulseServer } from '../support/cli.ts';
import {
  createBuckets,
  createS3Bucket,
  createStream,
  eventually,
  influxWrite,
  kinesis,
  temporaryFolder,
} from '../support/parts.ts';

/** A user id that no JavaScript number holds, and its neighbour, which a rounded number would be. */
const USER = '9007199254740993';
const NEIGHBOUR = '9007199254740992';
const SHARE = '65ba3ac07b1f4e0012345678';
const DAY_MS = Date.parse('2026-01-31T00:00:00Z');
const HOUR = 3_600_000;
const RANGE = 'from=2026-01-31T00:00:00Z&to=2026-02-01T00:00:00Z';

/** Points of the day: hours and counts by type, from a nanosecond of their own on. */
const points = (
  tag: string,
  field: string,
  counts: readonly (readonly [hour: number, type: string, count: number])[],
  fromNs = 0,
) =>
  counts.flatMap(([hour, type, count]) =>
    Array.from(
      { length: count },
      (_, i) =>
        `interaction,${tag}type=${type} ${field} ${DAY_MS + hour * HOUR + i * 1000}${String(fromNs + i).padStart(6, '0')}`,
    ),
  );

describe('userpulse serve', () => {
  let server: UserpulseServer;
  beforeAll(async () => {
    const buckets = await createBuckets('http');
    const user = [
      [1, 'like', 3],
      [5, 'share', 2],
    ] as const;
    const neighbour = [[1, 'like', 40]] as const;
    await influxWrite(buckets.received, points('prefix=9007,', `user=${USER}i`, user));
    await influxWrite(buckets.received, points('prefix=9007,', `user=${NEIGHBOUR}i`, neighbour, 500));
    // What concerns everyone is counted in the bucket of totals.
    await influxWrite(buckets.total, points('', `received=${USER}i`, user));
    await influxWrite(buckets.total, points('', `received=${NEIGHBOUR}i`, neighbour, 500));
    await influxWrite(buckets.share, points('prefix=65ba3a,', `share="${SHARE}"`, [[2, 'like', 1]]));
    server = await UserpulseServer.start('serve', buckets.env);
  });
  afterAll(() => server.stop());

  it('gives a user’s interactions, hour by hour, with zeros between', async () => {
    const result = interactionsResponse.parse(await server.json(`/v1/interactions/received/${USER}?${RANGE}&every=1h`));
    expect(result).toMatchObject({ preset: 'received', id: USER, every: '1h' });
    const like = result.series.find((s) => s.type === 'like')?.points ?? [];
    expect(like).toHaveLength(24);
    expect(like[1]).toEqual([DAY_MS + HOUR, 3]);
    expect(like.reduce((sum, [, value]) => sum + (value ?? 0), 0)).toBe(3);
    expect(result.series.map((s) => s.type).sort()).toEqual(['like', 'share']);
  });

  it('gives the same as CSV', async () => {
    const answer = await server.fetch(`/v1/interactions/share/${SHARE}?${RANGE}&every=12h`, {
      headers: { accept: 'text/csv' },
    });
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(await answer.text()).toBe(
      'time,type,value\r\n2026-01-31T00:00:00.000Z,like,1\r\n2026-01-31T12:00:00.000Z,like,0\r\n',
    );
  });

  it('keeps apart ids that a JavaScript number would not', async () => {
    const result = topResponse.parse(await server.json(`/v1/top?of=received&${RANGE}`));
    expect(result.top).toEqual([
      { id: NEIGHBOUR, count: 40 },
      { id: USER, count: 5 },
    ]);
  });

  it('answers good queries beside bad ones', async () => {
    const results = await server.query({
      from: '2026-01-31T00:00:00Z',
      to: '2026-02-01T00:00:00Z',
      queries: [
        { refId: 'A', preset: 'received', ids: [USER], every: '1d', calc: 'total', groupBy: [] },
        { refId: 'B', preset: 'received', ids: ['") |> drop()'] },
        { refId: 'C', preset: 'everyone', every: '1ns' },
      ],
    });
    const parsed = queryResponse.parse({ results }).results;
    expect(parsed['A']?.frames[0]?.data.values.flat()).toContain(5);
    expect(parsed['B']).toMatchObject({ status: 400, errorCode: 'bad_request' });
    expect(parsed['C']).toMatchObject({ status: 400 });
  });

  it('reports its health and is ready', async () => {
    const health = healthResponse.parse(await server.json('/v1/health'));
    expect(health.checks.map((c) => [c.name, c.state])).toEqual([
      ['influxdb', 'ok'],
      ['buckets', 'ok'],
      ['scheme', 'ok'],
    ]);
    expect((await fetch(new URL('/readyz', server.url))).status).toBe(200);
  });

  /** Sends bytes as they are and reads until the server closes. */
  const raw = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () => socket.write(text));
      let answer = '';
      socket.on('data', (chunk) => (answer += chunk.toString()));
      socket.once('error', reject);
      socket.once('close', () => resolve(answer));
    });

  it.each([
    ['headers over the limit', `GET /v1/types HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`, '431'],
    ['an address over the limit', `GET /v1/types?from=${'1'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, '431'],
    ['what is no HTTP', 'HELLO\r\n\r\n', '400'],
  ])('answers %s in the one form of errors', async (_what, text, status) => {
    const answer = await raw(text);
    expect(answer.startsWith(`HTTP/1.1 ${status} `)).toBe(true);
    const body: unknown = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
    expect(body).toMatchObject({ error: { code: 'bad_request' } });
  });
});

describe('a client that leaves', () => {
  it('takes its query with it', async () => {
    let asked: AbortSignal | undefined;
    const app = await testServer({
      service: fakeService({
        types: (_input, { signal } = {}) => {
          asked = signal;
          return new Promise((_resolve, reject) => {
            signal?.addEventListener('abort', () => reject(new Error('given up')), { once: true });
          });
        },
      }),
    });
    const url = await listen(app, { host: '127.0.0.1', port: 0 });
    try {
      const leave = new AbortController();
      const answer = fetch(`${url}/v1/types`, { headers: AUTHORIZED, signal: leave.signal }).catch(() => 'left');
      const signal = await eventually(() => asked, { what: 'the query to begin' });
      expect(signal.aborted).toBe(false);
      leave.abort();
      expect(await answer).toBe('left');
      await eventually(() => signal.aborted, { what: 'the query to be given up' });
    } finally {
      await app.close();
    }
  });

  it('is not waited for on /v1/stream when it stays without reading', async () => {
    const registry = new Registry();
    const app = await testServer({
      registry,
      limits: { streamPatienceMs: 100 },
      service: fakeService({
        // eslint-disable-next-line @typescript-eslint/require-await
        live: async function* (_input, signal) {
          for (let time = 0; !signal.aborted; time++) {
            const window = { id: '1', type: 'x'.repeat(10_000), time, value: 1, partial: false };
            yield { kind: 'window', window, placeMs: time };
          }
        },
      }),
    });
    const url = await listen(app, { host: '127.0.0.1', port: 0 });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    try {
      socket.pause();
      socket.on('error', () => undefined);
      socket.write(
        `GET /v1/stream?preset=everyone&every=1m HTTP/1.1\r\nHost: x\r\nAuthorization: ${AUTHORIZED.authorization}\r\n\r\n`,
      );
      await eventually(async () => (await registry.metrics()).includes('userpulse_http_streams_dropped_total 1'), {
        what: 'the client to be dropped',
      });
      await eventually(async () => (await registry.metrics()).includes('userpulse_http_stream_clients 0'), {
        what: 'its place to be free',
      });
    } finally {
      socket.destroy();
      await app.close();
    }
  });
});

describe('a stop', () => {
  it('waits for no connection without a request, and ends live streams', async () => {
    const buckets = await createBuckets('stop');
    const server = await UserpulseServer.start('serve', buckets.env);
    const port = Number(new URL(server.url).port);
    // Load balancers and browsers open connections in advance.
    const silent = connect(port, '127.0.0.1');
    const closed = new Promise((resolve) => silent.once('close', resolve));
    await new Promise((resolve) => silent.once('connect', resolve));
    const kept = await server.fetch('/v1/types');
    await kept.text();
    const live = await server.fetch('/v1/stream?preset=everyone&every=1m');
    const ended = live.text();
    expect(await server.stop()).toBe(0);
    await closed;
    expect(await ended).toContain(': open');
  }, 30_000);
});

describe('userpulse start', () => {
  it('pushes the windows of what has just been put on the stream, and drains on SIGTERM', async () => {
    const buckets = await createBuckets('start');
    const stream = await createStream(1);
    const server = await UserpulseServer.start('start', {
      ...buckets.env,
      USERPULSE_STREAM: stream,
      USERPULSE_ARCHIVE: `s3://${await createS3Bucket()}/events`,
      USERPULSE_CHECKPOINT: pathToFileURL(await temporaryFolder('start')).href,
    });
    let code: number | null;
    try {
      await eventually(async () => (await fetch(new URL('/readyz', server.url))).status === 200, { what: 'readiness' });
      const answer = await server.fetch(`/v1/stream?preset=received&ids=${USER}&types=like&every=1m`);
      expect(answer.status).toBe(200);
      const windows = readWindows(answer);
      const Records = Array.from({ length: 20 }, (_, i) => ({
        PartitionKey: String(i),
        Data: Buffer.from(
          JSON.stringify({
            eventId: `live-${i}`,
            type: 'like',
            occurredAt: Date.now(),
            actorId: 7,
            receiverId: USER,
          }),
        ),
      }));
      await kinesis().send(new PutRecordsCommand({ StreamName: stream, Records }));
      // The 20 may fall on both sides of a minute's end; each window comes again while it grows.
      const values = new Map<number, number>();
      for await (const window of windows) {
        expect(window).toMatchObject({ id: USER, type: 'like' });
        values.set(window.time, window.value);
        if ([...values.values()].reduce((a, b) => a + b, 0) === 20) break;
      }
      const health = healthResponse.parse(await server.json('/v1/health'));
      expect(health.status).toBe('ok');
      expect(health.checks.map((c) => c.name)).toEqual([
        'influxdb',
        'buckets',
        'scheme',
        'stream',
        'lag',
        'archive',
        'checkpoint',
      ]);
      const metrics = await (await fetch(new URL('/metrics', server.url))).text();
      expect(metrics).toContain('userpulse_http_request_duration_seconds');
      expect(metrics).toContain('userpulse_point_collisions_total');
    } finally {
      code = await server.stop();
    }
    expect(code).toBe(0);
    expect(server.log).not.toContain(server.token);
  });
});

const windowEvent = z.object({
  id: z.string(),
  type: z.string(),
  time: z.number(),
  value: z.number(),
  partial: z.boolean(),
});

async function* readWindows(answer: Response): AsyncGenerator<z.infer<typeof windowEvent>> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = text.slice(0, end);
      text = text.slice(end + 2);
      const data = /^event: window\ndata: (.*)$/m.exec(event)?.[1];
      if (data !== undefined) yield windowEvent.parse(JSON.parse(data));
    }
  }
}
