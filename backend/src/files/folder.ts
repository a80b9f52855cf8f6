import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CheckDepth } from '../check.ts';
import { createFile, removeFile, replaceFile } from './durable-file.ts';

/** Whether a folder can be written to, now or once it has been created. */
export type FolderState =
  | { readonly kind: 'writable' }
  /** @property parent the nearest folder above that exists */
  | { readonly kind: 'absent'; readonly parent: string }
  | { readonly kind: 'not_a_folder'; readonly path: string }
  | {
      readonly kind: 'denied';
      readonly path: string;
      readonly reason: string;
      /** Whether rights are missing; otherwise it is the disk or the kind of file system. */
      readonly unauthorized: boolean;
    };

/**
 * @param depth `look`: asks for rights only, and creates nothing. `try`: also writes a file, flushes it, links and renames it, and removes it,
 *   because root may do everything and a disk may be full, read-only, or not a disk (`/proc`). An absent folder is not created: its nearest
 *   existing parent is tried.
 */
export async function folderState(folder: string, depth: CheckDepth): Promise<FolderState> {
  const seen = await look(folder);
  if (depth === 'look' || seen.kind === 'not_a_folder' || seen.kind === 'denied') return seen;
  const place = seen.kind === 'absent' ? seen.parent : folder;
  try {
    await tryIn(place);
    return seen;
  } catch (error) {
    return denied(place, error);
  }
}

async function look(folder: string): Promise<FolderState> {
  for (let path = folder; ; path = dirname(path)) {
    try {
      const found = await stat(path);
      if (!found.isDirectory()) return { kind: 'not_a_folder', path };
      await access(path, constants.W_OK | constants.X_OK);
      return path === folder ? { kind: 'writable' } : { kind: 'absent', parent: path };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'ENOENT' && dirname(path) !== path) continue;
      if (code === 'ENOTDIR' && dirname(path) !== path) continue;
      return denied(path, error);
    }
  }
}

/** In a folder of its own, as day folders are made. The leading dot: no reader of archive or checkpoint looks at it. */
async function tryIn(parent: string): Promise<void> {
  const folder = join(parent, `.probe-${randomUUID()}`);
  await mkdir(folder);
  try {
    const path = join(folder, 'file');
    const content = Buffer.from('Written by a check of Userpulse. It may be deleted.\n');
    await createFile(path, [content]);
    await replaceFile(path, [content, content]);
    if (!Buffer.concat([content, content]).equals(await readFile(path))) {
      throw new Error('a file does not read as it was written');
    }
    await removeFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const UNAUTHORIZED: readonly unknown[] = ['EACCES', 'EPERM', 'EROFS'];

const denied = (path: string, error: unknown): FolderState => ({
  kind: 'denied',
  path,
  reason: error instanceof Error ? error.message : String(error),
  unauthorized: error instanceof Error && 'code' in error && UNAUTHORIZED.includes(error.code),
});
