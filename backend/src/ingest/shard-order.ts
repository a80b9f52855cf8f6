import type { ShardInfo } from '../kinesis/stream-source.ts';

/** What ingest knows of a shard it has met. `reading` includes a shard whose records are not all durable yet. */
export type ShardProgress = 'unread' | 'reading' | 'done';

export interface ShardDecision {
  /** To be started now, in the order of the list. */
  readonly start: readonly ShardInfo[];
  /** Listed, but a parent is not finished. */
  readonly waiting: readonly string[];
  /** Finished and no longer listed: their checkpoints have no use any more. */
  readonly forget: readonly string[];
  /** Have an unfinished checkpoint, are not being read, and the stream does not list them any more: records may have been lost. */
  readonly lost: readonly string[];
}

/**
 * Which shards are read now. Parents come before children, both parents of a merge included, so that the events of one partition key keep
 * their order. A parent that the stream lists no more and that nobody reads holds nobody up; a closed shard that nobody has read is read
 * like any other, to its end.
 *
 * @param progress of every shard that has a checkpoint or is being read; absent = never met
 */
export function decideShards(
  listed: readonly ShardInfo[],
  progress: ReadonlyMap<string, ShardProgress>,
): ShardDecision {
  const ids = new Set(listed.map((s) => s.shardId));
  const start: ShardInfo[] = [];
  const waiting: string[] = [];
  for (const shard of listed) {
    const own = progress.get(shard.shardId) ?? 'unread';
    if (own !== 'unread') continue;
    const free = shard.parents.every((parent) => {
      const state = progress.get(parent);
      return state === 'done' || (state !== 'reading' && !ids.has(parent));
    });
    if (free) start.push(shard);
    else waiting.push(shard.shardId);
  }
  const forget: string[] = [];
  const lost: string[] = [];
  for (const [shardId, state] of progress) {
    if (ids.has(shardId)) continue;
    if (state === 'done') forget.push(shardId);
    else if (state === 'unread') lost.push(shardId);
  }
  return { start, waiting, forget, lost };
}
