import type { NamingPoints, PointPlace, StoredField, StoredPoints } from '../influx/stored-points.ts';
import type { PointSink } from '../influx/point-sink.ts';
import { BatchWriter, type Refused } from '../replay/batch-writer.ts';
import { BUCKET_ROLES, type BucketRole } from '../schema/buckets.ts';
import { nextOffset } from '../schema/identity.ts';
import { groupOfPoint } from '../schema/offsets.ts';
import { EARLIEST_MS } from '../event/event.ts';
import { changeOf, type Erasure, type MovedPoint, type NamingPoint } from './point-change.ts';
import type { PointCounts } from './journal.ts';
import { RunFinder, type Run } from './runs.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Looked through at a time: what names the subject in so long is in memory. */
const PART_MS = 28 * DAY_MS;
/** Whether there is anything at all is asked for so long. */
const YEAR_MS = 13 * PART_MS;
/** An event may be ahead of its arrival by a day at most (USERPULSE_MAX_AHEAD_MS), and clocks differ. */
const AHEAD_MS = 2 * DAY_MS;

/** What a part of the time of a bucket needs. */
export interface PointsPart {
  /** Tells it from all others. */
  readonly part: string;
  readonly role: BucketRole;
  readonly counts: PointCounts;
  /** Hours since 1970-01-01 in which points change, ascending. */
  readonly hours: readonly number[];
  /**
   * UTC days that must be placed anew, as repair does: where the point behind one that goes may be there only because its own place was taken, and
   * where a pseudonym's place is taken.
   */
  readonly days: readonly number[];
  /** Of the points that change: their groups and offsets, as text. */
  readonly places: ReadonlySet<string>;
  /** Of the points that must be placed anew. */
  readonly groups: ReadonlySet<string>;
}

export const placeOf = (role: BucketRole, { series, ms, offsetNs }: PointPlace): string =>
  `${groupOfPoint({ role, series, ms })} ${offsetNs}`;

export interface ErasePointsOptions {
  readonly naming: NamingPoints;
  readonly points: Pick<StoredPoints, 'remove'>;
  readonly erasure: Erasure;
  /** Absent: nothing is changed. */
  readonly sink: PointSink | undefined;
  readonly maxLines: number;
  /** Points that are removed at a time, and batches that are written. */
  readonly parallel: number;
  readonly nowMs: number;
  readonly signal: AbortSignal;
  /** Called before anything of a part changes, and awaited. Not called for a part that names nobody. */
  readonly onPart: (part: PointsPart) => Promise<void>;
  /** Fraction that is done. */
  readonly onProgress: (fraction: number) => void;
}

/**
 * Takes the subject out of every bucket. What a killed run has left is found again, since it still names them.
 * @returns points that InfluxDB refused for good
 * @throws UserpulseError of InfluxDB; the signal's reason when aborted
 */
export async function erasePoints(options: ErasePointsOptions): Promise<Refused | undefined> {
  const { sink, signal, onProgress, maxLines, parallel } = options;
  const writer = sink && new BatchWriter({ sink, maxLines, parallel, signal });
  const parts = await filledParts(options);
  for (const [done, { role, fromMs }] of parts.entries()) {
    await erasePart(options, role, fromMs, writer);
    onProgress((done + 1) / parts.length);
  }
  return writer?.refusals;
}

interface Change {
  readonly place: NamingPoint;
  readonly kind: 'remove' | 'rewrite';
  readonly written: MovedPoint | undefined;
}

async function erasePart(
  options: ErasePointsOptions,
  role: BucketRole,
  fromMs: number,
  writer: BatchWriter | undefined,
): Promise<void> {
  const { points, erasure, signal, parallel } = options;
  const found = await findPoints(options, role, fromMs);
  if (found.length === 0) return;
  const changes = found.map((place): Change => {
    const change = changeOf(role, place, erasure);
    if (change.kind === 'remove') return { place, kind: 'remove', written: change.moved };
    return { place, kind: 'rewrite', written: { series: place.series, fields: change.fields } };
  });
  const removed = changes.filter(({ kind }) => kind === 'remove');
  const removals = await removalsOf(
    options,
    role,
    fromMs,
    removed.map(({ place }) => place),
  );
  const unplaced = await placedAnew(options, role, removed, removals.behind);
  const groups = new Set([...unplaced].map(({ series, ms }) => groupOfPoint({ role, series, ms })));
  await options.onPart({
    part: `${role} ${fromMs}`,
    role,
    counts: { removed: removed.length, rewritten: changes.length - removed.length },
    hours: ascending(found.map(({ ms }) => Math.floor(ms / HOUR_MS))),
    days: ascending([...unplaced].map(({ ms }) => Math.floor(ms / DAY_MS))),
    places: new Set(found.map((place) => placeOf(role, place))),
    groups,
  });
  if (writer === undefined) return;
  // First: a point that is gone could not be moved any more.
  for (const { place, written } of changes) {
    if (written === undefined) continue;
    const moved = { ...place, series: written.series };
    // Where the place is taken, the day's events are placed anew, this one among them.
    if (groups.has(groupOfPoint({ role, ...moved })) && written.series !== place.series) continue;
    const line = `${written.series} ${written.fields} ${place.ms}${String(place.offsetNs).padStart(6, '0')}`;
    if (writer.add([{ role, line }])) await writer.room();
  }
  await writer.flush();
  const left = removals.runs.values();
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (const { from, to } of left) await points.remove(role, from, signal, to);
    }),
  );
}

type FindOptions = Pick<ErasePointsOptions, 'naming' | 'erasure' | 'signal' | 'nowMs'>;

/** How many points name the subject. @throws as {@link erasePoints} */
export async function countNaming(options: FindOptions): Promise<number> {
  let count = 0;
  for (const { role, fromMs } of await filledParts(options)) count += (await findPoints(options, role, fromMs)).length;
  return count;
}

/** All time in which an event may have occurred, of every bucket; years without points are left out. */
async function filledParts({ naming, nowMs, signal }: FindOptions) {
  const parts: { readonly role: BucketRole; readonly fromMs: number }[] = [];
  const first = Math.floor(EARLIEST_MS / YEAR_MS) * YEAR_MS;
  for (const role of BUCKET_ROLES) {
    for (let fromMs = first; fromMs <= nowMs + AHEAD_MS; fromMs += YEAR_MS) {
      if (!(await naming.any(role, { fromMs, toMs: fromMs + YEAR_MS }, signal))) continue;
      for (let at = fromMs; at < fromMs + YEAR_MS; at += PART_MS) parts.push({ role, fromMs: at });
    }
  }
  return parts;
}

/** The points of a part that name the subject. */
async function findPoints(
  { naming, erasure, signal }: FindOptions,
  role: BucketRole,
  fromMs: number,
): Promise<readonly NamingPoint[]> {
  let found = new Map<string, PointPlace & { readonly fields: Map<string, string> }>();
  const begin = () => {
    const fresh: typeof found = new Map();
    found = fresh;
    return ({ series, ms, offsetNs, field, value }: StoredField): void => {
      const name = `${series} ${ms} ${offsetNs}`;
      const point = fresh.get(name) ?? { series, ms, offsetNs, fields: new Map<string, string>() };
      point.fields.set(field, value);
      fresh.set(name, point);
    };
  };
  await naming.naming(role, erasure.subject, { fromMs, toMs: fromMs + PART_MS }, begin, signal);
  return [...found.values()];
}

interface Removals {
  readonly runs: readonly Run[];
  /** Places right behind points that go, and that do not go, where it is not known whether they hold a point. */
  readonly behind: readonly PointPlace[];
}

/**
 * How points are removed. InfluxDB looks through all series of a bucket for every removal, which takes milliseconds to a tenth of a second. So points
 * of a series that have nobody else's between them go together, and somebody with many points has most of their series.
 */
async function removalsOf(
  { naming, erasure, signal }: ErasePointsOptions,
  role: BucketRole,
  fromMs: number,
  removed: readonly PointPlace[],
): Promise<Removals> {
  const alone = removed.map((place): Run => ({ from: place, to: place }));
  const going = new Set(removed.map((place) => placeOf(role, place)));
  const behind = removed
    .map((place): PointPlace => ({ ...place, offsetNs: nextOffset(place.offsetNs) }))
    .filter((place) => !going.has(placeOf(role, place)));
  // Totals have few series.
  if (role === 'total' || removed.length < FEW) return { runs: alone, behind };
  let finder = new RunFinder(() => false);
  const begin = () => {
    const fresh = new RunFinder((place) => going.has(placeOf(role, place)));
    finder = fresh;
    return (place: PointPlace): void => fresh.add(place);
  };
  const range = { fromMs, toMs: fromMs + PART_MS };
  const foreign = await naming.ofPrefix(role, erasure.subject.id, range, begin, signal);
  // A removal by tags also takes points of series that have more tags.
  return { runs: foreign > 0 ? alone : finder.runs(), behind };
}

/** Fewer are removed one by one. */
const FEW = 8;

/**
 * Where points must be placed anew. Offsets are found by linear probing, so a point that had to give way stands in an unbroken row behind the place
 * that it wanted: if nothing is right behind a point that goes, nothing gave way to it.
 */
async function placedAnew(
  { naming, signal }: ErasePointsOptions,
  role: BucketRole,
  removed: readonly Change[],
  behind: readonly PointPlace[],
): Promise<ReadonlySet<PointPlace>> {
  const moved = removed.flatMap(({ place: { ms, offsetNs }, written }): PointPlace[] =>
    written === undefined ? [] : [{ series: written.series, ms, offsetNs }],
  );
  return naming.taken(role, [...behind, ...moved], signal);
}

const ascending = (numbers: readonly number[]): number[] => [...new Set(numbers)].sort((a, b) => a - b);
