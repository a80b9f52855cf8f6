import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserpulseError } from '../errors.ts';
import { isCode, makeFolder, moveFile, removeFile } from '../files/durable-file.ts';
import { replaced, type StoredObject } from './archive-reader.ts';
import { fileVersion } from './file-version.ts';
import { TABLE_PREFIX } from './keys.ts';
import type { ObjectKind, TableStore } from './table-store.ts';

/** Tables in an archive that is a folder. Its lock keeps two runs apart. */
export class FileTables implements TableStore {
  readonly url: string;
  readonly workFolder: string;
  readonly #folder: string;

  /** @param url `file:///DIR` */
  constructor(url: URL) {
    this.url = url.href;
    this.#folder = fileURLToPath(url);
    // A file can be moved within a file system only.
    this.workFolder = join(this.#folder, TABLE_PREFIX);
  }

  async put(
    key: string,
    path: string,
    before: StoredObject | undefined,
    _kind: ObjectKind,
    signal: AbortSignal,
  ): Promise<void> {
    const place = join(this.#folder, key);
    try {
      await makeFolder(dirname(place));
      if ((await versionOf(place)) !== before?.version) throw replaced(place);
      signal.throwIfAborted();
      await moveFile(path, place);
    } catch (error) {
      throw failure(place, 'written', error, signal);
    }
  }

  async remove(keys: readonly string[], signal: AbortSignal): Promise<void> {
    for (const key of keys) {
      signal.throwIfAborted();
      const path = join(this.#folder, key);
      try {
        await removeFile(path);
      } catch (error) {
        throw failure(path, 'removed', error, signal);
      }
    }
  }
}

async function versionOf(path: string): Promise<string | undefined> {
  try {
    return fileVersion(await stat(path));
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function failure(path: string, verb: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || error instanceof UserpulseError) return error;
  const denied = isCode(error, 'EACCES') || isCode(error, 'EPERM') || isCode(error, 'EROFS');
  return new UserpulseError(
    denied ? 'archive_unauthorized' : 'archive_unreachable',
    `${path} (USERPULSE_ARCHIVE) cannot be ${verb}: ${error instanceof Error ? error.message : String(error)}.`,
    { hint: denied ? 'Give this user write access to it.' : 'Check the disk, then try again.', cause: error },
  );
}
