import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { HttpLimits } from './limits.ts';
import { listen } from './listen.ts';
import { AUTHORIZED, fakeService, testServer } from './testing.ts';
import type { App } from './v1.ts';

/** Clients on a real listener that send or read too slowly, or are too many. Each must be let go; vitest's own time limit is the bound. */
let app: App | undefined;
let sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await app?.close();
  app = undefined;
});

const start = async (limits: Partial<HttpLimits>, types: readonly string[] = []): Promise<number> => {
  app = await testServer({ limits, service: fakeService({ types: () => Promise.resolve({ types, ageMs: 0 }) }) });
  return Number(new URL(await listen(app, { host: '127.0.0.1', port: 0 })).port);
};

const open = (port: number): Socket => {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  sockets.push(socket);
  return socket;
};

/** What a client gets until the server lets it go. */
const untilClosed = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.once('close', () => resolve(text));
  });

const HEAD = `Host: x\r\nAuthorization: ${AUTHORIZED.authorization}\r\n`;

describe('a client is let go', () => {
  it.each([
    ['that says nothing', ''],
    ['that never ends its headers', 'GET /v1/types HTTP/1.1\r\nHost: x\r\nX-Slow: '],
    [
      'that never ends its body',
      `POST /v1/query HTTP/1.1\r\n${HEAD}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    ],
  ])('%s', async (_what, sent) => {
    const socket = open(await start({ requestMs: 200 }));
    socket.write(sent);
    expect(await untilClosed(socket)).toContain('HTTP/1.1 408 ');
  });

  it('that does not read its answer', async () => {
    const port = await start({ answerPatienceMs: 300 }, ['x'.repeat(64 * 1024 * 1024)]);
    const closed = new Promise((resolve) =>
      app?.server.once('connection', (socket: Socket) => socket.once('close', resolve)),
    );
    const socket = open(port);
    socket.pause();
    socket.write(`GET /v1/types HTTP/1.1\r\n${HEAD}\r\n`);
    await closed;
  });

  it('that is one too many', async () => {
    const port = await start({ connections: 1 });
    const first = open(port);
    await new Promise((resolve) => first.once('connect', resolve));
    expect(await untilClosed(open(port))).toBe('');
  });
});

it('a slow answer to one that reads is not cut off', async () => {
  const port = await start({ answerPatienceMs: 300 }, ['x'.repeat(1_000_000)]);
  const answer = await fetch(`http://127.0.0.1:${port}/v1/types`, { headers: AUTHORIZED });
  expect((await answer.text()).length).toBeGreaterThan(1_000_000);
});

it('a body that unpacks to a thousand times its size is not unpacked', async () => {
  const server = await testServer();
  const answer = await server.inject({
    method: 'POST',
    url: '/v1/query',
    headers: { ...AUTHORIZED, 'content-type': 'application/json', 'content-encoding': 'gzip' },
    payload: gzipSync(Buffer.alloc(50_000_000, ' ')),
  });
  expect(answer.statusCode).toBe(400);
});

it('every answer forbids guessing its type and storing it', async () => {
  const server = await testServer();
  for (const [url, headers] of [
    ['/v1/types', AUTHORIZED],
    ['/v1/types', {}],
    ['/nothing', {}],
    ['/metrics', {}],
  ] as const) {
    const answer = await server.inject({ url, headers });
    expect(answer.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
  }
});

describe('without a token', () => {
  it.each([
    ['127.0.0.1:8088', 200],
    ['[::1]:8088', 200],
    ['localhost', 200],
    ['host.docker.internal:8088', 200],
    ['evil.example:8088', 401],
    ['127.0.0.1.evil.example', 401],
    ['localhost.evil.example', 401],
  ])('a request to %s gets %d: a page must not reach this machine under a name of its own', async (host, status) => {
    const server = await testServer({ apiToken: undefined });
    expect((await server.inject({ url: '/v1/schema', headers: { host } })).statusCode).toBe(status);
  });
});
