import type { IdFormats } from '../../../contract/ids.ts';

/** What decides, beside its bytes, whether a record is an event. */
export interface ArrivalRule {
  /** Kinesis's ApproximateArrivalTimestamp in ms: a late reader decides as an early one does. */
  readonly arrivalMs: number;
  /** How far `occurredAt` may be ahead of the arrival, in ms. */
  readonly maxAheadMs: number;
  /** A line that is in the archive already. What made it valid when it came is not asked again: its points are written. */
  readonly archived?: true;
  /** How ids are written; absent: in the default formats. */
  readonly ids?: IdFormats | undefined;
}
