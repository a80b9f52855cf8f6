import type { measureCeiling } from './ceiling.ts';
import type { Consumer } from './consumers.ts';
import type { StreamSpec } from './fake-stream.ts';
import type { Latency } from './latency.ts';
import type { ProfiledRun } from './profile.ts';
import type { RealTrial } from './real.ts';
import type { Trial } from './trial.ts';

/** What the part measures and its report shows. */

export interface Workload {
  readonly title: string;
  readonly spec: StreamSpec;
}

/** All trials of one consumer on one workload, a round each. */
export interface Series {
  readonly workload: Workload;
  readonly consumer: Consumer;
  readonly trials: Trial[];
  /** What a peer said last in runs that it ended by itself, and that were repeated. */
  readonly ended: string[];
}

export interface LoadLatency {
  readonly load: number;
  readonly perSecond: number;
  readonly rounds: Latency[];
}

export interface Measured {
  readonly ceiling: Awaited<ReturnType<typeof measureCeiling>>[];
  readonly own: Series[];
  readonly peers: Series[];
  /** The main workload from fewer shards: Userpulse, then each peer. */
  readonly fewer: Series[];
  /** Userpulse with `USERPULSE_ARCHIVE_CODEC=zstd`. */
  readonly zstd: Series;
  /** Userpulse reduced to what the peers do. */
  readonly sameWork: Series;
  readonly profiled: ProfiledRun;
  readonly real: RealTrial[];
  readonly latencies: LoadLatency[];
}
