import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually, partsEnv } from './parts.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const PROGRAM = path('../../backend/bin/userpulse.js');

let built: Promise<unknown> | undefined;
/** Bundles the backend, once a test file: what is tested is what users run. */
const build = (): Promise<unknown> =>
  (built ??= promisify(execFile)(process.execPath, ['--import', 'tsx', path('../../tools/build-backend.ts')], {
    cwd: path('../..'),
  }));

export interface CliEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** ms from start to end */
  readonly ms: number;
}

/**
 * Runs the built `userpulse` on the local parts to its end. A setting of '' counts as not set.
 * @param stop when it resolves, the command gets a SIGTERM
 */
export async function userpulse(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stop?: Promise<unknown>,
): Promise<CliEnd> {
  await build();
  const started = Date.now();
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...partsEnv(env), NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  void stop?.then(() => child.kill('SIGTERM'));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, stdout, stderr, ms: Date.now() - started };
}

/** A `userpulse serve` or `start` that listens on a free loopback port. */
export class UserpulseServer {
  readonly url: string;
  readonly token: string;
  readonly #child: ChildProcess;
  readonly #end: Promise<number | null>;
  readonly #log: () => string;

  private constructor(url: string, token: string, child: ChildProcess, end: Promise<number | null>, log: () => string) {
    this.url = url;
    this.token = token;
    this.#child = child;
    this.#end = end;
    this.#log = log;
  }

  static async start(command: 'serve' | 'start', env: Readonly<Record<string, string>>): Promise<UserpulseServer> {
    await build();
    const token = 'a-token-of-the-tests';
    const child = spawn(process.execPath, [PROGRAM, command], {
      env: {
        ...partsEnv({ USERPULSE_LISTEN: '127.0.0.1:0', USERPULSE_API_TOKEN: token, ...env }),
        NODE_NO_WARNINGS: '1',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const end = new Promise<number | null>((resolve) => child.once('close', resolve));
    let ended = false;
    void end.then(() => (ended = true));
    const url = await eventually(
      () => {
        if (ended) throw new Error(`userpulse ${command} has ended: ${log}`);
        return /"url":"(http[^"]+)"/.exec(log)?.[1];
      },
      { what: `the address of userpulse ${command}`, intervalMs: 20 },
    );
    return new UserpulseServer(url, token, child, end, () => log);
  }

  get log(): string {
    return this.#log();
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${this.token}`);
    return fetch(new URL(path, this.url), { ...init, headers });
  }

  async json(path: string): Promise<unknown> {
    return (await this.fetch(path)).json();
  }

  /** @returns the body's `results`, whatever the status */
  async query(body: object): Promise<Record<string, unknown>> {
    const answer = await this.fetch('/v1/query', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return ((await answer.json()) as { results: Record<string, unknown> }).results;
  }

  /** SIGTERM, and the end that follows. @returns its exit code */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.#end;
  }
}
