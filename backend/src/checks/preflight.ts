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
  /** USERPULSE_CHECKPOINT */
  readonly checkpoint: URL;
}

/** Time-out of each check at a start, in ms: shorter than elsewhere, since a start must fail within 10 s, loading included. */
const START_CHECK_MS = 3_500;

const runAtStart = (checks: readonly Check[], signal: AbortSignal | undefined): Promise<readonly CheckResult[]> =>
  runChecks(checks, { timeoutMs: START_CHECK_MS, ...(signal === undefined ? {} : { signal }) });

const influxChecks = (on: ServeDependencies, uses: readonly BucketUse[]): readonly Check[] => [
  influxCheck(on.influx),
  bucketsCheck(on.influx, on.buckets, uses),
];

const sourceChecks = (on: IngestDependencies): readonly Check[] => [
  streamCheck(on.kinesis, on.stream, 'try'),
  archiveCheck(on.archive, 'try'),
  checkpointCheck(on.checkpoint, 'try'),
];

/** Checks everything that `serve` needs, before it listens. @throws UserpulseError naming each invalid setting */
export async function preflightServe(on: ServeDependencies, signal?: AbortSignal): Promise<void> {
  refuse(await runAtStart(influxChecks(on, ['read']), signal));
}

/** Checks everything that `ingest` needs, before the first record is read. @throws UserpulseError naming each invalid setting */
export async function preflightIngest(on: IngestDependencies, signal?: AbortSignal): Promise<void> {
  refuse(await runAtStart([...influxChecks(on, ['write']), ...sourceChecks(on)], signal));
}

/** For `start`, which ingests and serves, so its token must write and read. @throws UserpulseError naming each invalid setting */
export async function preflightStart(on: IngestDependencies, signal?: AbortSignal): Promise<void> {
  refuse(await runAtStart([...influxChecks(on, ['write', 'read']), ...sourceChecks(on)], signal));
}

/** Checks what `replay` writes to, before the archive is read. @throws UserpulseError naming each invalid setting */
export async function preflightReplay(on: ServeDependencies, signal?: AbortSignal): Promise<void> {
  refuse(await runAtStart(influxChecks(on, ['write']), signal), 'cannot replay');
}

/** Reports all errors in one message, so that nobody fixes a setting only to be told of the next. */
export function refuse(results: readonly CheckResult[], what = 'cannot start'): void {
  const errors = results.filter((r) => r.state === 'error');
  // If InfluxDB itself is the problem, the check of the buckets only repeats it.
  const influx = errors.find((r) => r.name === 'influxdb');
  const shown = influx === undefined ? errors : errors.filter((r) => r.name !== 'buckets');
  const first = shown[0];
  if (first === undefined) return;
  if (shown.length === 1) {
    throw new UserpulseError(first.code ?? 'internal', `${what}. ${first.message}`, { hint: first.hint });
  }
  throw new UserpulseError(
    first.code ?? 'internal',
    `${what}. ${shown.length} checks failed:\n${shown.map((r) => `  - ${r.message} ${r.hint}`).join('\n')}`,
  );
}
