import { byRole } from '../../../contract/roles.ts';
import type { BucketRole } from '../schema/buckets.ts';

/** Lines of the archive that were read. */
export class LineCounts {
  objects = 0;
  lines = 0;
  /** Lines that are not valid events of their day, by code. */
  readonly invalid = new Map<string, { lines: number; readonly example: string }>();

  get invalidLines(): number {
    let sum = 0;
    for (const { lines } of this.invalid.values()) sum += lines;
    return sum;
  }

  noteInvalid(code: string, example: () => string): void {
    const seen = this.invalid.get(code);
    if (seen === undefined) this.invalid.set(code, { lines: 1, example: example() });
    else seen.lines++;
  }
}

/** What a replay has read and written so far. */
export class ReplayStats extends LineCounts {
  /** Distinct events of the requested types. */
  events = 0;
  repeated = 0;
  otherTypes = 0;
  /** Points whose own timestamp was taken by another event. */
  relocated = 0;
  readonly byType = new Map<string, number>();
  readonly points: Record<BucketRole, number> = byRole(() => 0);
  /** Points older than the retention of their bucket. */
  expired = 0;

  noteEvent(type: string): void {
    this.events++;
    this.byType.set(type, (this.byType.get(type) ?? 0) + 1);
  }
}
