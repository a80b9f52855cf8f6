import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startPluginHost, type PluginHost } from '../host/serve.ts';
import { writeSample } from '../tests/e2e/sample.ts';
import { startLocalUserpulse } from './local.ts';
import { createProgress } from '../tools/progress.ts';

/**
 * `npm run dev`: builds the plugin into dist/ whenever one of its sources changes, and shows it in the plugin host. Reload the page to see a
 * change; a change of the gateway's sources starts the host anew. USERPULSE_URL and USERPULSE_API_TOKEN name a backend; without them one is
 * started on local servers. `npm run server` shows the same dist/ in a Grafana.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The plugin host's address stays, so that a reload is enough. */
const LISTEN = '127.0.0.1:3100';
const SETTLE_MS = 300;

const progress = createProgress(process.stderr);
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
const ending: (() => Promise<void> | void)[] = [];

/** Starts webpack's watch; resolves when the first build is in dist/. */
function build(): Promise<void> {
  const webpack = spawn(
    join(ROOT, 'node_modules', '.bin', 'webpack'),
    ['--watch', '--env', 'development', '--stats', 'errors-warnings'],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  ending.push(() => void webpack.kill());
  return new Promise((done, fail) => {
    webpack.once('error', fail);
    webpack.once('exit', (code) => fail(new Error(`webpack ended with exit code ${code ?? '?'}.`)));
    createInterface({ input: webpack.stdout }).on('line', (line) => {
      if (line !== '') progress.line(`${new Date().toLocaleTimeString('en-GB')}  ${line}`);
      if (/^webpack.* compiled/.test(line)) done();
    });
  });
}

async function backend(): Promise<{ readonly url: string; readonly token: string }> {
  const url = process.env['USERPULSE_URL'] ?? '';
  if (url !== '') return { url, token: process.env['USERPULSE_API_TOKEN'] ?? '' };
  const artifacts = join(ROOT, 'artifacts', 'e2e');
  await mkdir(artifacts, { recursive: true });
  const sample = join(artifacts, 'sample.txt');
  await writeSample(sample);
  const local = await startLocalUserpulse(sample, progress);
  ending.push(() => local.stop());
  return local;
}

async function main(): Promise<void> {
  const [{ url, token }] = await Promise.all([backend(), build()]);
  let host: PluginHost | undefined;
  const start = async (): Promise<void> => {
    await host?.stop();
    host = undefined;
    try {
      host = await startPluginHost({ generation: '19', backendUrl: url, token, listen: LISTEN, signal: stop.signal });
      progress.line(`Plugin host  ${host.url}/d/overview   (backend ${url}); Ctrl-C ends`);
    } catch (error) {
      if (!stop.signal.aborted) progress.line(error instanceof Error ? error.message : String(error));
    }
  };
  ending.push(async () => {
    await host?.stop();
  });
  let restarting = start();
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(join(ROOT, 'pkg'), { recursive: true }, () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      restarting = restarting.then(start);
    }, SETTLE_MS);
  });
  ending.push(() => watcher.close());
  await restarting;
  await stopped;
}

const stopped = new Promise<never>((_resolve, reject) => {
  stop.signal.addEventListener('abort', () => reject(new Error('stopped')));
});

try {
  // Ctrl-C ends it while it still builds, too.
  await Promise.race([main(), stopped]);
} catch (error) {
  if (!stop.signal.aborted) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
} finally {
  for (const end of ending.reverse()) await end();
  // What was still being started ends with this process: its supervisors see to that.
  process.exit();
}
