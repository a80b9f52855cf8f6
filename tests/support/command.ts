import { Command } from 'commander';
import { Readable, Writable } from 'node:stream';
import { pino } from 'pino';
import type { CommandContext, RegisterCommand } from '../../backend/src/commands/context.ts';
import { findAws } from '../../backend/src/commands/aws.ts';
import { loadConfig } from '../../backend/src/config.ts';
import { UserpulseError } from '../../backend/src/errors.ts';

export interface CommandEnd {
  readonly stdout: string;
  readonly stderr: string;
  /** What the command threw; main.ts would print it and exit with 1. */
  readonly error: UserpulseError | undefined;
}

/** Runs a command inside this process: much sooner done than a process of its own, where nothing is to be killed. */
export async function runInProcess(
  register: RegisterCommand,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  options: { readonly cwd: string; readonly stdin?: string; readonly stop?: AbortSignal },
): Promise<CommandEnd> {
  const written = { stdout: '', stderr: '' };
  const sink = (into: keyof typeof written) =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        written[into] += chunk.toString();
        done();
      },
    });
  const context: CommandContext = {
    env,
    aws: await findAws(),
    cwd: options.cwd,
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    stdin: Readable.from([Buffer.from(options.stdin ?? '')]),
    stop: options.stop ?? new AbortController().signal,
    createLogger: () => pino({ level: 'silent' }),
    config: (names, defaultPort = 8088) => loadConfig(env, names, { cwd: options.cwd, defaultPort }),
  };
  const program = new Command('userpulse')
    .exitOverride()
    .configureOutput({ writeErr: (text) => (written.stderr += text) });
  register(program, context);
  for (const command of program.commands)
    command.exitOverride().configureOutput({ writeErr: (text) => (written.stderr += text) });
  let error: UserpulseError | undefined;
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof UserpulseError)) throw thrown;
    error = thrown;
  }
  return { ...written, error };
}
