import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Range } from './api.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface PluginPage {
  /** What can be said at once. */
  readonly line: string;
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

const ready = z.object({ url: z.string() });

/**
 * Serves the plugin's own panels in a browser, without a Grafana server. The first time its packages are installed and it is built, in a
 * minute or two: the demo does not wait, and goes on without the page where that fails.
 */
export function startPluginPage({ backendUrl, dir, range, say }: PluginPageRequest): PluginPage {
  const search = range === undefined ? '' : `?from=${range.fromMs}&to=${range.toMs}`;
  const args = ['--backend-url', backendUrl, '--gateway-log', join(dir, 'gateway.log')];
  const host = spawn(process.execPath, ['--import', 'tsx', join('host', 'main.ts'), ...args], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C in the terminal reaches the demo alone, which ends things in the right order.
    detached: true,
  });
  let stopping = false;
  let said = '';
  host.stdin.on('error', () => undefined); // It has ended; 'close' says so.
  host.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  createInterface({ input: host.stdout }).once('line', (line) => {
    const { url } = ready.parse(JSON.parse(line));
    say(`Panels     ${url}/d/overview${search}   (the plugin in a browser, without a Grafana server)`);
  });
  const ended = new Promise<void>((resolve) => {
    host.once('error', (error) => (said += error.message));
    host.once('close', (code) => {
      if (!stopping) say(`Panels     not served (exit code ${String(code)}): ${said.trim()}`);
      resolve();
    });
  });
  return {
    line: 'Panels     being built; their address follows here',
    stop: async () => {
      stopping = true;
      host.stdin.end();
      await ended;
    },
  };
}
