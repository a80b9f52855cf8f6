import type { IdKind } from '../../../contract/ids.ts';
import type { IdRole } from '../../../contract/roles.ts';
import type { BucketRole } from '../schema/buckets.ts';

/** A field of a point that InfluxDB holds. */
export interface StoredField {
  /** As in line protocol: see Point of schema/points.ts. */
  readonly series: string;
  /** Time: ms, and ns within it. */
  readonly ms: number;
  readonly offsetNs: number;
  readonly field: string;
  /** Digits of an int64, or text. */
  readonly value: string;
}

/** Where a point is. */
export type PointPlace = Pick<StoredField, 'series' | 'ms' | 'offsetNs'>;

/** ms; `fromMs` included, `toMs` excluded. */
export interface TimeRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** An id of a kind. */
export interface NamedId {
  readonly kind: IdKind;
  readonly id: string;
}

/** Port: which points are there, one by one, and taking some away. */
export interface StoredPoints {
  /**
   * Hands over every field of every point that occurred from `fromMs` to before `toMs`, in any order. Transient failures are retried for
   * some minutes.
   * @param begin called before the first field, and again before an attempt that starts over; returns what takes the fields
   * @returns points with tags that no point of ours has
   * @throws as InfluxReader.rows
   */
  read(
    role: BucketRole,
    range: TimeRange,
    begin: () => (field: StoredField) => void,
    signal: AbortSignal,
  ): Promise<number>;
  /**
   * Resolves when the point is gone, or was never there. Transient failures are retried for some minutes.
   * @param to the last of several points of the series that go, with all between them; absent: only one goes
   * @throws UserpulseError of InfluxDB; the signal's reason when aborted
   */
  remove(role: BucketRole, place: PointPlace, signal: AbortSignal, to?: PointPlace): Promise<void>;
}

/** Port: points that name somebody. */
export interface NamingPoints {
  /** Whether a bucket holds any point in a range. @throws as StoredPoints.read */
  any(role: BucketRole, range: TimeRange, signal: AbortSignal): Promise<boolean>;
  /**
   * Hands over the fields that name an id, of every point of a range that does: as the one it is about, as a counterpart, or among totals.
   * @param begin as in StoredPoints.read
   * @throws as StoredPoints.read
   */
  naming(
    role: BucketRole,
    id: NamedId,
    range: TimeRange,
    begin: () => (field: StoredField) => void,
    signal: AbortSignal,
  ): Promise<number>;
  /**
   * Hands over the counted field of every point with the prefix of an id: by series, and by time within each.
   * @param begin as in StoredPoints.read
   * @returns points with tags that no point of ours has
   * @throws as StoredPoints.read
   */
  ofPrefix(
    role: IdRole,
    id: string,
    range: TimeRange,
    begin: () => (field: StoredField) => void,
    signal: AbortSignal,
  ): Promise<number>;
  /**
   * Removes the lists of the most frequent ids of these hours (since 1970, UTC); nobody believes them once points of the hour have changed.
   * @throws as StoredPoints.remove
   */
  removeTops(hours: readonly number[], signal: AbortSignal): Promise<void>;
  /** Which of these places hold a point. @throws as StoredPoints.read */
  taken(role: BucketRole, places: readonly PointPlace[], signal: AbortSignal): Promise<ReadonlySet<PointPlace>>;
}
