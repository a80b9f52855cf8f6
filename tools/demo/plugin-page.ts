import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { freeOr, LOOPBACK } from '../parts/ports.ts';
import { formatDuration } from '../text.ts';
import type { Range } from './api.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Beside the backend's 8088. */
const PREFERRED_PORT = 8089;
const LOOK_MS = 500;

export interface PluginPage {
  readonly url: string;
  /** How far it is, in a few words with the address, for a state that is redrawn. */
  readonly state: string;
  /** Ends the page, or the building of it where it is not there yet. */
  stop(): Promise<void>;
}

export interface PluginPageRequest {
  readonly backendUrl: string;
  /** Folder for the gateway's log. */
  readonly dir: string;
  /** Time range to show first; the dashboards' own, the last hour, unless told. */
  readonly range: Range | undefined;
  readonly say: (line: string) => void;
}

/**
 * Serves the plugin's own panels in a browser, without a Grafana server. The first time its packages are installed and it is built, in a
 * minute or two: the demo does not wait, and goes on without the page where that fails.
 */
export async function startPluginPage({ backendUrl, dir, range, say }: PluginPageRequest): Promise<PluginPage> {
  const began = Date.now();
  const origin = `http://${LOOPBACK}:${await freeOr(PREFERRED_PORT)}`;
  const url = `${origin}/d/overview${range === undefined ? '' : `?from=${range.fromMs}&to=${range.toMs}`}`;
  const args = [
    '--backend-url',
    backendUrl,
    '--listen',
    new URL(origin).host,
    '--gateway-log',
    join(dir, 'gateway.log'),
  ];
  const host = spawn(process.execPath, ['--import', 'tsx', join('host', 'main.ts'), ...args], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C in the terminal reaches the demo alone, which ends things in the right order.
    detached: true,
  });
  let state = `panels are being built for ${url}`;
  const stopping = new AbortController();
  let said = '';
  host.stdin.on('error', () => undefined); // It has ended; 'close' says so.
  host.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  createInterface({ input: host.stdout }).once('line', () => {
    state = `panels at ${url}`;
    void hasData(origin, range, stopping.signal).then((has) => {
      if (has) say(`Panels     the first one has data, ${formatDuration(Date.now() - began)} after the start: ${url}`);
    });
  });
  const ended = new Promise<void>((resolve) => {
    host.once('error', (error) => (said += error.message));
    host.once('close', (code) => {
      state = 'no panels';
      if (!stopping.signal.aborted) say(`Panels     not served (exit code ${String(code)}): ${said.trim()}`);
      resolve();
    });
  });
  return {
    url,
    get state() {
      return state;
    },
    stop: async () => {
      stopping.abort();
      host.stdin.end();
      await ended;
    },
  };
}

const answered = z.object({
  results: z.record(
    z.string(),
    z.object({ frames: z.array(z.object({ data: z.object({ values: z.array(z.array(z.unknown())) }) })) }),
  ),
});

/** Asks as the overview's first panel does, through page and gateway, until the answer has an interaction. @returns false once `signal` aborts */
async function hasData(origin: string, range: Range | undefined, signal: AbortSignal): Promise<boolean> {
  const { datasource } = z
    .object({ datasource: z.object({ uid: z.string() }) })
    .parse(await (await fetch(new URL('/api/host', origin))).json());
  const body = JSON.stringify({
    from: String(range?.fromMs ?? 'now-1h'),
    to: String(range?.toMs ?? 'now'),
    queries: [{ refId: 'A', datasource, version: 1, preset: 'everyone', calc: 'total' }],
  });
  const headers = { 'content-type': 'application/json' };
  while (!signal.aborted) {
    try {
      const answer = await fetch(new URL('/api/ds/query', origin), { method: 'POST', body, headers, signal });
      const { results } = answered.parse(await answer.json());
      const frames = Object.values(results).flatMap((result) => result.frames);
      if (
        frames.some(({ data }) =>
          data.values
            .slice(1)
            .flat()
            .some((value) => Number(value) > 0),
        )
      )
        return true;
    } catch {
      // The backend may be starting anew (DEMO_RESTARTS); whoever looks at the panels sees the reason.
    }
    await sleep(LOOK_MS);
  }
  return false;
}
