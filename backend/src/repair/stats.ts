import { byRole } from '../../../contract/roles.ts';
import { LineCounts } from '../replay/stats.ts';
import type { BucketRole } from '../schema/buckets.ts';

/** Points of one bucket. */
export interface PointCounts {
  /** That it should hold. */
  wanted: number;
  /** Written where there was nothing. */
  missing: number;
  /** Written where the point of another event was, or an incomplete one. */
  replaced: number;
  /** Second points of an event, removed. */
  removed: number;
  /** Of no archived event; left as they are. */
  foreign: number;
  /** Not stored, because they are older than the bucket's retention. */
  expired: number;
}

/** What a repair has read and changed so far; on a dry run, what it would change. */
export class RepairStats extends LineCounts {
  /** Distinct events. */
  events = 0;
  repeated = 0;
  /** Days that got new objects while they were repaired, `YYYY/MM/DD`. */
  readonly changedDays: string[] = [];
  readonly points: Readonly<Record<BucketRole, PointCounts>> = byRole(() => ({
    wanted: 0,
    missing: 0,
    replaced: 0,
    removed: 0,
    foreign: 0,
    expired: 0,
  }));

  /** Over all buckets. */
  sum(count: keyof PointCounts): number {
    return Object.values(this.points).reduce((sum, points) => sum + points[count], 0);
  }
}
