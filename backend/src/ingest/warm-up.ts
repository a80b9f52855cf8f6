import type { HashRange, StreamRecord } from '../event/decode.ts';
import { withoutPending, type ShardCheckpoint } from '../checkpoint/checkpoint.ts';
import type { Clock } from '../clock.ts';
import type { Lane } from './lane.ts';
import { Semaphore } from '../semaphore.ts';
import { SILENT, type EventPlacer } from './place-events.ts';
import type { Segment } from './segment.ts';
import { compareSequence } from '../event/sequence-number.ts';
import type { ShardInfo } from '../kinesis/stream-source.ts';
import { readShard, type Gap } from './shard-reader.ts';
import type { StreamSource } from '../kinesis/stream-source.ts';
import { WARM_BOUNDS } from './warm-marks.ts';
import type { ArchiveItem } from './written-record.ts';

export interface RereadContext {
  readonly source: StreamSource;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly pageBytes: number;
  readonly placer: EventPlacer;
  readonly onRetry: (reason: string, message: string) => void;
  readonly onSuccess: () => void;
  /** A pending range is not whole any more. May throw. */
  readonly onGap: (gap: Gap) => void;
}

const MAX_WARMING = 8;

/**
 * Before anything new is read: the offset table learns of the relocations and of the latest records of every shard, and pending ranges are read
 * again. All shards first, because an event of one may fall on the place of an event of another.
 * @param createLane for a shard that is still to be read; may be called for it once
 * @returns the last record that needs no reading any more, per shard that is still to be read
 */
export async function warmUp(
  context: RereadContext,
  options: {
    readonly stored: readonly ShardCheckpoint[];
    readonly listed: readonly ShardInfo[];
    readonly createLane: (shard: ShardInfo, checkpoint: ShardCheckpoint) => Lane;
  },
): Promise<Map<string, string | null>> {
  const { stored, listed, createLane } = options;
  context.placer.restore(stored.flatMap((checkpoint) => checkpoint.relocations));
  const newest = Math.max(0, ...stored.map((checkpoint) => checkpoint.completeToMs));
  const semaphore = new Semaphore(MAX_WARMING);
  const byId = new Map(listed.map((shard) => [shard.shardId, shard]));
  const resume = new Map<string, string | null>();
  const tasks = stored.map((checkpoint) =>
    semaphore.run(async () => {
      const shard = byId.get(checkpoint.shardId);
      if (shard === undefined) return;
      if (checkpoint.done && newest - checkpoint.completeToMs > WARM_BOUNDS.maxAgeMs) return;
      const lane = checkpoint.done ? undefined : createLane(shard, checkpoint);
      if (checkpoint.warmFrom !== null && checkpoint.sequenceNumber !== null) {
        await warmSlots(context, shard, checkpoint.warmFrom, checkpoint.sequenceNumber, (record, events) =>
          lane?.archive.noteWarm({
            sequenceNumber: record.sequenceNumber,
            arrivalMs: record.approximateArrivalMs,
            events,
          }),
        );
      }
      if (lane === undefined) return;
      const redone = await redoPendingRange(context, lane);
      resume.set(lane.shardId, redone ?? checkpoint.sequenceNumber);
    }),
  );
  await Promise.all(tasks);
  return resume;
}

/** Reads a range of records that an earlier run has read, both ends included; what is gone is left out. */
async function* reread(
  context: RereadContext,
  shardId: string,
  from: string,
  through: string,
): AsyncGenerator<StreamRecord, void, void> {
  if (compareSequence(from, through) > 0) return;
  const pages = readShard({
    ...context,
    shardId,
    start: { kind: 'at', sequenceNumber: from },
    after: { sequenceNumber: null, completeToMs: 0 },
    pollIntervalMs: 0,
    budget: undefined,
  });
  for await (const page of pages) {
    for (const record of page.records) {
      if (compareSequence(record.sequenceNumber, from) < 0) continue;
      if (compareSequence(record.sequenceNumber, through) > 0) return;
      yield record;
      if (record.sequenceNumber === through) return;
    }
    if (page.atTip) return;
  }
}

/**
 * Fills the offset table with the last records behind a checkpoint, so that a new event still finds the place of an old one taken. Nothing is
 * written: all of them are durable.
 */
async function warmSlots(
  context: RereadContext,
  shard: { readonly shardId: string; readonly hashRange: HashRange },
  from: string,
  through: string,
  onRecord: (record: StreamRecord, events: number) => void,
): Promise<void> {
  for await (const record of reread(context, shard.shardId, from, through)) {
    const { items } = context.placer.place(record, shard.hashRange, SILENT);
    onRecord(record, items.length);
  }
}

/**
 * Reads the range again that the last run had sealed and maybe not finished, and hands it to the archive: the same keys, the same bytes.
 * Its points were all acknowledged before it was sealed, so they are not written again.
 * @returns the last record of the range: live reading goes on behind it; undefined where the stream does not hold all of it any more
 */
async function redoPendingRange(context: RereadContext, lane: Lane): Promise<string | undefined> {
  const { pending, sequenceNumber, completeToMs } = lane.cell.value;
  if (pending === null) return undefined;
  const refused = new Map(pending.refusals.map((r) => [`${r.sequenceNumber}/${r.subSequence ?? ''}`, r.reason]));
  const segment: Segment = lane.archive.newSegment(pending.codec);
  for await (const record of reread(context, lane.shardId, pending.first, pending.last)) {
    const { items } = context.placer.place(record, lane.hashRange, SILENT);
    lane.archive.noteWarm({
      sequenceNumber: record.sequenceNumber,
      arrivalMs: record.approximateArrivalMs,
      events: items.length,
    });
    segment.append({
      sequenceNumber: record.sequenceNumber,
      partitionKey: record.partitionKey,
      arrivalMs: record.approximateArrivalMs,
      data: record.data,
      items: items.map((item): ArchiveItem =>
        item.kind === 'rejection'
          ? item
          : {
              kind: 'line',
              subSequence: item.subSequence,
              occurredAtMs: item.event.occurredAtMs,
              line: item.line,
              refused: refused.get(`${record.sequenceNumber}/${item.subSequence ?? ''}`),
            },
      ),
    });
  }
  const range = segment.empty ? undefined : segment.range();
  if (range?.first === pending.first && range.last === pending.last) {
    lane.archive.redo(segment, pending);
    return pending.last;
  }
  const { retentionMs } = await context.source.describe(context.signal);
  context.onGap({ shardId: lane.shardId, sequenceNumber, completeToMs, retentionMs });
  // Accepted: what is left of the range is read like new records. The bytes counted for it are given back.
  lane.archive.discard(segment);
  await lane.cell.update(withoutPending);
  return undefined;
}
