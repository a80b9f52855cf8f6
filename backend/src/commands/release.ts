import { readCheckpoints, releaseShard } from '../checkpoint/open-checkpoints.ts';
import { systemClock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import { collected } from './arguments.ts';
import type { CommandContext, RegisterCommand } from './context.ts';

interface Options {
  readonly shard: readonly string[];
  readonly all: boolean;
}

export const registerRelease: RegisterCommand = (program, context) => {
  program
    .command('release')
    .summary('let a shard go on that ingest holds because too much of it is rejected')
    .description(
      'Lets held shards go on. Of the records that have arrived by now, those that are not valid events become dead letters, however many they are;\n' +
        'records that arrive later hold the shard again if too many of them are rejected. A running ingest goes on within seconds, another one with its next start.',
    )
    .option('--shard <id>', 'a shard; may be repeated', collected, [])
    .option('--all', 'every shard that is held', false)
    .addHelpText(
      'after',
      `
Environment:
  USERPULSE_CHECKPOINT, USERPULSE_STREAM     as ingest has them; the folder must be writable

Examples:
  userpulse release --shard shardId-000000000001
  userpulse release --all`,
    )
    .action((options: Options) => release(context, options));
};

async function release(context: CommandContext, options: Options): Promise<void> {
  if (options.all === options.shard.length > 0) {
    throw new UserpulseError('bad_request', 'Name the shards to release.', { hint: 'Use --shard ID, or --all.' });
  }
  const { checkpoint, stream } = context.config(['checkpoint', 'stream']);
  const { shards } = await readCheckpoints(checkpoint, stream);
  const held = [...shards.values()].filter(({ hold }) => hold !== undefined).map(({ shardId }) => shardId);
  const unknown = options.shard.filter((shardId) => !held.includes(shardId));
  if (unknown.length > 0) {
    throw new UserpulseError('not_found', `Not held: ${unknown.join(', ')}.`, {
      hint:
        held.length === 0
          ? `No shard of ${checkpoint.href} (USERPULSE_CHECKPOINT) is held.`
          : `Held shards are: ${held.join(', ')}.`,
    });
  }
  const untilMs = systemClock.now();
  for (const shardId of options.all ? held : options.shard) {
    await releaseShard(checkpoint, stream, shardId, untilMs);
    context.stdout.write(`${shardId} is released for records that arrived until ${new Date(untilMs).toISOString()}.\n`);
  }
  if (held.length === 0) context.stdout.write('No shard is held.\n');
}
