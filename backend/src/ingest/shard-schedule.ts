import { freshCheckpoint, type ShardCheckpoint } from '../checkpoint/checkpoint.ts';
import { after, isAborted, type Clock } from '../clock.ts';
import type { ShardInfo } from '../kinesis/stream-source.ts';

/** How often new shards are looked for; the end of a shard makes the schedule look at once. */
const DISCOVERY_MS = 30_000;

export interface ShardScheduleOptions {
  /** Checkpoints of earlier runs. */
  readonly stored: ReadonlyMap<string, ShardCheckpoint>;
  readonly clock: Clock;
  /** Aborted by a stop: nothing more is started. */
  readonly signal: AbortSignal;
  readonly listShards: () => Promise<readonly ShardInfo[]>;
  /** Whether a shard that was started is durable to its end. */
  readonly isDone: (shardId: string) => boolean;
  readonly start: (shard: ShardInfo, checkpoint: ShardCheckpoint) => void;
  /** A shard whose checkpoint is not at its end is not listed any more: its last records are gone. May throw. */
  readonly onLost: (checkpoint: ShardCheckpoint) => Promise<void>;
  /** A shard's checkpoint has no use any more. */
  readonly forget: (shardId: string) => Promise<void>;
}

/** Starts shards as they become free, parents before children, until stopped. */
export class ShardSchedule {
  readonly #options: ShardScheduleOptions;
  readonly #stored: Map<string, ShardCheckpoint>;
  readonly #started = new Set<string>();
  #waiting = 0;
  #now = false;
  #wake: () => void = () => undefined;

  constructor(options: ShardScheduleOptions) {
    this.#options = options;
    this.#stored = new Map(options.stored);
  }

  /** Shards that wait for their parents. */
  get waiting(): number {
    return this.#waiting;
  }

  /** A shard has ended, or ingest stops. Remembered, because a look may be under way just now. */
  lookSoon(): void {
    this.#now = true;
    this.#wake();
  }

  /** @param first the shards that are listed now. Resolves after a stop; throws what its options throw. */
  async run(first: readonly ShardInfo[]): Promise<void> {
    const { signal, listShards } = this.#options;
    for (let listed = first; !signal.aborted;) {
      await this.#startFree(listed);
      await this.#pause();
      if (isAborted(signal)) return;
      this.#now = false;
      listed = await listShards();
    }
  }

  async #pause(): Promise<void> {
    if (this.#now || this.#options.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const cancel = after(this.#options.clock, DISCOVERY_MS, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  async #startFree(listed: readonly ShardInfo[]): Promise<void> {
    const { isDone, start: startShard, onLost } = this.#options;
    const progress = new Map<string, ShardProgress>();
    for (const [shardId, checkpoint] of this.#stored) progress.set(shardId, checkpoint.done ? 'done' : 'unread');
    for (const shardId of this.#started) progress.set(shardId, isDone(shardId) ? 'done' : 'reading');
    const { start, waiting, forget, lost } = decideShards(listed, progress);
    this.#waiting = waiting.length;
    for (const shardId of lost) {
      await onLost(this.#checkpointOf(shardId));
      await this.#forget(shardId);
    }
    for (const shardId of forget) await this.#forget(shardId);
    for (const shard of start) {
      this.#started.add(shard.shardId);
      startShard(shard, this.#checkpointOf(shard.shardId));
    }
  }

  #checkpointOf(shardId: string): ShardCheckpoint {
    return this.#stored.get(shardId) ?? freshCheckpoint(shardId);
  }

  async #forget(shardId: string): Promise<void> {
    this.#started.delete(shardId);
    this.#stored.delete(shardId);
    await this.#options.forget(shardId);
  }
}

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
