import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { gunzipSync } from 'node:zlib';
import certificates from 'kinesis-local/server.json' with { type: 'json' };
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VirtualClock } from '../../../tests/support/virtual-clock.ts';
import { LineBlock } from '../schema/line-block.ts';
import { InfluxSink } from './influx-sink.ts';
import { variableSecret } from '../secrets.ts';

interface Answer {
  readonly status: number;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

let server: Server;
let sink: InfluxSink;
let answer: (lines: string[]) => Answer | 'reset';
/** Lines of each request, in order. */
let requests: string[][];
let written: Set<string>;
let seen: { url: string; headers: NodeJS.Dict<string | string[]> }[];
const retries: string[] = [];
const clock = new VirtualClock();

beforeEach(async () => {
  requests = [];
  written = new Set();
  seen = [];
  retries.length = 0;
  answer = () => ({ status: 204 });
  server = createServer(listener);
  sink = sinkAt('http', await portOf(server));
});

const listener: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    // A token that may write only: InfluxDB does not tell it about buckets.
    if (request.method === 'GET') {
      response.writeHead(404).end();
      return;
    }
    const body = Buffer.concat(chunks);
    const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    const lines = text.toString().split('\n');
    requests.push(lines);
    seen.push({ url: request.url ?? '', headers: request.headers });
    const said = answer(lines);
    if (said === 'reset') {
      for (const line of lines) written.add(line);
      request.socket.destroy();
      return;
    }
    if (said.status === 204) for (const line of lines) written.add(line);
    response.writeHead(said.status, said.headers);
    response.end(said.message === undefined ? '' : JSON.stringify({ code: 'c', message: said.message }));
  });
};

/** Where it listens from now on. */
async function portOf(listening: Server): Promise<number> {
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const sinkAt = (protocol: string, port: number): InfluxSink =>
  new InfluxSink({
    target: {
      host: `${protocol}://127.0.0.1:${port}/behind/a/proxy/`,
      org: 'my org',
      token: variableSecret('INFLUX_TOKEN', 'secret-token'),
    },
    buckets: { made: 'made bucket', received: 'r', share: 's', total: 't' },
    clock,
    logger: pino({ level: 'silent' }),
    connections: 2,
    onRetry: (reason) => retries.push(reason),
    onAnswer: () => undefined,
    onExpired: () => undefined,
  });

afterEach(async () => {
  await sink.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const lines = (count: number, from = 0): string[] => Array.from({ length: count }, (_, n) => `m f=${n + from}i ${n}`);
const go = new AbortController().signal;

describe('InfluxSink', () => {
  it('sends a batch as one request with bucket, organisation and precision', async () => {
    expect(await sink.write('made', LineBlock.of(lines(3)), go)).toEqual([]);
    expect(requests).toEqual([lines(3)]);
    expect(seen[0]!.url).toBe('/behind/a/proxy/api/v2/write?org=my+org&bucket=made+bucket&precision=ns');
    expect(seen[0]!.headers).toMatchObject({ authorization: 'Token secret-token' });
    expect(seen[0]!.headers).not.toHaveProperty('content-encoding');
  });

  it('compresses what goes over https', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const secure = createSecureServer(certificates.server, listener);
    const secureSink = sinkAt('https', await portOf(secure));
    try {
      expect(await secureSink.write('made', LineBlock.of(lines(3)), go)).toEqual([]);
      expect(requests).toEqual([lines(3)]);
      expect(seen[0]!.headers).toMatchObject({ 'content-encoding': 'gzip' });
    } finally {
      vi.unstubAllEnvs();
      await secureSink.close();
      await new Promise((resolve) => secure.close(resolve));
    }
  });

  it('leaves the bytes of a request that failed to whoever may still read them', async () => {
    const block = LineBlock.of(lines(3));
    let left = 1;
    answer = () => (left-- > 0 ? { status: 503 } : { status: 204 });
    await sink.write('made', block, go);
    const bytes = block.bytes(0, 3);
    block.clear();
    block.push(lines(1, 7)[0]!);
    expect(Buffer.from(bytes).toString()).toBe(lines(3).join('\n'));
    // What was read to its end is used again.
    block.clear();
    block.push(lines(1, 8)[0]!);
    const own = block.bytes(0, 1);
    await sink.write('made', block, go);
    block.clear();
    block.push(lines(1, 9)[0]!);
    expect(Buffer.from(own).toString()).toBe(lines(1, 9)[0]);
  });

  it.each([400, 422])('finds the bad lines among thousands by halving, and writes all others (%i)', async (status) => {
    const all = lines(1_000);
    const bad = new Set([0, 7, 500, 999].map((n) => all[n]!));
    answer = (sent) => (sent.some((line) => bad.has(line)) ? { status, message: 'unable to parse' } : { status: 204 });
    const refusals = await sink.write('made', LineBlock.of(all), go);
    expect(refusals).toEqual([0, 7, 500, 999].map((index) => ({ index, reason: 'unable to parse' })));
    expect(written.size).toBe(996);
    expect(requests.length).toBeLessThan(100);
  });

  it('takes the word of InfluxDB that it dropped every line of a request, and halves where it dropped some', async () => {
    answer = (sent) => {
      const bad = sent.filter((line) => !line.startsWith('m f=0i')).length;
      return bad === 0
        ? { status: 204 }
        : { status: 422, message: `partial write: field type conflict dropped=${bad}` };
    };
    const refusals = await sink.write('made', LineBlock.of(lines(64)), go);
    expect(refusals.map((r) => r.index)).toEqual(Array.from({ length: 63 }, (_, n) => n + 1));
    expect(requests.length).toBeLessThan(16);
  });

  it('halves what is too large for InfluxDB and refuses only a line that is too large by itself', async () => {
    answer = (sent) =>
      sent.length > 2 || sent.includes(lines(8)[5]!) ? { status: 413, message: 'too large' } : { status: 204 };
    expect(await sink.write('made', LineBlock.of(lines(8)), go)).toEqual([{ index: 5, reason: 'too large' }]);
    expect(written.size).toBe(7);
  });

  it.each<[string, Answer | 'reset', string]>([
    ['429 with Retry-After', { status: 429, headers: { 'retry-after': '30' } }, 'throttled'],
    ['503', { status: 503 }, 'throttled'],
    ['500', { status: 500, message: 'internal' }, 'http_500'],
    ['200, which is not written', { status: 200 }, 'http_200'],
    ['a token that is refused', { status: 401 }, 'unauthorized'],
    ['a token that may not', { status: 403 }, 'unauthorized'],
    ['a bucket that is not there', { status: 404, message: 'bucket not found' }, 'not_found'],
    ['a connection that breaks after the write', 'reset', 'network'],
  ])('repeats after %s until it is written', async (_, failure, reason) => {
    let left = 3;
    answer = () => (left-- > 0 ? failure : { status: 204 });
    const begun = clock.now();
    expect(await sink.write('made', LineBlock.of(lines(2)), go)).toEqual([]);
    expect(requests).toEqual([lines(2), lines(2), lines(2), lines(2)]);
    expect(retries).toEqual([reason, reason, reason]);
    if (typeof failure === 'object' && failure.headers !== undefined)
      expect(clock.now() - begun).toBeGreaterThanOrEqual(90_000);
  });

  it('is in trouble until the bucket that failed works, not when another one does', async () => {
    let missing = true;
    answer = () => (seen.at(-1)?.url.includes('bucket=s&') === true && missing ? { status: 404 } : { status: 204 });
    const waiting = sink.write('share', LineBlock.of(lines(1)), go);
    while (retries.length < 3) {
      await sink.write('received', LineBlock.of(lines(1)), go);
      if (retries.length > 0) expect(sink.troubleSinceMs).toBeDefined();
    }
    missing = false;
    await waiting;
    expect(sink.troubleSinceMs).toBeUndefined();
  });

  it('ends when aborted, however long the outage', async () => {
    const stop = new AbortController();
    const reason = new Error('deadline');
    answer = () => {
      if (requests.length === 5) stop.abort(reason);
      return { status: 503 };
    };
    await expect(sink.write('made', LineBlock.of(lines(1)), stop.signal)).rejects.toBe(reason);
  });
});
