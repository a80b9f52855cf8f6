import { randomUUID } from 'node:crypto';
import { link, mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname, join, basename } from 'node:path';

/**
 * Files that are either whole or absent after a power cut: written under a temporary name and flushed, then renamed, and the folder's entry
 * flushed too. A crash may leave the temporary file: of a replaced file `.NAME.tmp`, which the next attempt overwrites, and of a created one
 * `.NAME.UUID.tmp`, which nobody reads.
 */

/** Creates a folder and its missing parents, and makes their entries durable. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}

/** Replaces a file, or creates it. */
export async function replaceFile(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  await moveFile(await writeTemporary(path, '', chunks), path);
}

/** Gives a file that has been flushed its place, in the same file system, instead of what is there. */
export async function moveFile(from: string, path: string): Promise<void> {
  await rename(from, path);
  await syncFolder(dirname(path));
}

/**
 * Creates a file that must not exist yet. Others may do so at the same time: one of the files becomes it, whole.
 * @returns false where it exists; it stays as it is
 */
export async function createFile(path: string, chunks: readonly Uint8Array[]): Promise<boolean> {
  const temporary = await writeTemporary(path, `.${randomUUID()}`, chunks);
  try {
    // Unlike rename, link fails where the name exists.
    await link(temporary, path);
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
    return false;
  } finally {
    await unlink(temporary);
  }
  await syncFolder(dirname(path));
  return true;
}

/** Removes a file, if it exists. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
    throw error;
  }
  await syncFolder(dirname(path));
}

async function writeTemporary(path: string, suffix: string, chunks: readonly Uint8Array[]): Promise<string> {
  const temporary = join(dirname(path), `.${basename(path)}${suffix}.tmp`);
  const file = await open(temporary, 'w', 0o640);
  try {
    for (const chunk of chunks) await file.writeFile(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
  return temporary;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Whether an error of node:fs has this code. */
export const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
