import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { UserpulseProcess } from '../../tools/userpulse.ts';
import { eventually, partsEnv } from './parts.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

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
  const run = new UserpulseProcess(args, partsEnv(env));
  void stop?.then(() => run.kill('SIGTERM'));
  const { code } = await run.exit;
  return { code, stdout: run.stdout, stderr: run.log, ms: Date.now() - started };
}

/** A `userpulse serve` or `start` that listens on a free loopback port. */
export class UserpulseServer {
  readonly url: string;
  readonly token: string;
  readonly #run: UserpulseProcess;

  private constructor(url: string, token: string, run: UserpulseProcess) {
    this.url = url;
    this.token = token;
    this.#run = run;
  }

  static async start(command: 'serve' | 'start', env: Readonly<Record<string, string>>): Promise<UserpulseServer> {
    await build();
    const token = 'a-token-of-the-tests';
    const run = new UserpulseProcess(
      [command],
      partsEnv({ USERPULSE_LISTEN: '127.0.0.1:0', USERPULSE_API_TOKEN: token, ...env }),
    );
    const url = await eventually(
      () => {
        if (run.ended !== undefined) throw new Error(`userpulse ${command} has ended: ${run.log}`);
        return run.url;
      },
      { what: `the address of userpulse ${command}`, intervalMs: 20 },
    );
    return new UserpulseServer(url, token, run);
  }

  get log(): string {
    return this.#run.log;
  }

  get process(): UserpulseProcess {
    return this.#run;
  }

  async metrics(): Promise<string> {
    return (await fetch(new URL('/metrics', this.url))).text();
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
    return (await this.#run.stop()).code;
  }
}
