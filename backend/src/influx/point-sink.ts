import type { BucketRole } from '../schema/buckets.ts';
import type { LineBlock } from '../schema/line-block.ts';

/** A line that the store will never take. */
export interface Refusal {
  /** Index of the line in what was given to write. */
  readonly index: number;
  /** The store's own words. */
  readonly reason: string;
}

/** Where points go. Implementations retry what may mend itself until the signal is aborted. */
export interface PointSink {
  /**
   * Resolves when every line is durable or refused for good.
   * @param lines times in ns
   * @throws the signal's reason when aborted
   */
  write(role: BucketRole, lines: LineBlock, signal: AbortSignal): Promise<readonly Refusal[]>;
  close(): Promise<void>;
}
