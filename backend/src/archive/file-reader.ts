import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserpulseError } from '../errors.ts';
import { isCode } from '../files/durable-file.ts';
import { replaced, type ArchiveReader, type StoredObject } from './archive-reader.ts';
import { fileVersion } from './file-version.ts';

/** The archive as files below a folder. */
export class FileArchiveReader implements ArchiveReader {
  readonly url: string;
  readonly #folder: string;

  /** @param url `file:///DIR` */
  constructor(url: URL) {
    this.url = url.href;
    this.#folder = fileURLToPath(url);
  }

  async *list(from: string, to: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    try {
      await stat(this.#folder);
      yield* this.#walk('', from, to, signal);
    } catch (error) {
      throw this.#failure(this.#folder, error, signal);
    }
  }

  async *read(key: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const path = join(this.#folder, key);
    try {
      for await (const chunk of createReadStream(path, { signal, highWaterMark: 256 * 1024 })) yield chunk as Buffer;
    } catch (error) {
      throw this.#failure(path, error, signal);
    }
  }

  async slice(
    { key, version }: StoredObject,
    from: number,
    to: number,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const path = join(this.#folder, key);
    try {
      signal.throwIfAborted();
      const file = await open(path);
      try {
        if (fileVersion(await file.stat()) !== version) throw replaced(path);
        const bytes = new Uint8Array(to - from);
        for (let at = 0; at < bytes.length;) {
          const { bytesRead } = await file.read(bytes, at, bytes.length - at, from + at);
          if (bytesRead === 0) throw replaced(path);
          at += bytesRead;
        }
        return bytes;
      } finally {
        await file.close();
      }
    } catch (error) {
      throw this.#failure(path, error, signal);
    }
  }

  /** Files of a folder and below with keys in the range. Folders that cannot hold any are not opened. */
  async *#walk(folder: string, from: string, to: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    signal.throwIfAborted();
    const entries = await readdir(join(this.#folder, folder), { withFileTypes: true });
    const named = entries.map((entry) => ({ entry, key: `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}` }));
    // With a slash after each folder's name, names sort as the keys below them do.
    for (const { entry, key } of named.sort((a, b) => (a.key < b.key ? -1 : 1))) {
      // A leading dot: a write that a crash cut short.
      if (entry.name.startsWith('.') || key >= to) continue;
      if (entry.isDirectory()) {
        if (key >= from || from.startsWith(key)) yield* this.#walk(key, from, to, signal);
      } else if (key >= from) {
        const found = await stat(join(this.#folder, key));
        yield { key, bytes: found.size, version: fileVersion(found) };
      }
    }
  }

  #failure(path: string, error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof UserpulseError) return error;
    if (isCode(error, 'ENOENT')) {
      return new UserpulseError('archive_not_found', `${path} (USERPULSE_ARCHIVE) does not exist.`, {
        hint: 'Set USERPULSE_ARCHIVE to the archive that ingest writes to.',
        cause: error,
      });
    }
    const denied = isCode(error, 'EACCES') || isCode(error, 'EPERM');
    return new UserpulseError(
      denied ? 'archive_unauthorized' : 'archive_unreachable',
      `${path} (USERPULSE_ARCHIVE) cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      { hint: denied ? 'Give this user read access to it.' : 'Check the disk, then try again.', cause: error },
    );
  }
}
