import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserpulseError } from '../errors.ts';
import { shardCheckpointSchema } from './checkpoint.ts';
import type { Move } from '../schema/slots.ts';
import { isCode } from '../files/durable-file.ts';

/**
 * The moved points that ingest's checkpoint knows, of all shards. Read beside a running ingest: its files are replaced whole, and a move is
 * there before the archive holds its event.
 * @returns undefined where there is no checkpoint
 * @throws UserpulseError `checkpoint_unusable`
 */
export async function readMoves(checkpoint: URL): Promise<readonly Move[] | undefined> {
  const folder = fileURLToPath(checkpoint);
  const moves: Move[] = [];
  let shards = 0;
  try {
    for (const file of await readdir(folder)) {
      if (!file.endsWith('.json') || file.startsWith('.') || file === 'stream.json') continue;
      const { moved } = shardCheckpointSchema.parse(JSON.parse(await readFile(join(folder, file), 'utf8')));
      shards++;
      for (const { role, event, slot } of moved) moves.push({ role, event, slot });
    }
  } catch (error) {
    // The folder, or the file of a shard that has just been forgotten.
    if (isCode(error, 'ENOENT')) return shards > 0 ? moves : undefined;
    throw new UserpulseError(
      'checkpoint_unusable',
      `The checkpoint folder ${folder} (USERPULSE_CHECKPOINT) cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      {
        hint: 'replay looks there for the points that ingest has moved. Give this user the right to read it, or put the damaged file back from a copy.',
        cause: error,
      },
    );
  }
  return shards > 0 ? moves : undefined;
}
