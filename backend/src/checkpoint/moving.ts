import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserpulseError } from '../errors.ts';
import { compareSequence } from '../event/sequence-number.ts';
import { isCode, removeFile, replaceFile } from '../files/durable-file.ts';
import type { StoredCheckpoints } from './checkpoint-store.ts';
import type { ShardCheckpoint } from './checkpoint.ts';

/*
 * A checkpoint moves between a folder and a lease table. Where it has gone is written down where it was, so that it is never gone on with in both.
 */

const MOVED_FILE = 'moved';

/** @throws UserpulseError `checkpoint_unusable` where the folder's checkpoint has moved elsewhere */
export async function refuseMoved(folder: string): Promise<void> {
  const to = await movedTo(folder);
  if (to === undefined) return;
  throw new UserpulseError(
    'checkpoint_unusable',
    `The checkpoint of ${folder} (USERPULSE_CHECKPOINT) was moved to ${to}, and is gone on with there.`,
    { hint: `Set USERPULSE_CHECKPOINT=${to}; or stop every ingest and move it back with "userpulse leases export".` },
  );
}

async function movedTo(folder: string): Promise<string | undefined> {
  try {
    return (await readFile(join(folder, MOVED_FILE), 'utf8')).trim();
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

export const markMoved = (folder: URL, to: string): Promise<void> =>
  replaceFile(join(fileURLToPath(folder), MOVED_FILE), [Buffer.from(`${to}\n`)]);

export const unmarkMoved = (folder: URL): Promise<void> => removeFile(join(fileURLToPath(folder), MOVED_FILE));

/**
 * Only what a stop has left complete moves: behind it nothing is written again, so that it does not matter who gives the points their places.
 * @throws UserpulseError `checkpoint_unusable` naming the first shard that is not complete
 */
export function refuseIncomplete({ shards }: StoredCheckpoints): void {
  for (const shard of shards.values()) {
    if (isComplete(shard)) continue;
    throw new UserpulseError(
      'checkpoint_unusable',
      `Shard ${shard.shardId} was not stopped in order: what was read of it is not durable everywhere.`,
      { hint: 'Start ingest on it once more, let it catch up, and stop it with SIGTERM. Then move the checkpoint.' },
    );
  }
}

const isComplete = ({ pending, sequenceNumber, relocations }: ShardCheckpoint): boolean =>
  pending === null &&
  relocations.every((one) => sequenceNumber !== null && compareSequence(one.sequenceNumber, sequenceNumber) <= 0);
