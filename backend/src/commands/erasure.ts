import { join } from 'node:path';
import type { ArchiveReader } from '../archive/archive-reader.ts';
import type { TableStore } from '../archive/table-store.ts';
import { idFormatsOf } from '../checks/targets.ts';
import type { Config } from '../config.ts';
import { ErasureKey } from '../erasure/erasure-key.ts';
import { readForgotten } from '../erasure/forgotten.ts';
import type { Erase } from '../event/parse.ts';
import { makeFolder } from '../files/durable-file.ts';
import { FileLock } from '../files/file-lock.ts';
import type { CommandContext } from './context.ts';

/* Who has been forgotten, for commands that read events. */

/** Reads the list, once the archive can be reached. */
export type ReadErase = (reader: ArchiveReader, signal: AbortSignal) => Promise<Erase | undefined>;

/**
 * What USERPULSE_FORGOTTEN says of events that name someone who has been forgotten.
 * @throws UserpulseError `config_invalid` where the key is missing
 */
export function eraseBy(
  context: CommandContext,
  config: Config<'forgotten' | 'userIdFormat' | 'shareIdFormat'>,
): ReadErase {
  if (config.forgotten === 'ignore') return () => Promise.resolve(undefined);
  const key = erasureKey(context);
  return async (reader, signal) => {
    const list = await readForgotten(reader, key, idFormatsOf(config), signal);
    return list.size === 0 ? undefined : list.erase;
  };
}

export const erasureKey = (context: CommandContext): ErasureKey =>
  new ErasureKey(context.config(['erasureKey']).erasureKey.current());

const LOCK_FILE = '.compact.lock';

/** Keeps others from replacing objects of the archive from this machine; of an archive that is a folder, from any. */
export async function lockArchive(tables: TableStore, holder: string): Promise<FileLock> {
  await makeFolder(tables.workFolder);
  return FileLock.acquire(join(tables.workFolder, LOCK_FILE), {
    code: 'archive_locked',
    what: tables.workFolder,
    holder: `"userpulse ${holder}"`,
    hint: 'Wait for it to end.',
    lost: 'Run the same command again.',
  });
}
