import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settingDocs } from '../../backend/src/config.ts';
import { freePorts } from '../../tools/parts/ports.ts';
import { parts } from '../support/parts.ts';
import { addresses, readCompose, type Service } from './compose.ts';
import { buildContext } from './context.ts';
import { readDockerfile } from './dockerfile.ts';
import { rehearse, rooted, run, type RehearsedImage } from './rehearsal.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(CHECKOUT, path), 'utf8');
const { services, volumes } = readCompose(read('docker-compose.yml'));
const named = Object.entries(services);

/** What images of others listen on; of versitygw and ours it is said in this checkout. */
const OTHERS: Readonly<Record<string, number>> = { influxdb: 8086, 'prom/prometheus': 9090, 'grafana/grafana': 3000 };

function listensOn({ image, build, command }: Service): number[] {
  if (build !== undefined) {
    const last = readDockerfile(read(build.dockerfile)).at(-1);
    const base = OTHERS[last?.base.split(':')[0] ?? ''];
    return [...(last?.exposed ?? []), ...(base === undefined ? [] : [base])];
  }
  const other = OTHERS[image.split(':')[0] ?? ''];
  const port = command.map((word) => /^:(\d+)$/.exec(word)?.[1]).find((found) => found !== undefined);
  return [other, port === undefined ? undefined : Number(port)].filter((found) => found !== undefined);
}

describe('the compose file', () => {
  it.each(named)('builds or names the image of %s', (_, { build, image }) => {
    if (build === undefined) expect(image).toMatch(/^[\w./-]+:v?\d[\w.-]*$/);
    else {
      expect(build.context).toBe('.');
      const args = readDockerfile(read(build.dockerfile)).flatMap(({ base }) => base);
      expect(args.length).toBeGreaterThan(0);
      for (const name of Object.keys(build.args))
        expect(read(build.dockerfile)).toMatch(new RegExp(`^ARG ${name}\\b`, 'm'));
    }
  });

  it.each(named)('starts %s after services that can say that they are ready', (_, { depends_on }) => {
    for (const [name, { condition }] of Object.entries(depends_on)) {
      const other = services[name];
      expect(other, name).toBeDefined();
      if (condition === 'service_healthy') expect(other?.healthcheck, `${name} has no healthcheck`).toBeDefined();
      else expect([name, condition]).toEqual(['setup', 'service_completed_successfully']);
    }
  });

  it.each(named)('gives %s addresses at which a service listens', (name, service) => {
    const texts = Object.values(service.environment);
    if (name === 'prometheus') texts.push(read('provisioning/prometheus/prometheus.yml'));
    for (const { host, port } of texts.flatMap(addresses)) {
      const other = services[host];
      expect(other, `${host} is no service`).toBeDefined();
      if (other !== undefined) expect(listensOn(other), `${host}:${port}`).toContain(port);
    }
  });

  it.each(named)('publishes of %s only a port that its image listens on, and only on loopback', (_, service) => {
    for (const text of service.ports) {
      const [address, , inside] = text.split(':');
      expect(address).toBe('127.0.0.1');
      expect(listensOn(service)).toContain(Number(inside));
    }
  });

  it.each(named)('mounts into %s only what there is', (_, service) => {
    for (const text of service.volumes) {
      const [from = ''] = text.split(':');
      if (from.startsWith('.')) expect(existsSync(join(CHECKOUT, from)), from).toBe(true);
      else expect(Object.keys(volumes)).toContain(from);
    }
  });

  it('sets no variable that the backend does not read', () => {
    const known = new Set<string>(settingDocs.map(({ variable }) => variable));
    const ours = named.filter(([, { image }]) => image === 'userpulse:local');
    expect(ours.map(([name]) => name)).toEqual(['setup', 'ingest', 'serve', 'produce']);
    for (const [, { environment }] of ours)
      for (const name of Object.keys(environment)) if (!name.startsWith('AWS_')) expect(known).toContain(name);
  });

  it('gives Grafana exactly the variables that provisioning reads', () => {
    const folders = ['datasources', 'dashboards', 'alerting'];
    const files = folders.flatMap((name) =>
      readdirSync(join(CHECKOUT, 'provisioning', name)).map((file) => join('provisioning', name, file)),
    );
    const text = files.map((file) => read(file).replace(/^\s*#.*$/gm, '')).join('\n');
    const wanted = new Set([...text.matchAll(/(?<!\$)\$\{?([A-Z][A-Z0-9_]+)/g)].map(([, name]) => name));
    // The official image sets it.
    wanted.delete('GF_PATHS_PLUGINS');
    const given = Object.keys(services['grafana']?.environment ?? {}).filter((name) => !name.startsWith('GF_'));
    expect(given.sort()).toEqual([...wanted].sort());
  });
});

/** Compose's services as processes of this machine: our images as rehearsed, the local parts for InfluxDB and the S3 server. */
describe('the services of the compose file', () => {
  let folder: string;
  const images = new Map<string, RehearsedImage>();
  const running: { stop(): void }[] = [];
  let places: (text: string) => string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'userpulse-compose-'));
    const context = buildContext(CHECKOUT);
    for (const name of ['backend', 'kinesis']) {
      const image = await rehearse(read(`docker/${name}.Dockerfile`), {
        checkout: CHECKOUT,
        context,
        folder: join(folder, name),
      });
      images.set(`docker/${name}.Dockerfile`, image);
    }
    // Every service's port is a free one here, also where a service asks itself about its health.
    const ports = await freePorts(4);
    const [kinesis = 0, ingest = 0, serve = 0, tls = 0] = ports;
    const { influx, s3 } = parts();
    const moved: readonly (readonly [RegExp, string])[] = [
      [/http:\/\/influxdb:8086/g, influx.url],
      [/http:\/\/s3:7070/g, s3.endpoint],
      [/http:\/\/kinesis:4568/g, `http://127.0.0.1:${kinesis}`],
      [/(127\.0\.0\.1|0\.0\.0\.0):4568/g, `127.0.0.1:${kinesis}`],
      [/(127\.0\.0\.1|0\.0\.0\.0):8089/g, `127.0.0.1:${ingest}`],
      [/(127\.0\.0\.1|0\.0\.0\.0):8088/g, `127.0.0.1:${serve}`],
      [/^4568$/g, String(kinesis)],
      [/^4567$/g, String(tls)],
    ];
    places = (text) => moved.reduce((moving, [from, to]) => moving.replace(from, to), text);
  });
  afterAll(() => {
    for (const one of running.reverse()) one.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What the engine would run: command, arguments, environment. */
  function process_(name: string) {
    const service = services[name];
    const image = images.get(service?.build?.dockerfile ?? '');
    if (service === undefined || image === undefined) throw new Error(`${name} is no service whose image is ours.`);
    const { influx, s3 } = parts();
    // Credentials and names of the local parts, where the compose file has those of its own servers.
    const local = {
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      INFLUX_ORG: influx.org,
      INFLUX_TOKEN: influx.token,
    };
    const environment = Object.fromEntries(
      Object.entries(service.environment).map(([key, value]) => [
        key,
        key in local ? local[key as keyof typeof local] : places(value),
      ]),
    );
    const [command = '', ...args] = [
      ...image.entrypoint,
      ...(service.command.length > 0 ? service.command : image.cmd),
    ];
    const env = { PATH: process.env['PATH'], HOME: folder, ...image.env, ...environment };
    return { command, args, env, cwd: image.workdir, service };
  }

  function start(name: string): void {
    const { command, args, env, cwd } = process_(name);
    mkdirSync(join(folder, 'logs'), { recursive: true });
    const log = openSync(join(folder, 'logs', name), 'w');
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', log, log] });
    running.push({ stop: () => child.kill('SIGKILL') });
  }

  /** The service's own healthcheck, until it says yes. */
  async function healthy(name: string): Promise<void> {
    const { service, env, cwd } = process_(name);
    const [, command = '', ...args] = service.healthcheck?.test ?? ['CMD', ''];
    for (let left = 100; ; left--) {
      try {
        await run(command, args.map(places), { cwd, env });
        return;
      } catch (error) {
        if (left === 0)
          throw new Error(`${name}: ${readFileSync(join(folder, 'logs', name), 'utf8')}`, { cause: error });
        await sleep(300);
      }
    }
  }

  it('come up in order, each healthy by its own check, and events reach the answers', async () => {
    start('kinesis');
    await healthy('kinesis');
    const setup = process_('setup');
    await run(setup.command, setup.args, setup);
    start('ingest');
    start('serve');
    await healthy('ingest');
    await healthy('serve');
    start('produce');
    const url = places('http://127.0.0.1:8088');
    const token = services['grafana']?.environment['USERPULSE_API_TOKEN'] ?? '';
    await expect
      .poll(
        async () => {
          const to = new Date(Date.now() + 60_000).toISOString();
          const from = new Date(Date.now() - 600_000).toISOString();
          const answer = await fetch(`${url}/v1/top?of=received&n=1&from=${from}&to=${to}`, {
            headers: { authorization: `Bearer ${token}` },
          });
          return answer.text();
        },
        { timeout: 60_000, interval: 500 },
      )
      .toMatch(/"count":\s*[1-9]/);
  });

  it('keep checkpoint and archive where the volumes are mounted', () => {
    const image = images.get('docker/backend.Dockerfile');
    const mounted = services['ingest']?.volumes.map((text) => text.split(':')[1] ?? '') ?? [];
    expect(mounted).toEqual(['/var/lib/userpulse']);
    expect(image?.env['USERPULSE_CHECKPOINT']).toBe(
      `file://${rooted('/var/lib/userpulse/checkpoint', image?.root ?? '')}`,
    );
    expect(readdirSync(join(image?.root ?? '', 'var/lib/userpulse/checkpoint')).length).toBeGreaterThan(0);
  });
});
