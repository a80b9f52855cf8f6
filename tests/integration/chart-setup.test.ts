import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { userpulse } from '../support/cli.ts';
import { influxApi, partsEnv, temporaryFolder, uniqueName } from '../support/parts.ts';

/* The program of the Helm chart's setup job, on the real servers; only Kubernetes is a fake, which keeps one Secret. */

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const PROGRAM = path('../../backend/bin/userpulse.js');
const SCRIPT = path('../../charts/userpulse/files/store-tokens.mjs');

interface Patch {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly contentType: string | undefined;
  readonly body: unknown;
}

/** Takes patches of a Secret, as often as it is not told to fail. */
class FakeKubernetes {
  readonly patches: Patch[] = [];
  /** Statuses of the next answers; 200 when there are none left. */
  readonly statuses: number[] = [];
  readonly secret: Record<string, string> = {};
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeKubernetes> {
    const server = createServer();
    const fake = new FakeKubernetes(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as { data: Record<string, string> };
        const { authorization, 'content-type': contentType } = request.headers;
        fake.patches.push({ method: request.method, url: request.url, authorization, contentType, body });
        const status = fake.statuses.shift() ?? 200;
        if (status === 200) {
          for (const [key, value] of Object.entries(body.data))
            fake.secret[key] = Buffer.from(value, 'base64').toString();
        }
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

let kubernetes: FakeKubernetes | undefined;
afterEach(() => kubernetes?.stop());

/** An installation that does not exist yet: its settings, and a pod of the job in it. */
async function installation(): Promise<{
  fake: FakeKubernetes;
  settings: Record<string, string>;
  run(
    args?: readonly string[],
    env?: Record<string, string>,
    more?: readonly string[],
  ): Promise<{ code: number | null; stdout: string; stderr: string }>;
}> {
  await userpulse(['--version']);
  const fake = (kubernetes = await FakeKubernetes.start());
  const folder = await temporaryFolder();
  const account = join(folder, 'account');
  const tokens = join(folder, 'tokens');
  await mkdir(account);
  await mkdir(tokens);
  await writeFile(join(account, 'token'), 'token-of-the-job\n');
  const name = uniqueName('chart');
  const settings = {
    USERPULSE_STREAM: name,
    USERPULSE_ARCHIVE: `s3://${name}/events`,
    USERPULSE_BUCKET_MADE: `${name}-made`,
    USERPULSE_BUCKET_RECEIVED: `${name}-received`,
    USERPULSE_BUCKET_SHARE: `${name}-share`,
    USERPULSE_BUCKET_TOTAL: `${name}-total`,
  };
  return {
    fake,
    settings,
    run: async (args = ['--create'], env = {}, more: readonly string[] = []) => {
      // What the Secret holds when a pod starts is mounted.
      for (const [key, value] of Object.entries(fake.secret)) await writeFile(join(tokens, key), value);
      const child = spawn(
        process.execPath,
        [
          SCRIPT,
          '--secret=analytics/example-tokens',
          '--ingest-key=ingest-token',
          '--serve-key=serve-token',
          '--api-key=api-token',
          ...more,
          `--program=${PROGRAM}`,
          `--api=${fake.url}`,
          `--account=${account}`,
          `--tokens=${tokens}`,
          '--',
          ...args,
        ],
        { env: { ...partsEnv({ ...settings, ...env }), NODE_NO_WARNINGS: '1' }, stdio: ['ignore', 'pipe', 'pipe'] },
      );
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', resolve);
      });
      return { code, stdout, stderr };
    },
  };
}

/** Tokens of InfluxDB that setup has made for these buckets. */
const tokensFor = async (bucket: string): Promise<number> => {
  const { authorizations } = (await influxApi('GET', 'api/v2/authorizations')) as {
    authorizations: { description?: string }[];
  };
  return authorizations.filter((a) => a.description?.includes(bucket)).length;
};

describe('the setup job of the chart', () => {
  it('stores a token that reads and writes where repair needs one, later too', async () => {
    const { fake, settings, run } = await installation();
    expect((await run()).code).toBe(0);
    const { code, stderr } = await run(['--create'], {}, ['--repair-key=repair-token']);
    expect(code, stderr).toBe(0);
    expect(Object.keys(fake.secret).sort()).toEqual(['api-token', 'ingest-token', 'repair-token', 'serve-token']);
    const token = { INFLUX_TOKEN: fake.secret['repair-token'] ?? '' };
    const repair = await userpulse(['repair', '--from', '2012/07/01', '--to', '2012/07/01'], { ...settings, ...token });
    // It gets as far as the archive, which is empty.
    expect(repair.stderr).toContain('holds no objects for 2012/07/01');
  });

  it('stores a token for ingest, one for serve and one for the API, and prints none', async () => {
    const { fake, settings, run } = await installation();
    const { code, stdout, stderr } = await run();
    expect(code, stderr).toBe(0);
    expect(Object.keys(fake.secret).sort()).toEqual(['api-token', 'ingest-token', 'serve-token']);
    expect(fake.secret['api-token']).toMatch(/^[0-9a-f]{64}$/);
    for (const token of Object.values(fake.secret)) expect(stdout + stderr).not.toContain(token);
    for (const patch of fake.patches) {
      expect(patch).toMatchObject({
        method: 'PATCH',
        url: '/api/v1/namespaces/analytics/secrets/example-tokens',
        authorization: 'Bearer token-of-the-job',
        contentType: 'application/merge-patch+json',
      });
    }
    const doctor = await userpulse(['doctor'], { ...settings, INFLUX_TOKEN: fake.secret['serve-token'] ?? '' });
    expect(doctor.stdout).toContain(settings['USERPULSE_BUCKET_MADE']);
  });

  it('leaves what the Secret holds when it runs again', async () => {
    const { fake, settings, run } = await installation();
    await run();
    const before = { ...fake.secret };
    const made = await tokensFor(settings['USERPULSE_BUCKET_MADE'] ?? '');
    expect((await run()).code).toBe(0);
    expect(fake.secret).toEqual(before);
    expect(await tokensFor(settings['USERPULSE_BUCKET_MADE'] ?? '')).toBe(made);
  });

  it('makes new tokens where the Secret has lost one, and keeps the token of the API', async () => {
    const { fake, run } = await installation();
    await run();
    const before = { ...fake.secret };
    fake.secret['serve-token'] = '';
    expect((await run()).code).toBe(0);
    expect(fake.secret['api-token']).toBe(before['api-token']);
    expect(fake.secret['serve-token']).not.toBe('');
    expect(fake.secret['serve-token']).not.toBe(before['serve-token']);
  });

  it('makes no token where it may not write the Secret', async () => {
    const { fake, settings, run } = await installation();
    fake.statuses.push(403);
    const { code, stderr } = await run();
    expect(code).toBe(1);
    expect(stderr).toContain('Secret analytics/example-tokens could not be written. Kubernetes answered 403');
    expect(await tokensFor(settings['USERPULSE_BUCKET_MADE'] ?? '')).toBe(0);
  });

  it('tries again where Kubernetes fails after the tokens are made', async () => {
    const { fake, run } = await installation();
    fake.statuses.push(200, 503, 429);
    const { code } = await run();
    expect(code).toBe(0);
    expect(Object.keys(fake.secret)).toHaveLength(3);
  });

  it('stores the tokens and fails where the stream is missing', async () => {
    const { fake, run } = await installation();
    const { code, stderr } = await run([]);
    expect(code).toBe(1);
    expect(Object.keys(fake.secret)).toHaveLength(3);
    expect(stderr).toMatch(/Stream "chart-[0-9a-f]+" \(USERPULSE_STREAM\) does not exist/);
  });

  it('stores nothing where setup cannot begin', async () => {
    const { fake, run } = await installation();
    const { code, stderr } = await run(['--create'], { INFLUX_TOKEN: 'wrong-token' });
    expect(code).toBe(1);
    expect(fake.secret).toEqual({});
    expect(stderr).toContain('operator token');
  });
});
