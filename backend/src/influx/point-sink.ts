import type { BucketRole } from '../schema/buckets.ts';
import type { LineBlock } from '../schema/line-block.ts';

/** A line that the store will never accept. */
export interface Refusal {
  /** Index of the line among those to write. */
  readonly index: number;
  /** The store's own message. */
  readonly reason: string;
}

/** Port: where points go. Transient failures are retried until the signal is aborted. */
export interface PointSink {
  /**
   * Resolves when every line is durable or refused for good.
   * @param lines times in ns
   * @throws the signal's reason when aborted
   */
  write(role: BucketRole, lines: LineBlock, signal: AbortSignal): Promise<readonly Refusal[]>;
  /** Since when (ms since 1970) nothing can be written to it, or to a part of it; undefined where all is well. */
  readonly troubleSinceMs: number | undefined;
  close(): Promise<void>;
}
