import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { UserpulseError } from '../errors.ts';
import type { BucketNames } from '../schema/buckets.ts';
import { archiveCheck, type ArchiveTarget } from '../archive/archive-check.ts';
import { bucketsCheck, type BucketUse } from '../influx/buckets-check.ts';
import { runChecks, type Check, type CheckName, type CheckResult } from '../check.ts';
import { systemClock, type Clock } from '../clock.ts';
import { roughDuration, sentences } from '../format.ts';
import { fullJitter, SINK_BACKOFF } from '../retry.ts';
import type { Logger } from 'pino';
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

/** Time-out of each check at the first attempt, in ms. Later attempts wait twice as long: a machine that is busy starting answers slowly. */
const START_CHECK_MS = 3_500;
/** How often (ms) the log says what a start is waiting for. */
const REMIND_MS = 10_000;

export interface StartOptions {
  /** Aborted by a stop. */
  readonly signal: AbortSignal;
  /** How long to wait for what does not answer, in ms; 0: one attempt. */
  readonly deadlineMs: number;
  readonly logger: Pick<Logger, 'warn'>;
  readonly clock?: Clock;
}

/**
 * Runs checks until all pass. What is unreachable, busy or slow is tried again until the deadline; what somebody has to change ends it at once.
 * @returns errors, and how long was waited for them
 */
export async function runAtStart(
  checks: readonly Check[],
  { signal, deadlineMs, logger, clock = systemClock }: StartOptions,
): Promise<{ readonly results: readonly CheckResult[]; readonly waitedMs: number }> {
  const startedMs = clock.now();
  const found = new Map<CheckName, CheckResult>();
  let due = checks;
  let toldMs = -Infinity;
  for (let attempt = 0; ; attempt++) {
    const leftMs = deadlineMs - (clock.now() - startedMs);
    const timeoutMs = attempt === 0 ? START_CHECK_MS : Math.min(START_CHECK_MS * 2 ** attempt, Math.max(1_000, leftMs));
    for (const result of await runChecks(due, { timeoutMs, signal })) found.set(result.name, result);
    const results = [...found.values()];
    const errors = results.filter((result) => result.state === 'error');
    const now = clock.now();
    const waitMs = Math.max(100, fullJitter(SINK_BACKOFF, attempt, Math.random()));
    const final = errors.length === 0 || errors.some((error) => error.transient !== true);
    if (final || now - startedMs + waitMs >= deadlineMs)
      return { results, waitedMs: attempt === 0 ? 0 : now - startedMs };
    if (now - toldMs >= REMIND_MS) {
      toldMs = now;
      for (const { name, message } of withoutRepetition(errors)) {
        logger.warn({ check: name, forMs: now - startedMs }, sentences(message, 'The start waits for it'));
      }
    }
    due = checks.filter(({ name }) => found.get(name)?.state === 'error');
    await clock.sleep(waitMs, signal);
  }
}

/** Runs the checks of a start. @throws UserpulseError naming each invalid setting */
async function start(checks: readonly Check[], options: StartOptions, what?: string): Promise<void> {
  const { results, waitedMs } = await runAtStart(checks, options);
  refuse(results, what, waitedMs);
}

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
export async function preflightServe(on: ServeDependencies, options: StartOptions): Promise<void> {
  await start(influxChecks(on, ['read']), options);
}

/** Checks everything that `ingest` needs, before the first record is read. @throws UserpulseError naming each invalid setting */
export async function preflightIngest(on: IngestDependencies, options: StartOptions): Promise<void> {
  await start([...influxChecks(on, ['write']), ...sourceChecks(on)], options);
}

/** For `start`, which ingests and serves, so its token must write and read. @throws UserpulseError naming each invalid setting */
export async function preflightStart(on: IngestDependencies, options: StartOptions): Promise<void> {
  await start([...influxChecks(on, ['write', 'read']), ...sourceChecks(on)], options);
}

/** Checks what `replay` writes to, before the archive is read. @throws UserpulseError naming each invalid setting */
export async function preflightReplay(on: ServeDependencies, options: StartOptions): Promise<void> {
  await start(influxChecks(on, ['write']), options, 'cannot replay');
}

/** Checks what `rollup` reads and writes. @throws UserpulseError naming each invalid setting */
export async function preflightRollup(on: ServeDependencies, options: StartOptions): Promise<void> {
  await start(influxChecks(on, ['read', 'write']), options, 'cannot count hours');
}

/** Checks what `repair` reads and, unless it is a dry run, writes. @throws UserpulseError naming each invalid setting */
export async function preflightRepair(
  on: ServeDependencies,
  uses: readonly BucketUse[],
  options: StartOptions,
): Promise<void> {
  await start(influxChecks(on, uses), options, 'cannot repair');
}

/** Checks what `forget` reads and, unless it is a dry run, writes. @throws UserpulseError naming each invalid setting */
export async function preflightForget(
  on: ServeDependencies,
  uses: readonly BucketUse[],
  options: StartOptions,
): Promise<void> {
  await start(influxChecks(on, uses), options, 'cannot forget');
}

/** If InfluxDB itself is the problem, the check of the buckets only repeats it. */
const withoutRepetition = (errors: readonly CheckResult[]): readonly CheckResult[] =>
  errors.some((r) => r.name === 'influxdb') ? errors.filter((r) => r.name !== 'buckets') : errors;

/**
 * Reports all errors in one message, so that nobody fixes a setting only to be told of the next.
 * @param waitedMs how long a start has waited for them
 */
export function refuse(results: readonly CheckResult[], what = 'cannot start', waitedMs = 0): void {
  const shown = withoutRepetition(results.filter((r) => r.state === 'error'));
  const first = shown[0];
  if (first === undefined) return;
  const waited = waitedMs === 0 ? '' : ` after waiting ${roughDuration(waitedMs)} (USERPULSE_START_DEADLINE_MS)`;
  if (shown.length === 1) {
    throw new UserpulseError(first.code ?? 'internal', sentences(`${what}${waited}`, first.message), {
      hint: first.hint,
    });
  }
  throw new UserpulseError(
    first.code ?? 'internal',
    `${what}${waited}. ${shown.length} checks failed:\n${shown.map((r) => `  - ${sentences(r.message, r.hint)}`).join('\n')}`,
  );
}
