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
   * @throws UserpulseError of InfluxDB; the signal's reason when aborted
   */
  remove(role: BucketRole, place: PointPlace, signal: AbortSignal): Promise<void>;
}
