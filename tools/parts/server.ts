import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { freePorts } from './ports.ts';

const SUPERVISOR = fileURLToPath(new URL('supervisor.mjs', import.meta.url));
const HEALTH_INTERVAL_MS = 50;
const HEALTH_DEADLINE_MS = 120_000;
const GRACE_MS = 10_000;
const START_ATTEMPTS = 3;
const LOG_TAIL_LINES = 15;

/** A server as its part describes it, for the ports that were found. */
export interface ServerPlan {
  readonly command: string;
  readonly args: readonly string[];
  /** Added to a bare environment: nothing of the user's own settings reaches a server. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the server answers already. A throw counts as no. */
  healthy(): Promise<boolean>;
}

export interface ServerOptions {
  readonly name: string;
  /** Root of all local parts; the server's data goes to `root/servers/name`. */
  readonly root: string;
  readonly ports: number;
  /** Between SIGTERM and SIGKILL when the server is stopped; 10 s unless told. */
  readonly graceMs?: number;
  /** How often to try, with new ports each time, when the server ends before it is healthy; 3 unless told. */
  readonly attempts?: number;
  plan(folder: string, ports: readonly number[]): ServerPlan;
}

/** As Node gives it: an exit code, or else the signal that ended the process. */
export interface ServerEnd {
  readonly exit: number | null;
  readonly signal: string | null;
}

/** A running server. It ends with {@link Server.stop} or with this process, whichever comes first and however it comes. */
export interface Server {
  readonly name: string;
  readonly ports: readonly number[];
  /** Process id of the server itself; undefined while it is down. */
  readonly pid: number | undefined;
  /** File with the server's output. */
  readonly log: string;
  /** Sends a signal to the server (tests of outages). After SIGKILL the data stays, and {@link Server.start} starts it again. */
  kill(signal: NodeJS.Signals): void;
  /** Starts a server that has ended, on the same ports and data, and waits until it is healthy. */
  start(): Promise<void>;
  /** Resolves once the server is not running, with how it ended last. */
  ended(): Promise<ServerEnd>;
  /** The last lines of its output, introduced, for an error message. */
  tail(): string;
  /** Stops the server, waits for its end and removes its data. */
  stop(): Promise<void>;
}

/** Starts a server and waits until it is healthy; with new ports when it ends at once, because somebody else may have taken one. */
export async function startServer(options: ServerOptions): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const server = await launch(options, attempt);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      if (attempt >= (options.attempts ?? START_ATTEMPTS) || !(error instanceof ServerEnded)) throw error;
    }
  }
}

class ServerEnded extends Error {
  override readonly name = 'ServerEnded';
}

async function launch(options: ServerOptions, attempt: number): Promise<Server> {
  const { name, root } = options;
  const servers = join(root, 'servers');
  const folder = join(servers, attempt === 1 ? name : `${name}-${attempt}`);
  mkdirSync(folder, { recursive: true });
  const log = join(folder, 'server.log');
  const ports = await freePorts(options.ports);
  const plan = options.plan(folder, ports);
  const supervisor = spawn(
    process.execPath,
    [
      SUPERVISOR,
      JSON.stringify({
        command: plan.command,
        args: plan.args,
        cwd: folder,
        env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder, ...plan.env },
        log,
        graceMs: options.graceMs ?? GRACE_MS,
        remove: folder,
        lastOf: { servers, root },
      }),
    ],
    // A session of its own: Ctrl-C in the terminal reaches the starter alone, which stops things in the right order.
    { stdio: ['pipe', 'pipe', 'inherit'], detached: true },
  );
  const state = observe(supervisor);
  let started = false;

  return {
    name,
    ports,
    log,
    get pid() {
      return state.pid;
    },
    kill: (signal) => {
      if (state.pid === undefined) throw new Error(`${name} is not running: it cannot be sent ${signal}.`);
      process.kill(state.pid, signal);
    },
    ended: async () => {
      await state.until(() => state.pid === undefined);
      return state.lastEnd;
    },
    tail: () => tail(log),
    start: async () => {
      // The supervisor starts the server by itself the first time.
      if (started) {
        if (state.pid !== undefined) throw new Error(`${name} is running already.`);
        const runs = state.runs;
        supervisor.stdin.write('start\n');
        await state.until(() => state.runs > runs);
      }
      started = true;
      await state.until(() => state.runs > 0 || state.gone);
      const deadline = Date.now() + HEALTH_DEADLINE_MS;
      while (!(await plan.healthy().catch(() => false))) {
        if (state.pid === undefined) {
          throw new ServerEnded(`${name} ended before it was ready (${state.lastExit}). ${tail(log)}`);
        }
        if (Date.now() > deadline) {
          throw new Error(`${name} was not ready after ${HEALTH_DEADLINE_MS / 1000} s. ${tail(log)}`);
        }
        await sleep(HEALTH_INTERVAL_MS);
      }
      // Somebody else's server may have answered on a port that ours could not bind.
      if (state.pid === undefined) {
        throw new ServerEnded(`${name} ended before it was ready (${state.lastExit}). ${tail(log)}`);
      }
    },
    stop: async () => {
      supervisor.stdin.end();
      await state.until(() => state.gone);
    },
  };
}

const supervisorMessage = z.union([
  z.object({ pid: z.number() }),
  z.object({ error: z.string() }),
  z.object({ exit: z.number().nullable(), signal: z.string().nullable() }),
]);
/** Exit code that follows an `error` message: the program could not be run at all. */
const NOT_SPAWNED = 127;

/** What the supervisor has told so far, and a way to wait for more. */
function observe(supervisor: ChildProcess) {
  const waiting = new Set<() => void>();
  const state = {
    pid: undefined as number | undefined,
    /** How often the server was started, successfully or not. */
    runs: 0,
    lastExit: 'it did not start',
    lastEnd: { exit: null, signal: null } as ServerEnd,
    /** The supervisor itself has ended. */
    gone: false,
    until: async (condition: () => boolean): Promise<void> => {
      while (!condition()) await new Promise<void>((resolve) => waiting.add(resolve));
    },
  };
  const wake = (): void => {
    const all = [...waiting];
    waiting.clear();
    for (const resolve of all) resolve();
  };
  supervisor.stdin?.on('error', () => undefined); // The supervisor is gone; 'exit' says so.
  if (supervisor.stdout !== null) {
    createInterface({ input: supervisor.stdout }).on('line', (line) => {
      const message = supervisorMessage.parse(JSON.parse(line));
      if ('pid' in message) {
        state.pid = message.pid;
        state.runs++;
      } else if ('error' in message) {
        state.lastExit = message.error;
        state.runs++;
      } else {
        state.pid = undefined;
        state.lastEnd = message;
        if (message.exit !== NOT_SPAWNED) state.lastExit = message.signal ?? `exit code ${message.exit ?? 'unknown'}`;
      }
      wake();
    });
  }
  const gone = (): void => {
    state.gone = true;
    state.pid = undefined;
    wake();
  };
  supervisor.once('exit', gone);
  supervisor.once('error', gone);
  return state;
}

function tail(log: string): string {
  let text: string;
  try {
    text = readFileSync(log, 'utf8').trimEnd();
  } catch {
    return 'It left no log.';
  }
  if (text === '') return 'It wrote nothing.';
  return `Its last lines:\n${text.split('\n').slice(-LOG_TAIL_LINES).join('\n')}`;
}
