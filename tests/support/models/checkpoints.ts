import type { CheckpointStore, StoredCheckpoints } from '../../../backend/src/checkpoint/checkpoint-store.ts';
import type { ShardCheckpoint, StreamCheckpoint } from '../../../backend/src/checkpoint/checkpoint.ts';

/** Keeps what was saved; each open takes it over, as a lock of a dead process would be. */
export class ModelCheckpoints {
  stream: StreamCheckpoint | undefined;
  readonly shards = new Map<string, ShardCheckpoint>();
  /** As `userpulse release` has asked for, per shard (ms). */
  readonly releases = new Map<string, number>();
  saves = 0;

  store(): CheckpointStore {
    // Through JSON, as every real store has it.
    const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
    return {
      kind: 'store',
      url: 'model://checkpoints',
      open: async (): Promise<StoredCheckpoints> => {
        await Promise.resolve();
        return { stream: this.stream, shards: new Map(copy([...this.shards])), releases: new Map(this.releases) };
      },
      saveStream: async (checkpoint) => {
        await Promise.resolve();
        this.stream = copy(checkpoint);
      },
      saveShard: async (checkpoint) => {
        await Promise.resolve();
        this.saves++;
        this.shards.set(checkpoint.shardId, copy(checkpoint));
      },
      releasedToMs: (shardId) => Promise.resolve(this.releases.get(shardId) ?? 0),
      removeShard: async (shardId) => {
        await Promise.resolve();
        this.shards.delete(shardId);
      },
      close: () => Promise.resolve(),
    };
  }
}
