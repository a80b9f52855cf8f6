import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { readCheckpoints } from '../checkpoint/open-checkpoints.ts';
import { mayHaveGap, type ShardCheckpoint, type ShardHold } from '../checkpoint/checkpoint.ts';
import { holdHint, holdText } from '../checkpoint/hold.ts';
import { systemClock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import { counted, roughDuration, sentences } from '../format.ts';
import { KinesisSource, SourceError, type Position, type StreamSource } from '../kinesis/stream-source.ts';
import { failed, passed, warned, type Check, type CheckResult } from '../check.ts';
import { streamFailure, type StreamTarget } from '../kinesis/stream-check.ts';

/** Where a shard's checkpoint is against the newest record of the shard. */
export type ShardLag =
  | { readonly shardId: string; readonly kind: 'done' }
  /** Nothing of it is durable yet. `lagMs` reaches back to its oldest record. */
  | { readonly shardId: string; readonly kind: 'unread'; readonly lagMs: number }
  | { readonly shardId: string; readonly kind: 'behind'; readonly lagMs: number }
  /** The stream no longer holds the record of the checkpoint, and records after it may be lost. */
  | { readonly shardId: string; readonly kind: 'expired' };

/** Shards examined at a time; each costs two calls. */
const CONCURRENT_SHARDS = 8;
/** Pages without a record that are read before a shard counts as having none. Kinesis may return some before the first record. */
const MAX_EMPTY_PAGES = 5;
/** Beyond what closing archive objects explains, in ms. */
const TOLERANCE_MS = 60_000;

export interface LagTarget extends StreamTarget {
  readonly checkpoint: URL;
  /** A checkpoint passes a record when its archive object is durable, so it trails by up to this much, in ms, when all is well. */
  readonly archiveMaxAgeMs: number;
}

/** How far durable reading is behind the stream, per shard, seen from outside: whether or not an ingest runs. */
export function lagCheck(kinesis: KinesisClient, target: LagTarget): Check {
  return {
    name: 'lag',
    run: async (signal) => {
      try {
        const { shards } = await readCheckpoints(target.checkpoint, target.stream);
        const source = new KinesisSource(kinesis, target.stream);
        const lag = judgeLag(await shardLags(source, shards, systemClock.now(), signal), target);
        return lag.state === 'error' ? lag : (judgeHolds(shards.values()) ?? lag);
      } catch (error) {
        if (error instanceof SourceError) return { ...streamFailure(target, error.cause), name: 'lag' };
        if (error instanceof UserpulseError) return failed('lag', error.code, error.message, error.hint ?? '');
        throw error;
      }
    },
  };
}

/** @throws SourceError */
export async function shardLags(
  source: StreamSource,
  checkpoints: ReadonlyMap<string, ShardCheckpoint>,
  nowMs: number,
  signal: AbortSignal,
): Promise<readonly ShardLag[]> {
  const [shards, { retentionMs }] = await Promise.all([source.listShards(signal), source.describe(signal)]);
  const waiting = shards.map((s) => s.shardId).sort();
  const lags: ShardLag[] = [];
  const work = async (): Promise<void> => {
    for (let shardId = waiting.shift(); shardId !== undefined; shardId = waiting.shift()) {
      lags.push(await lagOf(source, shardId, checkpoints.get(shardId), { retentionMs, nowMs }, signal));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_SHARDS }, work));
  return lags.sort((a, b) => (a.shardId < b.shardId ? -1 : 1));
}

async function lagOf(
  source: StreamSource,
  shardId: string,
  checkpoint: ShardCheckpoint | undefined,
  { retentionMs, nowMs }: { readonly retentionMs: number; readonly nowMs: number },
  signal: AbortSignal,
): Promise<ShardLag> {
  if (checkpoint?.done === true) return { shardId, kind: 'done' };
  if (checkpoint === undefined || checkpoint.sequenceNumber === null) {
    const { lagMs, first, atEnd } = await look(source, shardId, { kind: 'trim_horizon' }, signal);
    // No record at all: there is nothing to be behind of.
    return first === undefined && atEnd ? { shardId, kind: 'behind', lagMs: 0 } : { shardId, kind: 'unread', lagMs };
  }
  const { sequenceNumber, completeToMs } = checkpoint;
  try {
    const { lagMs, first, atEnd } = await look(source, shardId, { kind: 'at', sequenceNumber }, signal);
    // Where the checkpoint's own record is gone, Kinesis silently goes on with the oldest it has.
    const gone = first !== sequenceNumber && (first !== undefined || atEnd);
    if (gone && mayHaveGap(completeToMs, retentionMs, nowMs)) return { shardId, kind: 'expired' };
    return { shardId, kind: 'behind', lagMs };
  } catch (error) {
    if (error instanceof SourceError && error.kind === 'invalid') return { shardId, kind: 'expired' };
    throw error;
  }
}

/** The first record from a position on, and how far (ms) it is behind the newest. */
async function look(
  source: StreamSource,
  shardId: string,
  position: Position,
  signal: AbortSignal,
): Promise<{ readonly first: string | undefined; readonly lagMs: number; readonly atEnd: boolean }> {
  let iterator = await source.iterator(shardId, position, signal);
  for (let pages = 1; ; pages++) {
    const { records, next, millisBehindLatest } = await source.records(iterator, 1, signal);
    const first = records.length === 0 ? undefined : records.sequenceNumber(0);
    const atEnd = next === undefined || millisBehindLatest === 0;
    if (first !== undefined || atEnd || pages === MAX_EMPTY_PAGES) return { first, lagMs: millisBehindLatest, atEnd };
    iterator = next;
  }
}

export function judgeLag(
  lags: readonly ShardLag[],
  target: Pick<LagTarget, 'stream' | 'archiveMaxAgeMs'>,
): CheckResult {
  const expired = lags.filter((l) => l.kind === 'expired');
  if (expired.length > 0) {
    return failed(
      'lag',
      'checkpoint_trimmed',
      `Stream "${target.stream}" (USERPULSE_STREAM) no longer holds the records at the checkpoint of ${expired.map((l) => l.shardId).join(', ')}.`,
      'Records have expired unread, or USERPULSE_CHECKPOINT belongs to an earlier stream of this name. Ingest says which when it starts. To prevent a loss next time, increase the retention of the stream; see docs/operations.md.',
    );
  }
  const behind = lags.flatMap((l) => (l.kind === 'behind' || l.kind === 'unread' ? [l] : []));
  const worst = behind.reduce<(typeof behind)[number] | undefined>(
    (w, l) => (w === undefined || l.lagMs > w.lagMs ? l : w),
    undefined,
  );
  if (worst === undefined) return passed('lag', `All ${counted(lags.length, 'shard')} have been read to the end.`);
  const unread = behind.filter((l) => l.kind === 'unread');
  const allowed = target.archiveMaxAgeMs + TOLERANCE_MS;
  const text = behind
    .map((l) => `${l.shardId} ${roughDuration(l.lagMs)}${l.kind === 'unread' ? ' (nothing durable yet)' : ''}`)
    .join('; ');
  const summary =
    behind.length <= 4
      ? `Ingest is behind by: ${text}.`
      : `Ingest of ${behind.length} shards is behind by at most ${roughDuration(worst.lagMs)} (${worst.shardId}).`;
  if (worst.lagMs > allowed) {
    return warned(
      'lag',
      summary,
      unread.length === behind.length
        ? 'No ingest has used this USERPULSE_CHECKPOINT yet. Start "userpulse ingest" or "userpulse start".'
        : `USERPULSE_ARCHIVE_MAX_AGE_MS explains only ${roughDuration(target.archiveMaxAgeMs)} of it. Check that ingest is running, its log and its userpulse_ metrics.`,
    );
  }
  return passed('lag', summary);
}

/** @returns undefined where no shard is held */
export function judgeHolds(
  shards: Iterable<{ readonly shardId: string; readonly hold?: ShardHold | undefined }>,
): CheckResult | undefined {
  const held = [...shards].flatMap(({ shardId, hold }) => (hold === undefined ? [] : [{ shardId, hold }]));
  if (held.length === 0) return undefined;
  return warned(
    'lag',
    sentences(...held.map(({ shardId, hold }) => holdText(shardId, hold))),
    holdHint(held.map(({ shardId }) => shardId)),
  );
}

/** What an ingest in this process reports; see IngestStatus. */
export interface ReadingStatus {
  readonly mode: string;
  readonly streamTroubleSinceMs: number | undefined;
  readonly shards: readonly {
    readonly shardId: string;
    readonly state: string;
    readonly hold: ShardHold | undefined;
    readonly millisBehindLatest: number;
  }[];
}

/** Reading keeps up while it is at most this far behind the newest record, in ms. */
const KEEPS_UP_MS = 30_000;

/** The lag of the ingest in this process. */
export function readingCheck(status: () => ReadingStatus): Check {
  return { name: 'lag', run: () => Promise.resolve(judgeReading(status())) };
}

export function judgeReading(status: ReadingStatus): CheckResult {
  if (status.streamTroubleSinceMs !== undefined) {
    return failed(
      'lag',
      'stream_unreachable',
      `The stream has been unreadable since ${new Date(status.streamTroubleSinceMs).toISOString()}.`,
      'Ingest keeps retrying; its log has the reason.',
    );
  }
  if (status.mode !== 'running')
    return warned('lag', `Ingest is ${status.mode}.`, 'Try again in a moment. The log of ingest shows its progress.');
  const held = judgeHolds(status.shards);
  if (held !== undefined) return held;
  const reading = status.shards.filter((s) => s.state !== 'done');
  const behind = reading.reduce((most, s) => Math.max(most, s.millisBehindLatest), 0);
  const text = `Reading ${counted(reading.length, 'shard')}, at most ${roughDuration(behind)} behind.`;
  return behind <= KEEPS_UP_MS
    ? passed('lag', text)
    : warned(
        'lag',
        text,
        'Ingest is catching up or cannot keep up. Check the userpulse_ metrics for retries; if the lag persists, add shards to the stream.',
      );
}
