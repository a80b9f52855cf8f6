import type { ShardCheckpoint, StreamCheckpoint } from './checkpoint.ts';

/** A child of a shard that has ended, or any shard, as far as leases need to know it. */
export interface LeasedShard {
  readonly shardId: string;
  readonly parents: readonly string[];
  /** Decimal, both ends included. */
  readonly hashRange: { readonly start: bigint; readonly end: bigint };
}

/**
 * Port: which shards of the stream this process reads, where several share it, and where it keeps how far each is. As a {@link CheckpointStore} keeps
 * the checkpoints of all shards for one process, a lease keeps that of one shard for whoever has it.
 */
export interface ShardLeases {
  readonly kind: 'leases';
  /** For messages. */
  readonly url: string;
  /**
   * What belongs to the stream as a whole: decided by the first process ever, the same for all others.
   * @param proposed stored where nothing is
   * @throws UserpulseError `checkpoint_unusable`
   */
  open(proposed: StreamCheckpoint): Promise<StreamCheckpoint>;
  /**
   * Leases as this process is given them, until the signal is aborted.
   * @throws UserpulseError `checkpoint_unusable` where leases can be had no more
   */
  given(signal: AbortSignal): AsyncIterable<ShardLease>;
  /** As that of {@link CheckpointStore}. */
  releasedToMs(shardId: string): Promise<number>;
  /** Gives back what this process still has. */
  close(): Promise<void>;
}

/**
 * ```
 *   given ─▶ saves … ─▶ end (read to its end, all of it durable)
 *               ├─▶ given back by close (all that was read is durable)
 *               └─▶ lost (another process has it)
 * ```
 */
export interface ShardLease {
  readonly shardId: string;
  /** As whoever had the lease before has stored it; fresh where nobody had. */
  readonly checkpoint: ShardCheckpoint;
  /** Aborted when another process has the lease, or may have it. */
  readonly lost: AbortSignal;
  /** Resolves when durable. @throws {@link LeaseLostError}; anything else may be tried again */
  save(checkpoint: ShardCheckpoint): Promise<void>;
  /** @param children of the shard, which somebody reads next */
  end(children: readonly LeasedShard[]): void;
}
