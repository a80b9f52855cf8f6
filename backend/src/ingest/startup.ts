import { DEFAULT_ID_FORMATS } from '../../../contract/ids.ts';
import type { Logger } from 'pino';
import { saveDurably, type SaveContext } from '../checkpoint/checkpoint-cell.ts';
import type { CheckpointStore, StoredCheckpoints } from '../checkpoint/checkpoint-store.ts';
import type { ShardCheckpoint, StartPosition, StreamCheckpoint } from '../checkpoint/checkpoint.ts';
import type { ShardLeases } from '../checkpoint/shard-leases.ts';
import { UserpulseError } from '../errors.ts';
import {
  decodeRecord,
  type DecodedItem,
  type DecodeOptions,
  type DecodeSettings,
  type HashRange,
} from '../event/decode.ts';
import { compareSequence } from '../event/sequence-number.ts';
import type { StreamRecords } from '../kinesis/stream-records.ts';
import { polling } from '../kinesis/polling-feed.ts';
import type { ShardInfo } from '../kinesis/stream-source.ts';
import { ByteBudget } from '../memory/byte-budget.ts';
import { Semaphore } from '../semaphore.ts';
import type { OffsetAllocator } from './allocate.ts';
import { readShard, type ReadContext } from './shard-reader.ts';
import type { Shard } from './shard.ts';
import type { StreamCalls } from './stream-calls.ts';
import { WARM_BOUNDS } from './warm-marks.ts';
import { WrittenRecords } from './written-records.ts';

/*
 * What happens before anything new is read: the checkpoint is taken, the offset table is warmed up, and pending ranges are redone.
 */

/**
 * Takes the checkpoint, and makes sure that it belongs to this very stream.
 * @returns what is stored, and where shards without a checkpoint begin: decided at the first start, and the same ever after
 * @throws UserpulseError checkpoint_locked, checkpoint_unusable, stream_not_found
 */
export async function openCheckpoints(options: {
  readonly checkpoints: CheckpointStore;
  readonly saves: SaveContext;
  readonly calls: StreamCalls;
  readonly start: StartPosition | { readonly kind: 'latest' };
  readonly logger: Logger;
}): Promise<{ readonly stored: StoredCheckpoints; readonly start: StartPosition }> {
  const { checkpoints, saves, calls, logger } = options;
  const { clock } = saves;
  const { stream } = calls.source;
  const stored = await checkpoints.open(stream);
  const { createdAtMs } = await calls.call(() => calls.source.describe(calls.signal));
  const known = stored.stream;
  if (known === undefined) {
    const start: StartPosition = options.start.kind === 'latest' ? { kind: 'time', ms: clock.now() } : options.start;
    await saveDurably(saves, () => checkpoints.saveStream({ stream, createdAtMs, start }));
    logger.info({ stream, start }, 'First start on this checkpoint.');
    return { stored, start };
  }
  refuseOtherStream(checkpoints.url, known, { stream, createdAtMs });
  logger.info({ stream, shards: stored.shards.size }, 'Going on from the checkpoint.');
  return { stored, start: known.start };
}

/**
 * As {@link openCheckpoints}, where several workers share the stream: the first of them all decides where it begins.
 * @throws UserpulseError checkpoint_unusable, stream_not_found
 */
export async function openLeases(options: {
  readonly leases: ShardLeases;
  readonly saves: SaveContext;
  readonly calls: StreamCalls;
  readonly start: StartPosition | { readonly kind: 'latest' };
}): Promise<StartPosition> {
  const { leases, saves, calls } = options;
  const { stream } = calls.source;
  const { createdAtMs } = await calls.call(() => calls.source.describe(calls.signal));
  const start: StartPosition =
    options.start.kind === 'latest' ? { kind: 'time', ms: saves.clock.now() } : options.start;
  const known = await leases.open({ stream, createdAtMs, start });
  refuseOtherStream(leases.url, known, { stream, createdAtMs });
  return known.start;
}

function refuseOtherStream(
  url: string,
  known: StreamCheckpoint,
  { stream, createdAtMs }: Pick<StreamCheckpoint, 'stream' | 'createdAtMs'>,
): void {
  if (known.stream !== stream) {
    throw new UserpulseError(
      'checkpoint_unusable',
      `The checkpoint ${url} (USERPULSE_CHECKPOINT) belongs to stream "${known.stream}", not to "${stream}" (USERPULSE_STREAM).`,
      { hint: 'Use a checkpoint of its own for each stream.' },
    );
  }
  if (known.createdAtMs === createdAtMs) return;
  throw new UserpulseError(
    'checkpoint_unusable',
    `The checkpoint ${url} (USERPULSE_CHECKPOINT) belongs to a stream "${stream}" that was created at ${new Date(known.createdAtMs).toISOString()}; the one there now was created at ${new Date(createdAtMs).toISOString()}.`,
    {
      hint: 'The stream was deleted and made again: give this ingest a new checkpoint, and an archive of its own.',
    },
  );
}

export interface RereadContext {
  readonly reading: ReadContext;
  readonly allocator: OffsetAllocator;
  readonly decoding: DecodeSettings;
  readonly erase: DecodeOptions['erase'];
}

const MAX_WARMING = 8;

/**
 * The offset table learns of the relocations and of the latest records of every shard, and pending ranges are read again. All shards first,
 * because an event of one may fall on the offset of an event of another.
 * @param options.createShard for a shard that is still to be read; called for it once at most
 * @returns the last record that needs no reading any more, per shard that is still to be read
 */
export async function warmUp(
  context: RereadContext,
  options: {
    readonly stored: readonly ShardCheckpoint[];
    readonly listed: readonly ShardInfo[];
    readonly createShard: (info: ShardInfo, checkpoint: ShardCheckpoint) => Shard;
  },
): Promise<Map<string, string | null>> {
  const { stored, listed, createShard } = options;
  context.allocator.restore(stored.flatMap((checkpoint) => checkpoint.relocations));
  const newest = Math.max(0, ...stored.map((checkpoint) => checkpoint.completeToMs));
  const semaphore = new Semaphore(MAX_WARMING);
  const byId = new Map(listed.map((info) => [info.shardId, info]));
  const resume = new Map<string, string | null>();
  const tasks = stored.map((checkpoint) =>
    semaphore.run(async () => {
      const info = byId.get(checkpoint.shardId);
      if (info === undefined) return;
      if (checkpoint.done && newest - checkpoint.completeToMs > WARM_BOUNDS.maxAgeMs) return;
      const shard = checkpoint.done ? undefined : createShard(info, checkpoint);
      await warmOffsets(context, info, checkpoint, shard);
      if (shard === undefined) return;
      const redone = await redoPendingRange(context, shard);
      resume.set(shard.shardId, redone ?? checkpoint.sequenceNumber);
    }),
  );
  await Promise.all(tasks);
  return resume;
}

interface RereadRecord {
  readonly records: StreamRecords;
  /** Which of them. */
  readonly at: number;
  readonly data: Uint8Array;
  readonly items: readonly DecodedItem[];
}

/**
 * Reads a range of records that an earlier run has read, both ends included, and remembers the offsets of their events; what is gone is left
 * out.
 * @throws the signal's reason when it is aborted
 */
async function* reread(
  { reading, allocator, decoding, erase }: RereadContext,
  { shardId, hashRange }: { readonly shardId: string; readonly hashRange: HashRange },
  from: string,
  through: string,
): AsyncGenerator<RereadRecord, void, void> {
  if (compareSequence(from, through) > 0) return;
  const pages = readShard({
    ...reading,
    shardId,
    start: { kind: 'at', sequenceNumber: from },
    after: { sequenceNumber: null, completeToMs: 0 },
    feed: polling(reading.source, 0),
    // The last run has bounded what is read here.
    budget: new ByteBudget(Infinity),
  });
  for await (const page of pages) {
    const { records } = page;
    for (let at = 0; at < records.length; at++) {
      const sequenceNumber = records.sequenceNumber(at);
      if (compareSequence(sequenceNumber, from) < 0) continue;
      if (compareSequence(sequenceNumber, through) > 0) return;
      const data = records.data(at);
      const record = { data, approximateArrivalMs: records.arrivalMs(at) };
      const { items } = decodeRecord(record, { ...decoding, erase, hashRange });
      for (const item of items) if (item.kind === 'event') allocator.remember(item.event);
      yield { records, at, data, items };
      if (sequenceNumber === through) return;
    }
    if (page.atTip) return;
  }
  reading.signal.throwIfAborted();
}

/**
 * Fills the offset table with the last records behind a checkpoint, so that a new event still finds the offset of an old one taken. Nothing is
 * written: all of them are durable.
 */
async function warmOffsets(
  context: RereadContext,
  info: ShardInfo,
  { warmFrom, sequenceNumber }: ShardCheckpoint,
  shard: Shard | undefined,
): Promise<void> {
  if (warmFrom === null || sequenceNumber === null) return;
  for await (const again of reread(context, info, warmFrom, sequenceNumber)) {
    if (shard !== undefined) noteWarm(shard, again);
  }
}

function noteWarm(shard: Shard, { records, at, items }: RereadRecord): void {
  shard.archive.noteWarm({
    sequenceNumber: records.sequenceNumber(at),
    arrivalMs: records.arrivalMs(at),
    events: items.length,
  });
}

/**
 * Reads the range again that the last run had sealed and maybe not finished, and hands it to the archive: the same keys, the same bytes.
 * Its points were all acknowledged before it was sealed, so they are not written again.
 * @returns the last record of the range: live reading goes on behind it; undefined where the stream does not hold all of it any more
 */
export async function redoPendingRange(context: RereadContext, shard: Shard): Promise<string | undefined> {
  const { pending, sequenceNumber, completeToMs } = shard.checkpoint.value;
  if (pending === null) return undefined;
  const refused = new Map(pending.refusals.map((r) => [`${r.sequenceNumber}/${r.subSequence ?? ''}`, r.reason]));
  const segment = shard.archive.newSegment(pending.codec);
  // Without formats it was begun with the default ones.
  const decoding =
    pending.decoding === undefined
      ? context.decoding
      : { ...pending.decoding, ids: pending.decoding.ids ?? DEFAULT_ID_FORMATS };
  for await (const again of reread({ ...context, decoding }, shard, pending.first, pending.last)) {
    noteWarm(shard, again);
    const { records, at, data, items } = again;
    const written = new WrittenRecords();
    written.add(records, at);
    for (const item of items) {
      const reason = refused.get(`${records.sequenceNumber(at)}/${item.subSequence ?? ''}`);
      if (reason !== undefined) written.refuse(written.items, reason);
      written.addItem(item, data);
    }
    segment.append(written, 0);
  }
  const range = segment.empty ? undefined : segment.range();
  if (range?.first === pending.first && range.last === pending.last) {
    shard.archive.redo(segment, pending);
    return pending.last;
  }
  const { source, signal, events } = context.reading;
  const { retentionMs } = await source.describe(signal);
  events.gap({ shardId: shard.shardId, sequenceNumber, completeToMs, retentionMs });
  // Accepted: what is left of the range is read like new records.
  segment.discard();
  await shard.archive.abandon(pending);
  return undefined;
}
