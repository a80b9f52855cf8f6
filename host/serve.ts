import { execFile, spawn } from 'node:child_process';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { bundlePage, newestIn } from './bundle.ts';
import type { Generation, Mode } from './bundle.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const CACHE = join(ROOT, 'node_modules', '.cache', 'userpulse-host');
const STOP_GRACE_MS = 10_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const exec = promisify(execFile);

export interface PluginHostOptions {
  readonly generation: Generation;
  /** Address of `userpulse serve`. */
  readonly backendUrl: string;
  readonly token: string;
  /** Loopback address to serve on; a free port unless told. */
  readonly listen?: string;
  /** `development` makes React and Grafana check more, at the cost of speed. */
  readonly mode?: Mode;
  /** Folder of dashboards, those of the plugin unless told. */
  readonly dashboards?: string;
  /** File for the gateway's log; standard error unless told. */
  readonly gatewayLog?: string;
  /** Gives up while something is still being installed or built; a host that serves is ended with `stop`. */
  readonly signal?: AbortSignal;
}

export interface PluginHost {
  readonly url: string;
  readonly pid: number;
  /** Ends the Go host and its gateway and waits for it. */
  stop(): Promise<void>;
}

/** Runs a build step. @throws Error with the tool's own words where it fails */
async function run(what: string, command: string, args: readonly string[], signal?: AbortSignal): Promise<void> {
  try {
    await exec(command, [...args], { cwd: ROOT, maxBuffer: MAX_OUTPUT_BYTES, ...(signal && { signal }) });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const words = `${stdout}\n${stderr}`.trim() || String(error);
    throw new Error(`${what} could not be built. Run \`${[command, ...args].join(' ')}\` to see it alone.\n${words}`, {
      cause: error,
    });
  }
}

/** The plugin's frontend in dist/, built anew when a source is newer. */
async function buildPlugin(signal?: AbortSignal): Promise<string> {
  const dist = join(ROOT, 'dist');
  const builtAt = await stat(join(dist, 'module.js')).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  const sources = [await newestIn(join(ROOT, 'src')), (await stat(join(ROOT, 'webpack.config.ts'))).mtimeMs];
  if (builtAt < Math.max(...sources)) {
    const args = ['--config', 'webpack.config.ts', '--mode', 'production', '--env', 'production'];
    await run("The plugin's frontend", join(ROOT, 'node_modules', '.bin', 'webpack'), args, signal);
  }
  return dist;
}

/** Go's own cache makes this a second when nothing has changed. */
async function buildGo(name: string, source: string, signal?: AbortSignal): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  const output = join(CACHE, name);
  await run(`The ${name}`, 'go', ['build', '-o', output, source], signal);
  return output;
}

const ready = z.object({ url: z.string(), pid: z.number(), gatewayPid: z.number() });

/** Builds what is missing and serves the page over the Go host: the plugin in a browser without a Grafana server. */
export async function startPluginHost(options: PluginHostOptions): Promise<PluginHost> {
  const { signal } = options;
  const [page, dist] = await Promise.all([bundlePage(options.generation, options.mode, signal), buildPlugin(signal)]);
  const gateway = await buildGo('gateway', './pkg', signal);
  const gohost = await buildGo('gohost', './host/gohost', signal);
  signal?.throwIfAborted();
  const args = [
    ...['--listen', options.listen ?? '127.0.0.1:0'],
    ...['--gateway', gateway],
    ...['--page', page],
    ...['--dist', dist],
    ...['--dashboards', options.dashboards ?? join(ROOT, 'src', 'dashboards')],
    ...['--backend-url', options.backendUrl],
    ...(options.gatewayLog === undefined ? [] : ['--gateway-log', options.gatewayLog]),
  ];
  // The token goes by environment: a command line can be read by every process of the machine.
  const child = spawn(gohost, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, USERPULSE_API_TOKEN: options.token },
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, killedBy) => resolve(killedBy ?? `exit code ${String(code)}`));
  });
  const firstLine = new Promise<string>(
    (resolve) => void createInterface({ input: child.stdout }).once('line', resolve),
  );
  const line = await Promise.race([firstLine, ended.then((how) => ({ how }))]);
  if (typeof line !== 'string')
    throw new Error(`The Go host ended before it served (${line.how}). Its words are above.`);
  const { url, pid } = ready.parse(JSON.parse(line));
  return {
    url,
    pid,
    stop: async () => {
      // It ends with its standard input; a host that hangs is killed.
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
