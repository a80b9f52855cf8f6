import { accessSync, constants, writeFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';

/** MiB that a folder takes on disk, by blocks: influxd's index files have holes. */
export async function folderMiB(folder: string): Promise<number> {
  let blocks = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) blocks += (await stat(join(entry.parentPath, entry.name))).blocks;
  return (blocks * 512) / 2 ** 20;
}

const SWITCH = '/proc/sys/vm/drop_caches';

/** Whether we may empty the kernel's page cache. */
export function canDropCaches(): boolean {
  try {
    accessSync(SWITCH, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Empties the kernel's page cache where we may, so that what is read next comes from the disk. */
export function dropCaches(): void {
  if (!canDropCaches()) return;
  execFileSync('sync');
  writeFileSync(SWITCH, '3');
}
