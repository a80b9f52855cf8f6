import type { ShardCheckpoint, StreamCheckpoint } from './checkpoint.ts';

/** What is stored of a stream. */
export interface StoredCheckpoints {
  /** Absent before the first start. */
  readonly stream: StreamCheckpoint | undefined;
  readonly shards: ReadonlyMap<string, ShardCheckpoint>;
  /** Per shard that was ever released: until when (ms); see {@link CheckpointStore.releasedToMs}. */
  readonly releases: ReadonlyMap<string, number>;
}

/** Checkpoints while no ingest goes on with them. */
export interface HeldCheckpoints {
  readonly shards: readonly ShardCheckpoint[];
  /** Resolves when durable; undefined where workers keep them, who relocate no points. */
  readonly save: ((checkpoint: ShardCheckpoint) => Promise<void>) | undefined;
  close(): Promise<void>;
}

/** Port: where ingest keeps its checkpoints. One holder at a time; implementations refuse or fence a second one. */
export interface CheckpointStore {
  readonly kind: 'store';
  /** For messages. */
  readonly url: string;
  /**
   * Takes the store for this process and reads it.
   * @throws UserpulseError `checkpoint_locked` where another process holds it, `checkpoint_unusable` where something in it cannot be read or
   *   belongs to another stream
   */
  open(stream: string): Promise<StoredCheckpoints>;
  /** Resolves when durable. @throws where it cannot be written; the caller tries again */
  saveStream(checkpoint: StreamCheckpoint): Promise<void>;
  /** Resolves when durable. @throws where it cannot be written, or `checkpoint_locked` where another process has taken the store */
  saveShard(checkpoint: ShardCheckpoint): Promise<void>;
  /**
   * Until when (ms) records of a shard may arrive and be rejected without the shard being held: what an operator has asked for, now or earlier.
   * 0 where nobody has.
   */
  releasedToMs(shardId: string): Promise<number>;
  /** A finished shard that the stream no longer lists. */
  removeShard(shardId: string): Promise<void>;
  close(): Promise<void>;
}
