import { z } from 'zod';
import { CODEC_NAMES } from '../archive/codecs.ts';
import { ID_FORMAT_NAMES } from '../../../contract/ids.ts';
import { COMPRESSIONS } from '../event/decompress.ts';
import { SPLITS } from '../event/split.ts';
import { compareSequence, type SequenceNumber } from '../event/sequence-number.ts';
import { BUCKET_ROLES } from '../schema/buckets.ts';
import type { Relocation } from '../schema/offsets.ts';

/*
 * What a checkpoint is: each type is that of its schema, so that nothing can be stored that could not be read back. How it is written to a
 * file is in file-format.ts.
 */

const sequenceNumber = z.string().regex(/^\d{1,128}$/);
const ms = z.number().int().nonnegative();

const startPosition = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('trim_horizon') }),
  z.strictObject({ kind: z.literal('time'), ms }),
]);

/** What belongs to the stream as a whole; saved before the first record is read. */
export const streamCheckpointSchema = z.strictObject({
  stream: z.string().min(1),
  /** Creation time of the stream in ms: a stream that was deleted and created again under its name has other sequence numbers. */
  createdAtMs: ms,
  start: startPosition,
});

/** A record with a point that InfluxDB refused for good. Only its answer told, so a redo must be told too. */
const notedRefusal = z.strictObject({
  sequenceNumber,
  subSequence: z.number().int().nonnegative().optional(),
  reason: z.string(),
});

/** A relocation with the record that caused it. */
const notedRelocation = z.strictObject({
  role: z.enum(BUCKET_ROLES),
  event: z.string(),
  offsetNs: z.number().int(),
  sequenceNumber,
}) satisfies z.ZodType<Relocation & { readonly sequenceNumber: SequenceNumber }>;

export const shardCheckpointSchema = z.strictObject({
  shardId: z.string().min(1),
  /** Everything up to and including this record is durable everywhere; null before the first. */
  sequenceNumber: sequenceNumber.nullable(),
  /** Nothing of this shard that arrived up to this time (ms) is missing; 0 = unknown. Tells a quiet shard from a lost record. */
  completeToMs: ms,
  /** The range of records whose archive objects are being written. */
  pending: z
    .strictObject({
      first: sequenceNumber,
      last: sequenceNumber,
      /** What its objects are compressed with: a redo must write the same keys, whatever new objects are compressed with by then. */
      codec: z.enum(CODEC_NAMES),
      /** What its records are decoded by, for the same reason; absent where an earlier version has begun the range. */
      decoding: z
        .strictObject({
          maxAheadMs: ms,
          decompress: z.array(z.enum(COMPRESSIONS)),
          split: z.array(z.enum(SPLITS)),
          /** Absent where they are the default formats. */
          ids: z.strictObject({ user: z.enum(ID_FORMAT_NAMES), share: z.enum(ID_FORMAT_NAMES) }).optional(),
        })
        .optional(),
      refusals: z.array(notedRefusal),
    })
    .nullable(),
  /** Read to its end, and all of it durable. */
  done: z.boolean(),
  /** Oldest first. */
  relocations: z.array(notedRelocation),
  /** Set while the shard is held: too much of what follows the checkpoint is not valid. */
  hold: z.strictObject({ sinceMs: ms, reason: z.string() }).optional(),
  /** A restart re-reads from here to fill the offset table; null = not needed. Its distance from the checkpoint is bounded. */
  warmFrom: sequenceNumber.nullable(),
});

type Immutable<T> = T extends object ? { readonly [K in keyof T]: Immutable<T[K]> } : T;

/** Where reading of a new shard begins. `latest` is stored as the time of the first start, so that a crash cannot lose what came since. */
export type StartPosition = Immutable<z.output<typeof startPosition>>;
export type StreamCheckpoint = Immutable<z.output<typeof streamCheckpointSchema>>;
export type NotedRefusal = Immutable<z.output<typeof notedRefusal>>;
export type NotedRelocation = Immutable<z.output<typeof notedRelocation>>;
/**
 * How far a shard is durable in every sink, and what a restart needs to redo exactly what was begun. Every change is one of the functions
 * below and makes a new value, which is stored whole.
 */
export type ShardCheckpoint = Immutable<z.output<typeof shardCheckpointSchema>>;
export type ShardHold = NonNullable<ShardCheckpoint['hold']>;
export type PendingRange = NonNullable<ShardCheckpoint['pending']>;

export const freshCheckpoint = (shardId: string): ShardCheckpoint => ({
  shardId,
  sequenceNumber: null,
  completeToMs: 0,
  pending: null,
  done: false,
  relocations: [],
  warmFrom: null,
});

/** Relocations of records behind the checkpoint that are kept. Those of records after it are all kept: a redo needs them. */
export const MAX_DURABLE_RELOCATIONS = 10_000;

/** Points were relocated; saved before any of them is written. */
export function withRelocations(checkpoint: ShardCheckpoint, relocations: readonly NotedRelocation[]): ShardCheckpoint {
  return { ...checkpoint, relocations: [...checkpoint.relocations, ...relocations] };
}

/** Step 1 of archiving a range, saved before its first object is written. */
export function withPending(checkpoint: ShardCheckpoint, pending: PendingRange): ShardCheckpoint {
  if (checkpoint.pending !== null) throw new Error('A second range was pending before the first was durable.');
  if (checkpoint.sequenceNumber !== null && compareSequence(pending.first, checkpoint.sequenceNumber) <= 0) {
    throw new Error(`Range from ${pending.first} overlaps the checkpoint at ${checkpoint.sequenceNumber}.`);
  }
  return { ...checkpoint, pending };
}

/** Step 2, after the last object is durable: the checkpoint passes the range and forgets it. What is read again is not held any more. */
export function withDurable(
  checkpoint: ShardCheckpoint,
  change: { readonly completeToMs: number; readonly warmFrom: SequenceNumber | null },
): ShardCheckpoint {
  if (checkpoint.pending === null) throw new Error('No range was pending.');
  const durable = checkpoint.pending.last;
  return {
    ...withoutHold(withCompleteTo(checkpoint, change.completeToMs)),
    sequenceNumber: durable,
    pending: null,
    warmFrom: change.warmFrom,
    relocations: boundRelocations(checkpoint.relocations, durable),
  };
}

/** The stream no longer holds all of the pending range, and that was accepted: what is left of it is read like new records. */
export const withoutPending = (checkpoint: ShardCheckpoint): ShardCheckpoint => ({ ...checkpoint, pending: null });

/** The shard is held here, until it is released or a restart judges it anew. For `doctor`; nothing else reads it. */
export const withHold = (checkpoint: ShardCheckpoint, hold: ShardHold): ShardCheckpoint => ({ ...checkpoint, hold });

export function withoutHold(checkpoint: ShardCheckpoint): ShardCheckpoint {
  const { hold: _hold, ...rest } = checkpoint;
  return rest;
}

/** Nothing that arrived up to this time (ms) is missing. Never takes back what is known already. */
export const withCompleteTo = (checkpoint: ShardCheckpoint, completeToMs: number): ShardCheckpoint => ({
  ...checkpoint,
  completeToMs: Math.max(checkpoint.completeToMs, completeToMs),
});

/** The shard has been read to its end, and all of it is durable. */
export function withDone(checkpoint: ShardCheckpoint): ShardCheckpoint {
  if (checkpoint.pending !== null) throw new Error('A shard ended while a range was pending.');
  return { ...checkpoint, done: true };
}

function boundRelocations(relocations: readonly NotedRelocation[], durable: SequenceNumber) {
  if (relocations.length <= MAX_DURABLE_RELOCATIONS) return relocations;
  const isBehind = (noted: NotedRelocation): boolean => compareSequence(noted.sequenceNumber, durable) <= 0;
  let surplus = relocations.filter(isBehind).length - MAX_DURABLE_RELOCATIONS;
  return relocations.filter((noted) => !isBehind(noted) || surplus-- <= 0);
}

/**
 * Whether records may be missing behind a checkpoint whose record the stream no longer gives. Records live for the retention: where nothing
 * was missing up to a time that the stream still covers, nothing has been lost since.
 */
export const mayHaveGap = (completeToMs: number, retentionMs: number, nowMs: number): boolean =>
  nowMs - completeToMs >= retentionMs;
