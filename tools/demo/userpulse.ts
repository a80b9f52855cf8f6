import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { startServer, type Server } from '../parts/server.ts';

/** The program as a user runs it: built, and as processes of its own. */
const PROGRAM = fileURLToPath(new URL('../../backend/bin/userpulse.js', import.meta.url));
/** Longer than userpulse's own drain deadline, so that it is never cut short. */
const GRACE_MS = 45_000;

type Env = Readonly<Record<string, string>>;

/** Runs a command to its end. @throws Error with what it said, when it fails. */
export function runCommand(args: readonly string[], env: Env): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [PROGRAM, ...args], { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`userpulse ${args.join(' ')} failed: ${stderr.trim() || error.message}`));
    });
  });
}

/** `userpulse start`, ready to answer. */
export function startService(root: string, url: string, env: Env): Promise<Server> {
  return startServer({
    name: 'userpulse',
    root,
    ports: 0,
    graceMs: GRACE_MS,
    attempts: 1,
    plan: () => ({
      command: process.execPath,
      args: [PROGRAM, 'start'],
      env,
      healthy: async () => {
        const answer = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(2_000) });
        await answer.arrayBuffer();
        return answer.ok;
      },
    }),
  });
}

/** `userpulse produce`, running. */
export function startProducer(root: string, args: readonly string[], env: Env): Promise<Server> {
  return startServer({
    name: 'produce',
    root,
    ports: 0,
    graceMs: GRACE_MS,
    attempts: 1,
    plan: () => ({
      command: process.execPath,
      args: [PROGRAM, 'produce', '--json', ...args],
      env,
      healthy: () => Promise.resolve(true),
    }),
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
