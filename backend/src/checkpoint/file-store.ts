import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { UserpulseError } from '../errors.ts';
import { isCode, makeFolder, removeFile, replaceFile } from '../files/durable-file.ts';
import {
  shardCheckpointSchema,
  streamCheckpointSchema,
  type CheckpointStore,
  type ShardCheckpoint,
  type StoredCheckpoints,
  type StreamCheckpoint,
} from './checkpoint.ts';
import { FileLock } from '../files/file-lock.ts';

const STREAM_FILE = 'stream.json';
const LOCK_FILE = 'lock';

/**
 * Checkpoints as files in a folder: `stream.json`, one `SHARD.json` per shard, and `lock`. Each file is replaced whole and flushed to disk
 * before a save resolves; what cannot be read is an error and never taken for a fresh start.
 */
export class FileCheckpointStore implements CheckpointStore {
  readonly url: string;
  readonly #folder: string;
  #lock: FileLock | undefined;
  #stream = '';

  /** @param url `file:///DIR`; the folder is made when absent */
  constructor(url: URL) {
    this.url = url.href;
    this.#folder = fileURLToPath(url);
  }

  async open(stream: string): Promise<StoredCheckpoints> {
    this.#stream = stream;
    try {
      await makeFolder(this.#folder);
      this.#lock = await FileLock.acquire(join(this.#folder, LOCK_FILE), this.#name());
      return await this.#load();
    } catch (error) {
      await this.close();
      if (error instanceof UserpulseError) throw error;
      throw new UserpulseError(
        'checkpoint_unusable',
        `${this.#name()} cannot be used: ${error instanceof Error ? error.message : String(error)}.`,
        {
          hint: 'Give this user the right to read and write it, or set USERPULSE_CHECKPOINT to another folder.',
          cause: error,
        },
      );
    }
  }

  async saveStream(checkpoint: StreamCheckpoint): Promise<void> {
    await this.#write(STREAM_FILE, { version: 1, ...checkpoint } satisfies z.input<typeof streamCheckpointSchema>);
  }

  async saveShard(checkpoint: ShardCheckpoint): Promise<void> {
    const content = { version: 1 as const, stream: this.#stream, ...checkpoint };
    await this.#write(fileOf(checkpoint.shardId), content);
  }

  async removeShard(shardId: string): Promise<void> {
    await this.#lock?.check(this.#name());
    await removeFile(join(this.#folder, fileOf(shardId)));
  }

  async close(): Promise<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    await lock?.release();
  }

  #name(): string {
    return `The checkpoint folder ${this.#folder} (USERPULSE_CHECKPOINT)`;
  }

  async #write(file: string, content: object): Promise<void> {
    if (this.#lock === undefined) throw new Error('The checkpoint store is not open.');
    await this.#lock.check(this.#name());
    await replaceFile(join(this.#folder, file), [Buffer.from(`${JSON.stringify(content, null, 1)}\n`)]);
  }

  async #load(): Promise<StoredCheckpoints> {
    const shards = new Map<string, ShardCheckpoint>();
    for (const file of (await readdir(this.#folder)).sort()) {
      // A leading dot: a write that a crash cut short. Its old content is still in place.
      if (!file.endsWith('.json') || file.startsWith('.') || file === STREAM_FILE) continue;
      const { version: _version, stream, ...checkpoint } = await this.#read(file, shardCheckpointSchema);
      this.#mustBe(stream, file);
      if (fileOf(checkpoint.shardId) !== file) throw this.#unusable(file, `it is about ${checkpoint.shardId}`);
      shards.set(checkpoint.shardId, checkpoint);
    }
    let stream: StreamCheckpoint | undefined;
    try {
      const { version: _version, ...read } = await this.#read(STREAM_FILE, streamCheckpointSchema);
      this.#mustBe(read.stream, STREAM_FILE);
      stream = read;
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error;
      if (shards.size > 0) throw this.#unusable(STREAM_FILE, 'it is missing, though shards have been read');
    }
    return { stream, shards };
  }

  async #read<T>(file: string, schema: z.ZodType<T>): Promise<T> {
    const text = await readFile(join(this.#folder, file), 'utf8');
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      throw this.#unusable(file, 'it is damaged, or was written by another version', error);
    }
  }

  #mustBe(stream: string, file: string): void {
    if (stream === this.#stream) return;
    throw new UserpulseError(
      'checkpoint_unusable',
      `${this.#name()} belongs to stream "${stream}" (${file}), not to "${this.#stream}" (USERPULSE_STREAM).`,
      { hint: 'Give each stream a checkpoint folder of its own.' },
    );
  }

  #unusable(file: string, why: string, cause?: unknown): UserpulseError {
    return new UserpulseError('checkpoint_unusable', `${join(this.#folder, file)} cannot be used: ${why}.`, {
      hint: 'Put it back from a copy. Where there is none: an empty checkpoint folder makes ingest read the stream from USERPULSE_START again; points stay exact, but the archive then holds some records twice.',
      cause,
    });
  }
}

const fileOf = (shardId: string): string => `${shardId}.json`;
