import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shardCheckpointSchema } from '../checkpoint/checkpoint.ts';
import { KinesisSource, SourceError } from '../kinesis/stream-source.ts';
import { failed, passed, warned, type Check, type CheckResult } from '../check.ts';
import { streamFailure, type StreamTarget } from '../kinesis/check.ts';

/** Where a shard's checkpoint is against the newest record of the shard. */
export type ShardLag =
  | { readonly shardId: string; readonly kind: 'done' }
  /** Nothing of it is durable yet. `lagMs` reaches back to its oldest record. */
  | { readonly shardId: string; readonly kind: 'unread'; readonly lagMs: number }
  | { readonly shardId: string; readonly kind: 'behind'; readonly lagMs: number }
  /** The checkpoint is older than what the stream still keeps. */
  | { readonly shardId: string; readonly kind: 'expired' };

/** Shards looked at at once; each costs two calls. */
const CONCURRENT_SHARDS = 8;
/** Beyond what archive rotation explains, in ms. */
const TOLERANCE_MS = 60_000;

export interface LagTarget extends StreamTarget {
  readonly checkpoint: URL;
  /** A checkpoint passes a record when its archive object is durable, so it trails by up to this much, in ms, when all is well. */
  readonly archiveMaxAgeMs: number;
}

/** How far durable reading is behind the stream, per shard, from the outside: works whether or not an ingest runs. */
export function lagCheck(kinesis: KinesisClient, target: LagTarget): Check {
  return {
    name: 'lag',
    run: async (signal) => {
      try {
        return judgeLag(await shardLags(kinesis, target, signal), target);
      } catch (error) {
        if (error instanceof SourceError) return { ...streamFailure(target, error.cause), name: 'lag' };
        throw error;
      }
    },
  };
}

/** @throws SourceError */
export async function shardLags(
  kinesis: KinesisClient,
  target: LagTarget,
  signal: AbortSignal,
): Promise<readonly ShardLag[]> {
  const source = new KinesisSource(kinesis, target.stream);
  const [checkpoints, shards] = await Promise.all([
    readCheckpoints(fileURLToPath(target.checkpoint), target.stream),
    source.listShards(signal),
  ]);
  const waiting = shards.map((s) => s.shardId).sort();
  const lags: ShardLag[] = [];
  const work = async (): Promise<void> => {
    for (let shardId = waiting.shift(); shardId !== undefined; shardId = waiting.shift()) {
      lags.push(await lagOf(source, shardId, checkpoints.get(shardId), signal));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_SHARDS }, work));
  return lags.sort((a, b) => (a.shardId < b.shardId ? -1 : 1));
}

async function lagOf(
  source: KinesisSource,
  shardId: string,
  checkpoint: { readonly sequenceNumber: string | null; readonly done: boolean } | undefined,
  signal: AbortSignal,
): Promise<ShardLag> {
  if (checkpoint?.done === true) return { shardId, kind: 'done' };
  const sequenceNumber = checkpoint?.sequenceNumber ?? null;
  if (sequenceNumber === null) {
    const page = await source.records(await source.iterator(shardId, { kind: 'trim_horizon' }, signal), 1, signal);
    const first = page.records[0];
    // No record at all: there is nothing to be behind of.
    return first === undefined && page.millisBehindLatest === 0
      ? { shardId, kind: 'behind', lagMs: 0 }
      : { shardId, kind: 'unread', lagMs: Math.max(page.millisBehindLatest, 0) };
  }
  try {
    const iterator = await source.iterator(shardId, { kind: 'at', sequenceNumber }, signal);
    // The first record is the checkpoint's own, so what remains is what lies behind it.
    const page = await source.records(iterator, 1, signal);
    return { shardId, kind: 'behind', lagMs: page.millisBehindLatest };
  } catch (error) {
    if (error instanceof SourceError && error.kind === 'invalid') return { shardId, kind: 'expired' };
    throw error;
  }
}

/** The checkpoints in a folder, without taking it: an ingest may be at work. What cannot be read counts as absent here; ingest refuses it. */
async function readCheckpoints(
  folder: string,
  stream: string,
): Promise<ReadonlyMap<string, { readonly sequenceNumber: string | null; readonly done: boolean }>> {
  const found = new Map<string, { sequenceNumber: string | null; done: boolean }>();
  let files: string[];
  try {
    files = await readdir(folder);
  } catch {
    return found;
  }
  for (const file of files.filter((f) => f.endsWith('.json') && !f.startsWith('.') && f !== 'stream.json')) {
    try {
      const parsed = shardCheckpointSchema.safeParse(JSON.parse(await readFile(join(folder, file), 'utf8')));
      if (parsed.success && parsed.data.stream === stream) found.set(parsed.data.shardId, parsed.data);
    } catch {
      // Replaced or removed while we look: the next look will tell.
    }
  }
  return found;
}

const seconds = (ms: number): string =>
  ms < 120_000
    ? `${Math.round(ms / 1000)} s`
    : ms < 7_200_000
      ? `${Math.round(ms / 60_000)} min`
      : `${Math.round(ms / 3_600_000)} h`;

export function judgeLag(
  lags: readonly ShardLag[],
  target: Pick<LagTarget, 'stream' | 'archiveMaxAgeMs'>,
): CheckResult {
  const expired = lags.filter((l) => l.kind === 'expired');
  if (expired.length > 0) {
    return failed(
      'lag',
      'checkpoint_trimmed',
      `The checkpoint of ${expired.map((l) => l.shardId).join(', ')} is no position of stream "${target.stream}" (USERPULSE_STREAM) any more.`,
      'See whether USERPULSE_CHECKPOINT belongs to this stream; else records have expired unread: raise the retention of the stream, and see docs/operations.',
    );
  }
  const behind = lags.flatMap((l) => (l.kind === 'behind' || l.kind === 'unread' ? [l] : []));
  const worst = behind.reduce<(typeof behind)[number] | undefined>(
    (w, l) => (w === undefined || l.lagMs > w.lagMs ? l : w),
    undefined,
  );
  if (worst === undefined) return passed('lag', `All ${lags.length} shards are read to their end.`);
  const unread = behind.filter((l) => l.kind === 'unread');
  const allowed = target.archiveMaxAgeMs + TOLERANCE_MS;
  const text = behind
    .map((l) => `${l.shardId} ${l.kind === 'unread' ? `${seconds(l.lagMs)}, nothing durable yet` : seconds(l.lagMs)}`)
    .join('; ');
  const summary =
    behind.length <= 4
      ? `Durable reading is behind by: ${text}.`
      : `Durable reading is behind by ${seconds(worst.lagMs)} at most (${worst.shardId}), ${behind.length} shards.`;
  if (worst.lagMs > allowed) {
    return warned(
      'lag',
      summary,
      unread.length === behind.length
        ? 'No ingest has read this stream with this USERPULSE_CHECKPOINT yet: start "userpulse ingest" or "userpulse start".'
        : `More than archive rotation explains (${seconds(target.archiveMaxAgeMs)}): see whether ingest runs, and its log and userpulse_ metrics.`,
    );
  }
  return passed('lag', summary);
}

/** What an ingest in this process says of itself; see IngestStatus. */
export interface ReadingStatus {
  readonly mode: string;
  readonly streamTroubleSinceMs: number | undefined;
  readonly shards: readonly { readonly shardId: string; readonly state: string; readonly millisBehindLatest: number }[];
}

/** Reading keeps up when it is this close to the newest record, in ms. */
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
      `The stream cannot be read since ${new Date(status.streamTroubleSinceMs).toISOString()}.`,
      'Ingest keeps trying; its log says why it fails.',
    );
  }
  if (status.mode !== 'running')
    return warned('lag', `Ingest is ${status.mode}.`, 'Wait a moment; its log says how it goes.');
  const reading = status.shards.filter((s) => s.state !== 'done');
  const behind = reading.reduce((most, s) => Math.max(most, s.millisBehindLatest), 0);
  const text = `${reading.length} ${reading.length === 1 ? 'shard' : 'shards'} being read, ${seconds(behind)} behind at most.`;
  return behind <= KEEPS_UP_MS
    ? passed('lag', text)
    : warned(
        'lag',
        text,
        'Ingest is catching up, or cannot keep up: watch userpulse_ metrics for retries, and split the stream if it lasts.',
      );
}
