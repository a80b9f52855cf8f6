import type { ArchiveReader } from '../archive/archive-reader.ts';
import { parseArchiveKey, parseTableKey } from '../archive/keys.ts';
import type { TableStore } from '../archive/table-store.ts';
import type { HeldCheckpoints } from '../checkpoint/checkpoint-store.ts';
import type { ShardCheckpoint } from '../checkpoint/checkpoint.ts';
import type { Clock } from '../clock.ts';
import type { LineEraser } from '../erasure/erase-line.ts';
import type { NamingPoints, StoredPoints } from '../influx/stored-points.ts';
import type { PointSink } from '../influx/point-sink.ts';
import { repair } from '../repair/repair-days.ts';
import { RepairStats } from '../repair/stats.ts';
import type { Refused } from '../replay/batch-writer.ts';
import { eventOfRelocation } from '../schema/offsets.ts';
import { BUCKET_ROLES, type BucketRole } from '../schema/buckets.ts';
import { planWithTables } from '../table/replay-source.ts';
import { eraseArchive, type ArchiveStats } from './erase-archive.ts';
import { countNaming, erasePoints } from './erase-points.ts';
import type { Journal, PointCounts } from './journal.ts';
import type { Erasure } from './point-change.ts';
import { withoutRelocations, type ChangedPoints } from './relocations.ts';

export interface ForgetOptions {
  readonly erasure: Erasure;
  readonly eraser: LineEraser;
  readonly naming: NamingPoints;
  /** Marks the hours whose totals it removes, as `sink` does those that it writes (rollup/marked.ts). */
  readonly points: StoredPoints;
  /** Absent: nothing is changed. */
  readonly sink: PointSink | undefined;
  readonly reader: ArchiveReader;
  readonly tables: TableStore;
  readonly journal: Journal;
  /** Of the ingest that writes these buckets, held; absent where there is none. */
  readonly checkpoints: HeldCheckpoints | undefined;
  readonly furtherFields: boolean;
  readonly maxLines: number;
  readonly parallel: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress: (step: string, fraction: number) => void;
}

export interface ForgetResult {
  readonly resumed: boolean;
  /** What was found before anything of it changed, by earlier runs too. */
  readonly points: Readonly<Record<BucketRole, PointCounts>>;
  /** Hours in which points changed. */
  readonly hours: number;
  /** Lines that were rewritten: of objects, of dead letters, of tables. */
  readonly events: number;
  readonly rejected: number;
  readonly tableRows: number;
  readonly stats: ArchiveStats;
  /** Days whose points were placed anew. */
  readonly placedDays: number;
  /** Points that still name the subject. */
  readonly left: number;
  readonly refused: Refused | undefined;
}

/**
 * Erases somebody: first from InfluxDB, then from the archive. Every step finds what is left of its work by the subject's id, so a run that was
 * killed anywhere is resumed by running again, and comes to the same end. What could not be found again is in the journal before it is done.
 * @throws UserpulseError of InfluxDB, the archive or the checkpoint; the signal's reason when aborted
 */
export async function forget(options: ForgetOptions): Promise<ForgetResult> {
  const { journal, sink, clock, onProgress } = options;
  const resumed = await journal.open(new Date(clock.now()));
  const shards = new Map(options.checkpoints?.shards.map((shard) => [shard.shardId, shard]));
  const nowMs = clock.now();
  const refused = await erasePoints({
    ...options,
    nowMs,
    onPart: async (part) => {
      const { part: name, role, counts, hours, days } = part;
      await journal.add({ kind: 'points', part: name, role, counts, hours: [...hours], days: [...days] });
      if (sink !== undefined) await dropRelocations(options, shards, part);
    },
    onProgress: (fraction) => onProgress('InfluxDB', fraction * 0.4),
  });
  const stats = await eraseArchive({
    ...options,
    dryRun: sink === undefined,
    onObject: async (key, lines, events) => {
      await journal.add({ kind: 'object', key, lines });
      if (sink !== undefined && events.size > 0) await dropRelocations(options, shards, { events });
    },
    relocated: new Set([...shards.values()].flatMap(({ relocations }) => relocations.map(eventOfRelocation))),
    onProgress: (done, of) => onProgress('archive', 0.4 + (done / of) * 0.5),
  });
  const placing = sink === undefined ? undefined : await placeAnew(options, journal.days);
  onProgress('checking', 0.9);
  const left = sink === undefined ? 0 : await countNaming({ ...options, nowMs });
  // Counts of hours name the most frequent ids. Nobody believes them any more, but they stay until the hours are counted again.
  if (sink !== undefined) await options.naming.removeTops(journal.touchedHours('total'), options.signal);
  await journal.add({ kind: 'end' });
  return {
    resumed,
    points: journal.points,
    hours: new Set(BUCKET_ROLES.flatMap((role) => journal.touchedHours(role))).size,
    ...linesBySort(journal.objects),
    stats,
    placedDays: journal.days.length,
    left,
    refused: refused ?? placing,
  };
}

/** Before anything changes, since a run that is killed in between finds what is left, but not whom a relocation was about. */
async function dropRelocations(
  { checkpoints }: ForgetOptions,
  shards: Map<string, ShardCheckpoint>,
  changed: ChangedPoints,
): Promise<void> {
  for (const [shardId, checkpoint] of shards) {
    const without = withoutRelocations(checkpoint, changed);
    if (without === undefined) continue;
    await checkpoints?.save?.(without);
    shards.set(shardId, without);
  }
}

/** Gives the events of these days the places that they have without the subject's, as a repair does. */
async function placeAnew(options: ForgetOptions, days: readonly number[]): Promise<Refused | undefined> {
  const { reader, signal, erasure, onProgress } = options;
  let refused: Refused | undefined;
  for (const day of days) {
    onProgress('placing', 0.9);
    const without = new Set<string>();
    const plan = await planWithTables(reader, { from: day, to: day }, without, signal);
    refused ??= await repair({
      ...options,
      read: plan.read,
      days: plan.days,
      without,
      schema: erasure.schema,
      state: undefined,
      stats: new RepairStats(),
      onProgress: () => undefined,
    });
  }
  return refused;
}

function linesBySort(objects: ReadonlyMap<string, number>) {
  const lines = { events: 0, rejected: 0, tableRows: 0 };
  for (const [key, count] of objects) {
    if (parseTableKey(key) !== undefined) lines.tableRows += count;
    else if (parseArchiveKey(key)?.rejected === true) lines.rejected += count;
    else lines.events += count;
  }
  return lines;
}
