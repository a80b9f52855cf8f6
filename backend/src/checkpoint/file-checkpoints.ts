import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { failed, passed, type Check, type CheckDepth } from '../check.ts';
import { UserpulseError } from '../errors.ts';
import { isCode, makeFolder, removeFile, replaceFile } from '../files/durable-file.ts';
import { FileLock } from '../files/file-lock.ts';
import { folderState } from '../files/folder.ts';
import type { CheckpointStore, HeldCheckpoints, StoredCheckpoints } from './checkpoint-store.ts';
import type { ShardCheckpoint, StreamCheckpoint } from './checkpoint.ts';
import { refuseMoved } from './moving.ts';
import { readRelease, readShard, readStream, writeRelease, writeShard, writeStream } from './file-format.ts';

/*
 * Checkpoints as files in a folder: `stream.json`, one `SHARD.json` per shard, `SHARD.release` for one that an operator has released, and `lock`.
 * Each file is replaced whole.
 */

const STREAM_FILE = 'stream.json';
const LOCK_FILE = 'lock';

const fileOf = (shardId: string): string => `${shardId}.json`;
/** A leading dot: a write that a crash cut short. The old content is still in place. */
const isShardFile = (file: string): boolean => file.endsWith('.json') && !file.startsWith('.') && file !== STREAM_FILE;
const RELEASE = '.release';
const nameOf = (folder: string): string => `The checkpoint folder ${folder} (USERPULSE_CHECKPOINT)`;

/** Each file is flushed to disk before a save resolves; what cannot be read is an error and never taken for a fresh start. */
export class FileCheckpointStore implements CheckpointStore {
  readonly kind = 'store';
  readonly url: string;
  readonly #folder: string;
  #lock: FileLock | undefined;
  #stream = '';

  /** @param url `file:///DIR`; the folder is created when absent */
  constructor(url: URL) {
    this.url = url.href;
    this.#folder = fileURLToPath(url);
  }

  async open(stream: string): Promise<StoredCheckpoints> {
    this.#stream = stream;
    try {
      await makeFolder(this.#folder);
      await refuseMoved(this.#folder);
      this.#lock = await FileLock.acquire(join(this.#folder, LOCK_FILE), {
        code: 'checkpoint_locked',
        what: this.#name,
        holder: 'ingest',
        hint: 'Stop that process, or use a separate checkpoint and stream.',
        lost: 'This ingest stops, because only one may write to a checkpoint. The next one reads again what it had not finished.',
      });
      return await readFolder(this.#folder, stream);
    } catch (error) {
      await this.close();
      throw asUnusable(this.#folder, error, 'read and write access');
    }
  }

  async saveStream(checkpoint: StreamCheckpoint): Promise<void> {
    await this.#write(STREAM_FILE, writeStream(checkpoint));
  }

  async saveShard(checkpoint: ShardCheckpoint): Promise<void> {
    await this.#write(fileOf(checkpoint.shardId), writeShard(this.#stream, checkpoint));
  }

  async removeShard(shardId: string): Promise<void> {
    await this.#lock?.check();
    await removeFile(join(this.#folder, fileOf(shardId)));
    await removeFile(join(this.#folder, shardId + RELEASE));
  }

  async releasedToMs(shardId: string): Promise<number> {
    return (await releaseOf(this.#folder, shardId + RELEASE, this.#stream)) ?? 0;
  }

  async close(): Promise<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    await lock?.release();
  }

  get #name(): string {
    return nameOf(this.#folder);
  }

  async #write(file: string, content: string): Promise<void> {
    // Ingest has ended, and closed it: nothing to try again.
    if (this.#lock === undefined) throw new UserpulseError('aborted', `${this.#name} is closed.`);
    await this.#lock.check();
    await replaceFile(join(this.#folder, file), [Buffer.from(content)]);
  }
}

/** See holdCheckpoints. */
export async function holdCheckpointFolder(url: URL, stream: string): Promise<HeldCheckpoints> {
  const store = new FileCheckpointStore(url);
  const { shards } = await store.open(stream);
  return {
    shards: [...shards.values()],
    save: (checkpoint) => store.saveShard(checkpoint),
    close: () => store.close(),
  };
}

/** See hasCheckpoints. */
export async function hasCheckpointFolder(url: URL): Promise<boolean> {
  const folder = fileURLToPath(url);
  try {
    return (await listed(folder)).some(isShardFile);
  } catch (error) {
    throw asUnusable(folder, error, 'read access');
  }
}

/** See readCheckpoints. An absent folder holds nothing. */
export async function readCheckpointFolder(url: URL, stream: string): Promise<StoredCheckpoints> {
  const folder = fileURLToPath(url);
  try {
    return await readFolder(folder, stream);
  } catch (error) {
    throw asUnusable(folder, error, 'read access');
  }
}

async function readFolder(folder: string, stream: string): Promise<StoredCheckpoints> {
  const shards = new Map<string, ShardCheckpoint>();
  for (const file of (await listed(folder)).filter(isShardFile)) {
    const read = await readOne(folder, file, readShard);
    // Gone since it was listed: ingest has removed a finished shard. The other shards are still to be read.
    if (read === undefined) continue;
    checkStream(folder, file, read.stream, stream);
    const { shardId } = read.checkpoint;
    if (fileOf(shardId) !== file) throw damaged(folder, file, `it is about ${shardId}`);
    shards.set(shardId, read.checkpoint);
  }
  const releases = new Map<string, number>();
  for (const file of (await listed(folder)).filter((name) => name.endsWith(RELEASE))) {
    const untilMs = await releaseOf(folder, file, stream);
    if (untilMs !== undefined) releases.set(file.slice(0, -RELEASE.length), untilMs);
  }
  // Last, since it is written before any shard: whoever finds a shard finds it as well.
  const found = await readOne(folder, STREAM_FILE, readStream);
  if (found !== undefined) checkStream(folder, STREAM_FILE, found.stream, stream);
  else if (shards.size > 0) throw damaged(folder, STREAM_FILE, 'it is missing, although there are shards');
  return { stream: found, shards, releases };
}

/** @returns until when (ms) the shard is released; undefined where it is not */
async function releaseOf(folder: string, file: string, stream: string): Promise<number | undefined> {
  const read = await readOne(folder, file, readRelease);
  if (read === undefined) return undefined;
  checkStream(folder, file, read.stream, stream);
  return read.untilMs;
}

/** See releaseShard. */
export async function writeReleaseFile(url: URL, stream: string, shardId: string, untilMs: number): Promise<void> {
  const folder = fileURLToPath(url);
  try {
    await replaceFile(join(folder, shardId + RELEASE), [Buffer.from(writeRelease(stream, shardId, untilMs))]);
  } catch (error) {
    throw asUnusable(folder, error, 'write access');
  }
}

async function listed(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** @returns undefined where there is no such file */
async function readOne<T>(folder: string, file: string, parse: (text: string) => T): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, file), 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    return parse(text);
  } catch (error) {
    throw damaged(folder, file, 'it is damaged, or was written by a newer version', error);
  }
}

function checkStream(folder: string, file: string, found: string, expected: string): void {
  if (found === expected) return;
  throw new UserpulseError(
    'checkpoint_unusable',
    `${nameOf(folder)} belongs to stream "${found}" (${file}), not to "${expected}" (USERPULSE_STREAM).`,
    { hint: 'Use a separate checkpoint folder for each stream.' },
  );
}

function damaged(folder: string, file: string, why: string, cause?: unknown): UserpulseError {
  return new UserpulseError('checkpoint_unusable', `${join(folder, file)} cannot be used: ${why}.`, {
    hint: 'Restore it from a backup. Without one, start ingest with an empty checkpoint folder: it reads the stream from USERPULSE_START again. Counts stay exact, but the archive then holds some records twice.',
    cause,
  });
}

function asUnusable(folder: string, error: unknown, access: string): UserpulseError {
  if (error instanceof UserpulseError) return error;
  return new UserpulseError(
    'checkpoint_unusable',
    `${nameOf(folder)} cannot be used: ${error instanceof Error ? error.message : String(error)}.`,
    { hint: `Give this user ${access} to it, or set USERPULSE_CHECKPOINT to another folder.`, cause: error },
  );
}

/** Can the checkpoint folder be written? It is created on first use, so an absent one passes where it can be created. */
export function checkpointFolderCheck(url: URL, depth: CheckDepth): Check {
  const folder = fileURLToPath(url);
  return {
    name: 'checkpoint',
    run: async () => {
      const state = await folderState(folder, depth);
      switch (state.kind) {
        case 'writable':
          return passed('checkpoint', `Folder ${folder} is writable.`);
        case 'absent':
          return passed('checkpoint', `Folder ${folder} does not exist yet; ingest creates it.`);
        case 'not_a_folder':
          return failed(
            'checkpoint',
            'checkpoint_unusable',
            `${nameOf(folder)} cannot be created: ${state.path} is a file.`,
            'Set USERPULSE_CHECKPOINT to another folder.',
          );
        case 'denied':
          return failed(
            'checkpoint',
            'checkpoint_unusable',
            `${nameOf(folder)} is not writable: ${state.reason}.`,
            state.unauthorized
              ? 'Give this user write access to it, or set USERPULSE_CHECKPOINT to another folder.'
              : 'Free space on that disk, or set USERPULSE_CHECKPOINT to a folder on another one.',
          );
        default:
          return state satisfies never;
      }
    },
  };
}
