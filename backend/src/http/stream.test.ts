import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ServerResponse } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { UserpulseError } from '../errors.ts';
import type { LiveWindow } from '../../../contract/answers.ts';
import { sseComment, sseEvent, sseWrite } from './sse.ts';
import { AUTHORIZED, fakeService, testServer } from './testing.ts';

const WINDOW: LiveWindow = { id: '88', type: 'like', time: 1_769_817_600_000, value: 3, partial: true };
const URL = '/v1/stream?preset=received&ids=88,89&types=like&every=10s&timezone=Europe/Berlin';

describe('framing', () => {
  it('is one event per window', () => {
    expect(sseEvent('window', WINDOW)).toBe(
      'event: window\ndata: {"id":"88","type":"like","time":1769817600000,"value":3,"partial":true}\n\n',
    );
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
    expect(answer.body).toBe(`: open\n\n${sseEvent('window', WINDOW)}`);
    expect(asked).toEqual([
      { preset: 'received', ids: ['88', '89'], types: ['like'], every: '10s', timezone: 'Europe/Berlin' },
    ]);
  });

  it('says why it ends where it fails', async () => {
    const app = await testServer({
      service: fakeService({
        // eslint-disable-next-line @typescript-eslint/require-await
        live: async function* () {
          yield WINDOW;
          throw new UserpulseError('influx_unreachable', 'InfluxDB is away.', { hint: 'Start it.' });
        },
      }),
    });
    const { body } = await app.inject({ url: URL, headers: AUTHORIZED });
    expect(body).toBe(
      `: open\n\n${sseEvent('window', WINDOW)}event: error\ndata: {"error":{"code":"influx_unreachable","message":"InfluxDB is away. Start it."}}\n\n`,
    );
  });

  it('refuses more clients than the limit and takes new ones when others leave', async () => {
    const leave = new AbortController();
    const app = await testServer({
      limits: { streams: 1 },
      service: fakeService({
        live: async function* (_input, signal) {
          yield WINDOW;
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
          yield WINDOW;
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
          yield WINDOW;
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
    expect(text.startsWith(': open\n\n')).toBe(true);
    await app.close();
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
