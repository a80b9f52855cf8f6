import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserpulseError } from '../errors.ts';
import { shardCheckpointSchema } from './checkpoint.ts';
import type { Relocation } from '../schema/offsets.ts';
import { isCode } from '../files/durable-file.ts';

/**
 * The relocated points that ingest's checkpoint knows, of all shards. Read beside a running ingest: its files are replaced whole, and a relocation is
 * there before the archive holds its event.
 * @returns undefined where there is no checkpoint
 * @throws UserpulseError `checkpoint_unusable`
 */
export async function readRelocations(checkpoint: URL): Promise<readonly Relocation[] | undefined> {
  const folder = fileURLToPath(checkpoint);
  const relocations: Relocation[] = [];
  let shards = 0;
  try {
    for (const file of await readdir(folder)) {
      if (!file.endsWith('.json') || file.startsWith('.') || file === 'stream.json') continue;
      const { relocated } = shardCheckpointSchema.parse(JSON.parse(await readFile(join(folder, file), 'utf8')));
      shards++;
      for (const { role, event, offsetNs } of relocated) relocations.push({ role, event, offsetNs });
    }
  } catch (error) {
    // The folder, or the file of a shard that has just been forgotten.
    if (isCode(error, 'ENOENT')) return shards > 0 ? relocations : undefined;
    throw new UserpulseError(
      'checkpoint_unusable',
      `The checkpoint folder ${folder} (USERPULSE_CHECKPOINT) cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      {
        hint: 'replay looks there for the points that ingest has relocated. Give this user the right to read it, or put the damaged file back from a copy.',
        cause: error,
      },
    );
  }
  return shards > 0 ? relocations : undefined;
}
