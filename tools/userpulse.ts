import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { startServer, type Server } from './parts/server.ts';

/*
 * The program as a user runs it, as processes of its own: for the demo, tests and benches. A server that must not outlive its starter is a
 * {@link startService}; a process that a test kills and listens to is a {@link UserpulseProcess}.
 */

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Arguments for Node. The built program is what users run, and starts in a third of the time; the source needs no build. */
export const PROGRAMS = {
  built: [path('../backend/bin/userpulse.js')],
  source: ['--import', 'tsx', path('../backend/src/main.ts')],
} as const;

/** How glibc's allocator is set in the image (docker/backend.Dockerfile); it reads this when a process starts, so the program cannot set it itself. */
export const IMAGE_ALLOCATOR = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '524288',
  MALLOC_TRIM_THRESHOLD_: '1048576',
} as const;

/** Longer than userpulse's own drain deadline, so that it is never cut short. */
const GRACE_MS = 45_000;

type Env = Readonly<Record<string, string>>;
/** The SDK of AWS warns at every start of a Node that it will drop, in front of what the program says. */
const quiet = (env: Env): Env => ({ ...env, NODE_NO_WARNINGS: '1' });

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProcessOptions {
  /** {@link PROGRAMS}.built unless told. */
  readonly program?: readonly string[];
  /** Arguments for Node, before the program. */
  readonly nodeArgs?: readonly string[];
}

/** One command, running, with all it has written. */
export class UserpulseProcess {
  readonly exit: Promise<Exit>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';
  #end: Exit | undefined;

  constructor(args: readonly string[], env: Env, { program = PROGRAMS.built, nodeArgs = [] }: ProcessOptions = {}) {
    const child = spawn(process.execPath, [...nodeArgs, ...program, ...args], {
      env: quiet(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => (this.#stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.exit = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        this.#end = { code, signal };
        resolve(this.#end);
      });
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** Standard error: logs and messages. */
  get log(): string {
    return this.#stderr;
  }

  /** undefined while it runs */
  get ended(): Exit | undefined {
    return this.#end;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resident memory in bytes; undefined where the system does not tell, or the process has ended. */
  residentBytes(): number | undefined {
    try {
      const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid ?? 0}/status`, 'utf8'))?.[1];
      return kib === undefined ? undefined : Number(kib) * 1024;
    } catch {
      return undefined;
    }
  }

  /** The address that its log names; undefined until it listens. */
  get url(): string | undefined {
    return /"url":"(http[^"]+)"/.exec(this.#stderr)?.[1];
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#end === undefined) this.#child.kill(signal);
  }

  /** SIGTERM, and the end that follows. */
  stop(): Promise<Exit> {
    this.kill('SIGTERM');
    return this.exit;
  }
}

/** Runs a command to its end. @returns what it printed. @throws Error with what it said, when it fails. */
export async function runCommand(args: readonly string[], env: Env): Promise<string> {
  const run = new UserpulseProcess(args, env);
  const { code, signal } = await run.exit;
  if (code === 0) return run.stdout;
  const said = run.log.trim() || `it ended with ${signal ?? `exit code ${code ?? '?'}`}`;
  throw new Error(`userpulse ${args.join(' ')} failed: ${said}`);
}

export interface ServiceOptions extends ProcessOptions {
  readonly command?: 'start' | 'serve' | 'ingest';
  /** Folder for its log; see ServerOptions. */
  readonly root: string;
  /** Where USERPULSE_LISTEN has it listen. */
  readonly url: string;
  readonly env: Env;
}

/** `userpulse start`, or another command that listens, ready to answer. */
export const startService = ({ command = 'start', root, url, ...options }: ServiceOptions): Promise<Server> =>
  supervised('userpulse', root, [command], options, async () => {
    const answer = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(2_000) });
    await answer.arrayBuffer();
    return answer.ok;
  });

/** `userpulse produce`, running. */
export const startProducer = (root: string, args: readonly string[], env: Env): Promise<Server> =>
  supervised('produce', root, ['produce', '--json', ...args], { env }, () => Promise.resolve(true));

function supervised(
  name: string,
  root: string,
  args: readonly string[],
  { env, program = PROGRAMS.built, nodeArgs = [] }: ProcessOptions & { readonly env: Env },
  healthy: () => Promise<boolean>,
): Promise<Server> {
  return startServer({
    name,
    root,
    ports: 0,
    graceMs: GRACE_MS,
    attempts: 1,
    plan: () => ({ command: process.execPath, args: [...nodeArgs, ...program, ...args], env: quiet(env), healthy }),
  });
}

const summary = z.object({
  /** Different events that keep the contract. */
  events: z.number(),
  /** Records as a user knows them: events, those sent again, and those that break the contract on purpose. */
  records: z.number(),
  repeats: z.number(),
  invalid: z.number(),
  /** Records as Kinesis counts them: many of the above in one when aggregated. */
  kinesisRecords: z.number(),
  /** Kinesis records that may be on the stream twice, because an answer was lost. */
  uncertain: z.number(),
  uncertainRecords: z.number(),
  bytes: z.number(),
  seconds: z.number(),
});
export type ProduceSummary = z.infer<typeof summary>;

/** Waits for the producer's end and reads what it says it has sent. @throws Error with its last lines, when it failed. */
export async function produced(producer: Server): Promise<ProduceSummary> {
  const end = await producer.ended();
  if (end.exit !== 0) {
    throw new Error(`userpulse produce ended with ${end.signal ?? `exit code ${end.exit ?? '?'}`}. ${producer.tail()}`);
  }
  for (const line of (await readFile(producer.log, 'utf8')).split('\n').reverse()) {
    if (!line.startsWith('{"events"')) continue;
    return summary.parse(JSON.parse(line));
  }
  throw new Error(`userpulse produce did not say what it sent. ${producer.tail()}`);
}
