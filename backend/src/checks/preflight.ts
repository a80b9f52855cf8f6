import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { UserpulseError } from '../errors.ts';
import type { BucketNames } from '../schema/buckets.ts';
import { archiveCheck, type ArchiveTarget } from '../archive/archive-check.ts';
import { bucketsCheck, type BucketUse } from '../influx/buckets-check.ts';
import { runChecks, type Check, type CheckResult } from '../check.ts';
import { checkpointCheck } from '../checkpoint/open-checkpoints.ts';
import type { InfluxTarget } from '../influx/api.ts';
import { influxCheck } from '../influx/influx-check.ts';
import { streamCheck, type StreamTarget } from '../kinesis/stream-check.ts';

export interface ServeDependencies {
  readonly influx: InfluxTarget;
  readonly buckets: BucketNames;
}

export interface IngestDependencies extends ServeDependencies {
  readonly kinesis: KinesisClient;
  readonly stream: StreamTarget;
  readonly archive: ArchiveTarget;
  /** `file:` folder of USERPULSE_CHECKPOINT. */
  readonly checkpoint: URL;
}

/** Time for each check at a start, in ms: shorter than elsewhere, since a start that fails must have said so within 10 s, loading included. */
const START_CHECK_MS = 3_500;

const runAtStart = (checks: readonly Check[], signal: AbortSignal | undefined): Promise<readonly CheckResult[]> =>
  runChecks(checks, { timeoutMs: START_CHECK_MS, ...(signal === undefined ? {} : { signal }) });

const influxChecks = (on: ServeDependencies, uses: readonly BucketUse[]): readonly Check[] => [
  influxCheck(on.influx),
  bucketsCheck(on.influx, on.buckets, uses),
];

const sourceChecks = (on: IngestDependencies): readonly Check[] => [
  streamCheck(on.kinesis, on.stream),
  archiveCheck(on.archive),
  checkpointCheck(on.checkpoint),
];

/** Everything that `serve` needs, looked at before it listens. @throws UserpulseError naming each setting that is wrong */
export async function preflightServe(on: ServeDependencies, signal?: AbortSignal): Promise<void> {
  refuse(await runAtStart(influxChecks(on, ['read']), signal));
}

/** Everything that `ingest` needs, looked at before the first record is read. @throws UserpulseError naming each setting that is wrong */
export async function preflightIngest(on: IngestDependencies, signal?: AbortSignal): Promise<void> {
  refuse(await runAtStart([...influxChecks(on, ['write']), ...sourceChecks(on)], signal));
}

/** `start`: ingest and serve in one process, so its token must write and read. @throws UserpulseError */
export async function preflightStart(on: IngestDependencies, signal?: AbortSignal): Promise<void> {
  refuse(await runAtStart([...influxChecks(on, ['write', 'read']), ...sourceChecks(on)], signal));
}

/** What `replay` writes to, looked at before the archive is read. @throws UserpulseError naming each setting that is wrong */
export async function preflightReplay(on: ServeDependencies, signal?: AbortSignal): Promise<void> {
  refuse(await runAtStart(influxChecks(on, ['write']), signal), 'cannot replay');
}

/** One message for everything that is wrong: nobody should mend a setting only to be told of the next. */
export function refuse(results: readonly CheckResult[], what = 'cannot start'): void {
  const errors = results.filter((r) => r.state === 'error');
  // Where InfluxDB itself is the problem, what it says about the buckets repeats it.
  const influx = errors.find((r) => r.name === 'influxdb');
  const shown = influx === undefined ? errors : errors.filter((r) => r.name !== 'buckets');
  const first = shown[0];
  if (first === undefined) return;
  if (shown.length === 1) {
    throw new UserpulseError(first.code ?? 'internal', `${what}. ${first.message}`, { hint: first.hint });
  }
  throw new UserpulseError(
    first.code ?? 'internal',
    `${what}. ${shown.length} things are wrong.\n${shown.map((r) => `  - ${r.message} ${r.hint}`).join('\n')}`,
  );
}
