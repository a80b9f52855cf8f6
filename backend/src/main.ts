import { Command, CommanderError } from 'commander';
import { destination, pino, type Logger } from 'pino';
import { findAws } from './commands/aws.ts';
import { loadConfig } from './config.ts';
import { commands } from './commands/index.ts';
import type { CommandContext } from './commands/context.ts';
import { UserpulseError } from './errors.ts';
import { letYoungGenerationGrow } from './memory/heap.ts';
import { SecretMask } from './secrets.ts';
import { VERSION } from './version.ts';

/**
 * The composition root: the only reader of environment and signals. First signal: stop and drain. Second: end at once.
 */
async function main(argv: readonly string[]): Promise<number> {
  letYoungGenerationGrow();
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    stop.abort(new UserpulseError('aborted', `Stopped by ${signal}.`));
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // `userpulse doctor | head -1`: a reader that has seen enough is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });

  const secrets = new SecretMask(process.env);
  const mask = (text: string): string => secrets.apply(text);
  const log = destination({ dest: 2, sync: true });
  // An empty variable counts as absent, as for our own settings: the AWS SDK would not look any further for a region.
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith('AWS_') && value === '') Reflect.deleteProperty(process.env, name);
  }
  const aws = await findAws();
  const context: CommandContext = {
    env: process.env,
    aws,
    cwd: process.cwd(),
    stdout: process.stdout,
    stdin: process.stdin,
    stderr: process.stderr,
    stop: stop.signal,
    createLogger: (level): Logger =>
      pino(
        {
          level,
          base: null,
          timestamp: pino.stdTimeFunctions.isoTime,
          formatters: { level: (label) => ({ level: label }) },
          // An error's own words and stack, and nothing that libraries hang on theirs: requests, with their headers, among it.
          serializers: {
            err: (error: Error) => {
              const { type, message, stack } = pino.stdSerializers.err(error);
              return { type, message, stack };
            },
          },
        },
        { write: (line) => log.write(mask(line)) },
      ),
    config: (names, defaultPort = 8088) =>
      loadConfig(process.env, names, {
        awsRegion: aws.region,
        cwd: process.cwd(),
        defaultPort,
        onSecret: (value) => secrets.add(value),
      }),
  };

  const program = new Command('userpulse')
    .description('Shows, in real time, how the users of a social product interact.')
    .version(VERSION)
    .showHelpAfterError('(userpulse <command> --help shows what a command takes)')
    .exitOverride();
  for (const register of commands) register(program, context);
  // A subcommand does not inherit exitOverride when it is made by hand.
  for (const command of program.commands) command.exitOverride();

  try {
    await program.parseAsync([...argv], { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof UserpulseError) {
      process.stderr.write(mask(`userpulse: ${error.describe()}\n`));
      return 1;
    }
    process.stderr.write(
      mask(
        `userpulse: an error that should not occur: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
      ),
    );
    return 70;
  }
}

process.exitCode = await main(process.argv.slice(2));
// Keep-alive sockets and pollers have been closed by their owners; what is left must not hold the process.
setTimeout(() => process.exit(), 1_000).unref();
