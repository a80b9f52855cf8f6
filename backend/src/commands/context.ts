import type { Command } from 'commander';
import type { Logger } from 'pino';
import type { Config, Environment, SettingName } from '../config.ts';

/** What the composition root gives to a command. A command touches the process in no other way. */
export interface CommandContext {
  readonly env: Environment;
  readonly cwd: string;
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stdin: NodeJS.ReadableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Aborted by the first SIGTERM or SIGINT: stop taking in, finish what is begun. A second signal ends the process at once. */
  readonly stop: AbortSignal;
  /** Structured log on stderr; the values of secret settings are masked. */
  createLogger(level: Config<'logLevel'>['logLevel']): Logger;
  /** {@link loadConfig} on this environment. */
  config<K extends SettingName>(
    names: readonly K[],
    defaultPort?: number,
  ): Config<K> & { readonly apiToken: string | undefined };
}

/** Each file in commands/ exports one of these. The action may throw UserpulseError: main prints it and exits 1. */
export type RegisterCommand = (program: Command, context: CommandContext) => void;
