import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { flux } from '../flux/literals.ts';
import { HttpInfluxReader } from './reader.ts';
import { variableSecret } from '../secrets.ts';

/** Asks a server of the test's own, in InfluxDB's place. */
async function ask(
  answer: RequestListener,
  over: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<string[][]> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const reader = new HttpInfluxReader({
    host: `http://127.0.0.1:${port}/base`,
    org: 'o & p',
    token: variableSecret('INFLUX_TOKEN', 't'),
    timeoutMs: over.timeoutMs ?? 10_000,
  });
  const rows: string[][] = [];
  try {
    await reader.rows(flux`from()`, () => (row) => rows.push([...row]), over.signal);
    return rows;
  } finally {
    await reader.close();
    server.closeAllConnections();
    server.close();
  }
}

const CSV = ',result,table,_value\r\n,A,0,12\r\n\r\n';

describe('asking InfluxDB', () => {
  it('posts the script below the path of the host, with the token', async () => {
    let seen = '';
    const rows = await ask((request, response) => {
      seen = `${request.method} ${request.url} ${request.headers.authorization}`;
      response.end(CSV);
    });
    expect(rows).toEqual([['', 'A', '0', '12']]);
    expect(seen).toBe('POST /base/api/v2/query?org=o+%26+p Token t');
  });

  it('unzips an answer that comes zipped', async () => {
    const rows = await ask((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(CSV)));
    expect(rows).toEqual([['', 'A', '0', '12']]);
  });

  it.each([
    [401, 'influx_unauthorized'],
    [403, 'influx_unauthorized'],
    [404, 'influx_not_found'],
    [429, 'influx_unavailable'],
    [503, 'influx_unavailable'],
    [400, 'query_failed'],
    [500, 'query_failed'],
  ])('takes HTTP %d for %s, in its own words', async (status, code) => {
    const failure = ask((_, response) => response.writeHead(status).end('{"code":"x","message":"because of that"}'));
    await expect(failure).rejects.toMatchObject({ code, message: expect.stringContaining('because of that') });
  });

  it('does not take a success without an answer for an answer without rows', async () => {
    await expect(ask((_, response) => response.writeHead(204).end())).rejects.toMatchObject({ code: 'query_failed' });
  });

  it('does not take an answer that breaks off for a whole one, zipped or not', async () => {
    const cut =
      (headers: Record<string, string>, body: Buffer): RequestListener =>
      (_, response) => {
        response.writeHead(200, headers);
        response.write(body.subarray(0, body.length - 4), () => response.destroy());
      };
    await expect(ask(cut({}, Buffer.from(CSV)))).rejects.toMatchObject({ code: 'influx_unreachable' });
    await expect(ask(cut({ 'content-encoding': 'gzip' }, gzipSync(CSV)))).rejects.toMatchObject({
      code: 'influx_unreachable',
    });
  });

  it('gives up at its deadline and at its caller’s word, also in the middle of an answer', async () => {
    const stuck: RequestListener = (_, response) => response.writeHead(200).write(CSV);
    await expect(ask(stuck, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'query_timeout' });
    const stop = new AbortController();
    const asked = ask(
      (_, response) => {
        response.writeHead(200).write(CSV);
        stop.abort();
      },
      { signal: stop.signal },
    );
    await expect(asked).rejects.toMatchObject({ code: 'aborted' });
  });
});
