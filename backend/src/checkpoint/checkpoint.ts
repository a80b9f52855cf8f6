import { z } from 'zod';
import type { Relocation } from '../schema/offsets.ts';
import { compareSequence, type SequenceNumber } from '../event/sequence-number.ts';

/** Where reading of a fresh shard begins. `latest` is turned into the time of the first start, so that no crash can lose what came since. */
export type StartPosition = { readonly kind: 'trim_horizon' } | { readonly kind: 'time'; readonly ms: number };

/** What belongs to the stream as a whole; written before the first record is read. */
export interface StreamCheckpoint {
  readonly stream: string;
  /** Creation time of the stream in ms: a stream that was deleted and made again under its name has other sequence numbers. */
  readonly createdAtMs: number;
  readonly start: StartPosition;
}

/** A record that InfluxDB refused for good: only its answer told, so a redo must be told too. */
export interface NotedRefusal {
  readonly sequenceNumber: SequenceNumber;
  readonly subSequence?: number | undefined;
  readonly reason: string;
}

/** A range of records for which archive objects are being written. */
export interface PendingRange {
  readonly first: SequenceNumber;
  readonly last: SequenceNumber;
  readonly refusals: readonly NotedRefusal[];
}

/** A relocation (see OffsetTable) with the record that caused it. */
export interface NotedRelocation extends Relocation {
  readonly sequenceNumber: SequenceNumber;
}

/**
 * How far a shard is durable in every sink, and what a restart must know to redo exactly what was begun. Immutable: each change is a new
 * value, written whole.
 */
export interface ShardCheckpoint {
  readonly shardId: string;
  /** Everything up to and including this record is durable everywhere; null before the first. */
  readonly sequenceNumber: SequenceNumber | null;
  /** Up to this time of arrival (ms) nothing of this shard is missing; 0 = nothing is known. Tells a quiet shard from a lost record. */
  readonly completeToMs: number;
  readonly pending: PendingRange | null;
  /** Read to its end, all of it durable. */
  readonly done: boolean;
  /** Oldest first. */
  readonly relocated: readonly NotedRelocation[];
  /** Re-reading starts here on a restart to fill the offset table; null = not needed. Never behind what the bounds below allow. */
  readonly warmFrom: SequenceNumber | null;
}

export const freshCheckpoint = (shardId: string): ShardCheckpoint => ({
  shardId,
  sequenceNumber: null,
  completeToMs: 0,
  pending: null,
  done: false,
  relocated: [],
  warmFrom: null,
});

/** Moves of records behind the checkpoint that are kept. Those of records after it are all kept: a redo needs them. */
export const MAX_DURABLE_RELOCATIONS = 10_000;

export function withRelocations(checkpoint: ShardCheckpoint, relocations: readonly NotedRelocation[]): ShardCheckpoint {
  return { ...checkpoint, relocated: [...checkpoint.relocated, ...relocations] };
}

/** Step 1 of archiving a range, before its first object is written. */
export function withPending(checkpoint: ShardCheckpoint, pending: PendingRange): ShardCheckpoint {
  if (checkpoint.pending !== null) throw new Error('A second range was pending before the first was durable.');
  if (checkpoint.sequenceNumber !== null && compareSequence(pending.first, checkpoint.sequenceNumber) <= 0) {
    throw new Error(`Range from ${pending.first} overlaps the checkpoint at ${checkpoint.sequenceNumber}.`);
  }
  return { ...checkpoint, pending };
}

/** Step 2, after the last object is durable: the checkpoint passes the range and forgets it. */
export function withDurable(
  checkpoint: ShardCheckpoint,
  change: { readonly completeToMs: number; readonly warmFrom: SequenceNumber | null },
): ShardCheckpoint {
  if (checkpoint.pending === null) throw new Error('No range was pending.');
  const sequenceNumber = checkpoint.pending.last;
  return {
    ...checkpoint,
    sequenceNumber,
    pending: null,
    completeToMs: Math.max(checkpoint.completeToMs, change.completeToMs),
    warmFrom: change.warmFrom,
    relocated: boundRelocations(checkpoint.relocated, sequenceNumber),
  };
}

function boundRelocations(relocated: readonly NotedRelocation[], durable: SequenceNumber): readonly NotedRelocation[] {
  if (relocated.length <= MAX_DURABLE_RELOCATIONS) return relocated;
  let surplus =
    relocated.filter((m) => compareSequence(m.sequenceNumber, durable) <= 0).length - MAX_DURABLE_RELOCATIONS;
  return relocated.filter((m) => compareSequence(m.sequenceNumber, durable) > 0 || surplus-- <= 0);
}

/** Port: where checkpoints are kept. One holder at a time; implementations refuse or fence a second one. */
export interface CheckpointStore {
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
  /** A finished shard that the stream lists no more. */
  removeShard(shardId: string): Promise<void>;
  close(): Promise<void>;
}

export interface StoredCheckpoints {
  /** Absent before the first start. */
  readonly stream: StreamCheckpoint | undefined;
  readonly shards: ReadonlyMap<string, ShardCheckpoint>;
}

const sequence = z.string().regex(/^\d{1,128}$/);
const ms = z.number().int().nonnegative();

/** How a checkpoint is written down; parsed strictly, since what is not understood must not be guessed at. */
export const streamCheckpointSchema = z.strictObject({
  version: z.literal(1),
  stream: z.string().min(1),
  createdAtMs: ms,
  start: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('trim_horizon') }),
    z.strictObject({ kind: z.literal('time'), ms }),
  ]),
});

export const shardCheckpointSchema = z.strictObject({
  version: z.literal(1),
  stream: z.string().min(1),
  shardId: z.string().min(1),
  sequenceNumber: sequence.nullable(),
  completeToMs: ms,
  pending: z
    .strictObject({
      first: sequence,
      last: sequence,
      refusals: z.array(
        z.strictObject({
          sequenceNumber: sequence,
          subSequence: z.number().int().nonnegative().optional(),
          reason: z.string(),
        }),
      ),
    })
    .nullable(),
  done: z.boolean(),
  relocated: z.array(
    z.strictObject({
      role: z.enum(['made', 'received', 'share', 'total']),
      event: z.string(),
      offsetNs: z.number().int(),
      sequenceNumber: sequence,
    }),
  ),
  warmFrom: sequence.nullable(),
});
