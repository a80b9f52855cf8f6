import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSample } from '../tests/e2e/sample.ts';
import { LOCAL_TOKEN, startLocalUserpulse } from './local.ts';
import { startGrafana } from '../tools/parts/grafana.ts';
import { createProgress } from '../tools/progress.ts';

/**
 * Runs the specs of tests/e2e/ on a real Grafana, with real events behind it: `npm run e2e`.
 *
 *   GRAFANA_HOME=/usr/share/grafana npm run e2e   starts that Grafana (a folder with bin/, conf/ and public/), and everything else
 *   GRAFANA_URL=http://127.0.0.1:3000 npm run e2e uses a Grafana that runs with provisioning/, such as `docker compose up`;
 *                                                 USERPULSE_URL and USERPULSE_API_TOKEN tell its backend, already fed with the sample
 *
 *   npm run e2e -- config.spec.ts -g token        arguments are Playwright's
 *   npm run e2e -- --hold                         starts everything, runs nothing, and stays until Ctrl-C: for looking around
 *   npm run e2e -- --write-sample FILE            only writes the sample
 *
 * USERPULSE_SAMPLE names a Higgs activity-time file to take instead of the small one made here.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ARTIFACTS = join(ROOT, 'artifacts', 'e2e');

/** Ours are taken out; what is left is Playwright's. */
const args = process.argv.slice(2);
const hold = take('--hold') !== undefined;
const sampleOnly = take('--write-sample', 1);

function take(name: string, values = 0): string | undefined {
  const at = args.indexOf(name);
  if (at < 0) return undefined;
  const [flag, value] = args.splice(at, 1 + values);
  if (values === 0) return flag;
  if (value === undefined) throw new Error(`${name} needs a value.`);
  return value;
}

async function main(): Promise<number> {
  await mkdir(ARTIFACTS, { recursive: true });
  if (sampleOnly !== undefined) {
    await writeSample(sampleOnly);
    return 0;
  }
  const given = process.env['USERPULSE_SAMPLE'] ?? '';
  const sample = given === '' ? join(ARTIFACTS, 'sample.txt') : resolve(given);
  if (given === '') await writeSample(sample);

  const home = process.env['GRAFANA_HOME'] ?? '';
  const url = process.env['GRAFANA_URL'] ?? '';
  if (home === '') {
    if (url === '') {
      throw new Error(
        'Name a Grafana: GRAFANA_HOME (an unpacked one, which is started here) or GRAFANA_URL (one that runs with provisioning/).',
      );
    }
    const backend = process.env['USERPULSE_URL'] ?? 'http://127.0.0.1:8088';
    return playwright({ url, backend, token: process.env['USERPULSE_API_TOKEN'] ?? LOCAL_TOKEN, sample });
  }
  return withLocalParts(home, sample);
}

async function withLocalParts(home: string, sample: string): Promise<number> {
  const progress = createProgress(process.stderr);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const local = await startLocalUserpulse(sample, progress);
  try {
    const port = process.env['GRAFANA_PORT'] ?? '';
    const grafana = await startGrafana({
      home: resolve(home),
      root: local.dir,
      backendUrl: local.url,
      token: local.token,
      ...(port !== '' && { port: Number(port) }),
    });
    try {
      progress.line(`Grafana  ${grafana.url}   (admin, admin)`);
      progress.line(`Backend  ${local.url}`);
      if (!hold) {
        const pid = local.pid === undefined ? {} : { servicePid: String(local.pid) };
        return await playwright({ url: grafana.url, backend: local.url, token: local.token, sample, ...pid });
      }
      await new Promise<void>((done) => stop.signal.addEventListener('abort', () => done()));
      return 0;
    } finally {
      await grafana.server.stop();
    }
  } finally {
    await local.stop();
  }
}

interface World {
  readonly url: string;
  readonly backend: string;
  readonly token: string;
  readonly sample: string;
  /** Process of the backend, where this machine runs it: specs may suspend it. */
  readonly servicePid?: string;
}

function playwright({ url, backend, token, sample, servicePid }: World): Promise<number> {
  // Playwright's own browsers come from a server that not every machine reaches; the system's will do.
  const system = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
  const child = spawn(join(ROOT, 'node_modules', '.bin', 'playwright'), ['test', ...args], {
    cwd: ROOT,
    stdio: 'inherit',
    env: {
      ...process.env,
      GRAFANA_URL: url,
      USERPULSE_URL: backend,
      USERPULSE_API_TOKEN: token,
      USERPULSE_SAMPLE: sample,
      ...(servicePid !== undefined && { USERPULSE_PID: servicePid }),
      ...(process.env['CHROMIUM'] === undefined && system !== undefined && { CHROMIUM: system }),
    },
  });
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', (code) => done(code ?? 1));
  });
}

process.exitCode = await main();
