import { FileCheckpointStore } from '../checkpoint/file-checkpoints.ts';
import { createDynamoClient, LeaseTable } from '../checkpoint/lease-table.ts';
import { markMoved, refuseIncomplete, unmarkMoved } from '../checkpoint/moving.ts';
import { UserpulseError } from '../errors.ts';
import type { CommandContext, RegisterCommand } from './context.ts';

interface Options {
  readonly folder: string;
}

export const registerLeases: RegisterCommand = (program, context) => {
  const leases = program
    .command('leases')
    .summary('move the checkpoint from a folder to a lease table of several workers, or back')
    .description(
      'One ingest keeps its checkpoint in a folder, several keep theirs as leases in a DynamoDB table. These commands move it from the one to the other,\n' +
        'while no ingest runs. Where it was, it is refused from then on.',
    )
    .addHelpText(
      'after',
      `
Environment:
  USERPULSE_CHECKPOINT                       dynamodb://TABLE
  USERPULSE_STREAM, AWS_REGION, AWS_ENDPOINT_URL_DYNAMODB and AWS credentials

Examples:
  userpulse leases import --folder file:///var/lib/userpulse/checkpoint
  userpulse leases export --folder file:///var/lib/userpulse/checkpoint`,
    );
  leases
    .command('import')
    .description('Moves the checkpoint of a folder to the table, for several workers.')
    .requiredOption('--folder <url>', 'file:///DIR, which one ingest has had until now')
    .action((options: Options) => withTable(context, options, importFolder));
  leases
    .command('export')
    .description('Moves the checkpoint of the table to a folder, for one ingest.')
    .requiredOption('--folder <url>', 'file:///DIR')
    .action((options: Options) => withTable(context, options, exportTable));
};

interface Move {
  readonly context: CommandContext;
  readonly table: LeaseTable;
  readonly url: string;
  readonly folder: URL;
  readonly stream: string;
}

async function withTable(context: CommandContext, options: Options, move: (on: Move) => Promise<void>): Promise<void> {
  const { checkpoint, stream } = context.config(['checkpoint', 'stream']);
  if (checkpoint.protocol !== 'dynamodb:') {
    throw new UserpulseError('bad_request', 'USERPULSE_CHECKPOINT does not name a lease table.', {
      hint: 'Set USERPULSE_CHECKPOINT=dynamodb://TABLE, and name the folder with --folder.',
    });
  }
  const folder = URL.canParse(options.folder) ? new URL(options.folder) : undefined;
  if (folder?.protocol !== 'file:') {
    throw new UserpulseError('bad_request', `--folder must be a URL such as file:///DIR, not "${options.folder}".`);
  }
  const client = createDynamoClient();
  try {
    await move({ context, table: new LeaseTable(checkpoint, client), url: checkpoint.href, folder, stream });
  } finally {
    client.destroy();
  }
}

async function importFolder({ context, table, url, folder, stream }: Move): Promise<void> {
  // The lock says that no ingest runs on the folder.
  const store = new FileCheckpointStore(folder);
  const stored = await store.open(stream);
  try {
    if (stored.stream === undefined) {
      throw new UserpulseError('not_found', `${folder.href} holds no checkpoint.`, {
        hint: 'Start the workers without an import: they begin at USERPULSE_START.',
      });
    }
    refuseIncomplete(stored);
    await table.prepare();
    await table.refuseBegun(stream);
    const shards = [...stored.shards.values()];
    for (const shard of shards) {
      // The workers keep no table of relocated points: what is behind the checkpoint is not written again.
      await table.offer(stream, { ...shard, relocations: [], warmFrom: null });
      await table.release(stream, shard.shardId, stored.releases.get(shard.shardId) ?? 0);
    }
    await table.replaceStream(stored.stream);
    await markMoved(folder, url);
    context.stdout.write(`${shards.length} shards of ${folder.href} are moved to ${url}. Start the workers on it.\n`);
  } finally {
    await store.close();
  }
}

async function exportTable({ context, table, url, folder, stream }: Move): Promise<void> {
  const known = await table.storedStream();
  if (known === undefined) throw new UserpulseError('not_found', `${url} holds no checkpoint.`);
  await table.refuseWorkers();
  const leases = await table.leases(stream);
  const shards = new Map(leases.flatMap(({ shardId, checkpoint }) => (checkpoint ? [[shardId, checkpoint]] : [])));
  refuseIncomplete({ stream: known, shards, releases: new Map() });
  await unmarkMoved(folder);
  const store = new FileCheckpointStore(folder);
  await store.open(stream);
  try {
    await store.saveStream(known);
    for (const shard of shards.values()) await store.saveShard(shard);
    await table.moved(folder.href);
  } finally {
    await store.close();
  }
  context.stdout.write(`${shards.size} shards of ${url} are moved to ${folder.href}. Start one ingest on it.\n`);
}
