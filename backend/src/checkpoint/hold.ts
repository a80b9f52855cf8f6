import type { ShardHold } from './checkpoint.ts';

/* What people are told of a held shard, by the log, doctor and /v1/health alike. */

export const holdText = (shardId: string, { sinceMs, reason }: ShardHold): string =>
  `Shard ${shardId} has been held since ${new Date(sinceMs).toISOString()}: ${reason}`;

/** The way on. */
export const holdHint = (shardIds: readonly string[]): string =>
  `The stream keeps the records of the shard until its retention ends, and the other shards are read. Fix the producer, or the setting that the example names and restart ingest. Then let it go on with "userpulse release ${shardIds.map((shardId) => `--shard ${shardId}`).join(' ')}": the bad records become dead letters.`;
