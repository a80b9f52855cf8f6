import { failed, passed, warned, type Check, type CheckDepth, type CheckResult } from '../check.ts';
import { UserpulseError } from '../errors.ts';
import { counted } from '../format.ts';
import type { HeldCheckpoints, StoredCheckpoints } from './checkpoint-store.ts';
import type { ShardCheckpoint } from './checkpoint.ts';
import { createDynamoClient, LeaseTable } from './lease-table.ts';

/* Leases in DynamoDB, for whoever looks at them without having one. */

/** See hasCheckpoints. */
export const hasLeases = (url: URL): Promise<boolean> => withTable(url, (table) => table.exists());

/** See readCheckpoints. */
export const readLeases = (url: URL, stream: string): Promise<StoredCheckpoints> =>
  withTable(url, async (table) => {
    const shards = new Map<string, ShardCheckpoint>();
    const releases = new Map<string, number>();
    for (const { shardId, checkpoint } of await table.leases(stream)) {
      if (checkpoint === undefined) continue;
      shards.set(shardId, checkpoint);
      if (checkpoint.hold !== undefined) releases.set(shardId, await table.releasedToMs(shardId));
    }
    return { stream: await table.storedStream(), shards, releases };
  });

/** See holdCheckpoints. Leases cannot be held by who reads no shard. */
export const holdLeases = (url: URL, stream: string): Promise<HeldCheckpoints> =>
  withTable(url, async (table) => {
    await table.refuseWorkers();
    const shards = (await table.leases(stream)).flatMap(({ checkpoint }) => checkpoint ?? []);
    return { shards, save: undefined, close: () => Promise.resolve() };
  });

/** See releaseShard. */
export const writeReleaseItem = (url: URL, stream: string, shardId: string, untilMs: number): Promise<void> =>
  withTable(url, (table) => table.release(stream, shardId, untilMs));

/** Can leases be had? `try` makes our own table, where it is absent. */
export function leaseTableCheck(url: URL, depth: CheckDepth): Check {
  return {
    name: 'checkpoint',
    run: () =>
      withTable(url, async (table) => {
        try {
          if (depth === 'try') await table.prepare();
          if (!(await table.exists()))
            return passed('checkpoint', `The lease table ${table.table} does not exist yet; ingest creates it.`);
          if (depth === 'look') return passed('checkpoint', `The lease table ${table.table} is there.`);
          return judgeRenewals(table.table, await table.renewals());
        } catch (error) {
          if (!(error instanceof UserpulseError)) throw error;
          return failed('checkpoint', error.code, error.message, error.hint ?? '');
        }
      }),
  };
}

/** What is not renewed is read by nobody, until another worker takes it. */
function judgeRenewals(table: string, { renewed, still }: Awaited<ReturnType<LeaseTable['renewals']>>): CheckResult {
  const workers = `${counted(renewed.length, 'worker')} ${renewed.length === 1 ? 'renews' : 'renew'} leases of ${table}`;
  if (still.length === 0) return passed('checkpoint', `${workers}.`);
  return warned(
    'checkpoint',
    `${workers}; those of ${still.join(', ')} have an owner and are not renewed.`,
    'Their worker is gone or hangs. Others take them after USERPULSE_FAILOVER_MS; where they do not, look at the logs of the workers. With a failover time above 10 s, renewals come less often than this looks.',
  );
}

async function withTable<T>(url: URL, use: (table: LeaseTable) => Promise<T>): Promise<T> {
  const client = createDynamoClient();
  try {
    return await use(new LeaseTable(url, client));
  } finally {
    client.destroy();
  }
}
