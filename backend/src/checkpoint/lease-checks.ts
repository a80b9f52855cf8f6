import { failed, passed, type Check, type CheckDepth } from '../check.ts';
import { UserpulseError } from '../errors.ts';
import type { StoredCheckpoints } from './checkpoint-store.ts';
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
          return (await table.exists())
            ? passed('checkpoint', `The lease table ${table.table} is there.`)
            : passed('checkpoint', `The lease table ${table.table} does not exist yet; ingest creates it.`);
        } catch (error) {
          if (!(error instanceof UserpulseError)) throw error;
          return failed('checkpoint', error.code, error.message, error.hint ?? '');
        }
      }),
  };
}

async function withTable<T>(url: URL, use: (table: LeaseTable) => Promise<T>): Promise<T> {
  const client = createDynamoClient();
  try {
    return await use(new LeaseTable(url, client));
  } finally {
    client.destroy();
  }
}
