import { UserpulseError } from '../errors.ts';
import { nextOffset, OFFSETS } from '../schema/identity.ts';
import type { Hash128 } from '../schema/murmur.ts';

/** The point that an archived event has in a group: a bucket, series and millisecond. */
export interface WantedPoint {
  /** Of its event within the slice. */
  readonly event: number;
  /** The event's own offset, ns. */
  readonly offsetNs: number;
  /** What tells events apart, and their order. */
  readonly key: Hash128;
  /** Of the field that is counted. */
  readonly value: string;
  /** All of its fields. */
  readonly content: string;
}

/** A point that InfluxDB holds in a group. */
export interface StoredPoint {
  readonly offsetNs: number;
  /** Of the field that is counted; '' where the point has none. */
  readonly value: string;
  readonly content: string;
}

export interface GroupRepair {
  readonly writes: readonly {
    readonly event: number;
    readonly offsetNs: number;
    /** Whether something else is there. */
    readonly replaces: boolean;
  }[];
  /** Offsets whose points go. */
  readonly removes: readonly number[];
  /** Points of no archived event, which stay. */
  readonly foreign: number;
}

const NOTHING: GroupRepair = { writes: [], removes: [], foreign: 0 };

/** More points of no archived event in one group are no accident: this archive is not that of these buckets. */
export const MAX_FOREIGN = 1_000;

/**
 * What makes a group hold exactly the points of its events. Pure.
 *
 * Offsets are found by linear probing, as ingest does: which of them are taken in the end does not depend on the order of the events, and those
 * that some of the events take are among those that all of them take. So however many workers placed parts of the events, each without knowing
 * of the others, their points are at offsets that are wanted, and only what is there can be wrong: a point overwritten by another, or one event's
 * point twice. Where the points are right, they stay, whoever has which offset. Where they are not, the events get their offsets in the order of
 * their keys, which no run, shard or object decides.
 *
 * A stored point is ours if an archived event has its value and may have probed as far as that. All others are somebody else's: an event that is
 * not archived yet, or never will be because InfluxDB refused another of its points. They stay, and offsets are given around them, as ingest
 * would. Which points those are depends on the archive alone, so a repair that was cut short and one that runs again judge alike.
 *
 * @throws UserpulseError `archive_damaged` where there are more than {@link MAX_FOREIGN} of those
 */
export function repairGroup(wanted: readonly WantedPoint[], stored: readonly StoredPoint[]): GroupRepair {
  const [first] = wanted;
  const [there] = stored;
  // Nearly all groups.
  if (wanted.length === 1 && stored.length === 1 && first?.offsetNs === there?.offsetNs) {
    if (first?.content === there?.content) return NOTHING;
  }
  const foreign = new Set<number>();
  const isOurs = attribution(wanted);
  for (const point of stored) if (!isOurs(point)) foreign.add(point.offsetNs);
  if (foreign.size > MAX_FOREIGN) {
    throw new UserpulseError(
      'archive_damaged',
      `InfluxDB holds more than ${MAX_FOREIGN} points of no archived event in one millisecond of one series.`,
      {
        hint: 'Is this the archive of these buckets, and is it whole? Check USERPULSE_ARCHIVE and the USERPULSE_BUCKET_ settings.',
      },
    );
  }
  const placed = place(wanted, foreign);
  const ours = stored.filter(({ offsetNs }) => !foreign.has(offsetNs));
  if (isExact(placed, ours)) return { ...NOTHING, foreign: foreign.size };
  const contents = new Map(ours.map(({ offsetNs, content }) => [offsetNs, content]));
  return {
    writes: [...placed]
      .filter(([offsetNs, { content }]) => contents.get(offsetNs) !== content)
      .map(([offsetNs, { event }]) => ({ event, offsetNs, replaces: contents.has(offsetNs) })),
    removes: ours.map(({ offsetNs }) => offsetNs).filter((offsetNs) => !placed.has(offsetNs)),
    foreign: foreign.size,
  };
}

/** Whether an archived event may have written a point: nobody probes farther than past all other points of the group. */
function attribution(wanted: readonly WantedPoint[]): (point: StoredPoint) => boolean {
  const reach = wanted.length + MAX_FOREIGN;
  const byValue = new Map<string, number[]>();
  for (const { value, offsetNs } of wanted) {
    const known = byValue.get(value);
    if (known === undefined) byValue.set(value, [offsetNs]);
    else known.push(offsetNs);
  }
  return ({ value, offsetNs }) =>
    byValue.get(value)?.some((own) => (offsetNs - own + OFFSETS) % OFFSETS < reach) ?? false;
}

/** Offsets in the order of the events' keys, around those that are taken. */
function place(wanted: readonly WantedPoint[], taken: ReadonlySet<number>): ReadonlyMap<number, WantedPoint> {
  const placed = new Map<number, WantedPoint>();
  for (const point of wanted.length < 2 ? wanted : [...wanted].sort(byKey)) {
    let { offsetNs } = point;
    // Should all offsets be taken, the event shares its own, as in ingest.
    for (let step = 0; step < OFFSETS && (placed.has(offsetNs) || taken.has(offsetNs)); step++)
      offsetNs = nextOffset(offsetNs);
    placed.set(offsetNs, point);
  }
  return placed;
}

function byKey(a: WantedPoint, b: WantedPoint): number {
  for (let word = 0; word < a.key.length; word++) {
    const difference = ((a.key[word] ?? 0) >>> 0) - ((b.key[word] ?? 0) >>> 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether the same offsets are taken, and by the same points, in whatever order. */
function isExact(placed: ReadonlyMap<number, WantedPoint>, ours: readonly StoredPoint[]): boolean {
  if (placed.size !== ours.length) return false;
  const left = new Map<string, number>();
  for (const { content } of placed.values()) left.set(content, (left.get(content) ?? 0) + 1);
  for (const { offsetNs, content } of ours) {
    const count = left.get(content) ?? 0;
    if (count === 0 || !placed.has(offsetNs)) return false;
    left.set(content, count - 1);
  }
  return true;
}
