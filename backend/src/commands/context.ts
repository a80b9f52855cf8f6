import type { Command } from 'commander';
import type { Logger } from 'pino';
import type { Config, Environment, SettingName } from '../config.ts';
import type { AwsPlaces } from '../aws/places.ts';
import type { Secret } from '../secrets.ts';

/** What the composition root gives to a command. A command has no other access to the process. */
export interface CommandContext {
  readonly env: Environment;
  /** Where the AWS SDK goes. */
  readonly aws: AwsPlaces;
  readonly cwd: string;
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stdin: NodeJS.ReadableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Aborted by the first SIGTERM or SIGINT: accept nothing more, finish what has begun. A second signal ends the process at once. */
  readonly stop: AbortSignal;
  /** A structured log on stderr, with the values of secret settings masked. */
  createLogger(level: Config<'logLevel'>['logLevel']): Logger;
  /** {@link loadConfig} on this environment. */
  config<K extends SettingName>(
    names: readonly K[],
    defaultPort?: number,
  ): Config<K> & { readonly apiToken: Secret | undefined };
}

/** Exported by the file of each command. The action may throw UserpulseError, which main prints before it exits with code 1. */
export type RegisterCommand = (program: Command, context: CommandContext) => void;
