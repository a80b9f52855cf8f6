import { setTimeout as sleep } from 'node:timers/promises';
import { UserpulseError, type ErrorCode } from './errors.ts';

/** `warning`: everything works, but something deserves attention. */
export type CheckState = 'ok' | 'warning' | 'error';

export const CHECK_NAMES = [
  'influxdb',
  'buckets',
  'scheme',
  'stream',
  'lag',
  'archive',
  'checkpoint',
  'hours',
] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

/** What a check found, and what to do where something is wrong. */
export interface CheckResult {
  readonly name: CheckName;
  readonly state: CheckState;
  /** What was found, with the name of the thing and of its setting. */
  readonly message: string;
  /** The next step; empty where there is nothing to do. */
  readonly hint: string;
  /** Of an error, so that a failed start has the code of the check that failed. */
  readonly code?: ErrorCode;
  /** Of an error: no or no proper answer, so another attempt may find another result. Absent: somebody has to change something. */
  readonly transient?: boolean;
}

/** A check that found an error. */
export interface FailedCheck extends CheckResult {
  readonly state: 'error';
  readonly code: ErrorCode;
}

/**
 * `look`: changes nothing, and may be repeated every few seconds. `try`: does once what the process is going to do, and undoes it, because a
 * store that can be reached may still lack a right or an ability.
 */
export type CheckDepth = 'look' | 'try';

/** A check does not throw for what it examines. The signal stops it. */
export interface Check {
  readonly name: CheckName;
  run(signal: AbortSignal): Promise<CheckResult>;
}

/** Whether a process can do its work now; if not, why. */
export type Readiness =
  { readonly ready: true } | { readonly ready: false; readonly code: ErrorCode; readonly message: string };

/** Longest time one check may take, in ms: two in a row still end a failed start within the promised 10 s. */
export const CHECK_TIMEOUT_MS = 4_500;

export const passed = (name: CheckName, message: string): CheckResult => ({ name, state: 'ok', message, hint: '' });
export const warned = (name: CheckName, message: string, hint: string): CheckResult => ({
  name,
  state: 'warning',
  message,
  hint,
});
export const failed = (name: CheckName, code: ErrorCode, message: string, hint: string): FailedCheck => ({
  name,
  state: 'error',
  message,
  hint,
  code,
});

/** A failure that another attempt may not meet again; see {@link CheckResult.transient}. */
export const unavailable = (...of: Parameters<typeof failed>): FailedCheck => ({ ...failed(...of), transient: true });

/** The failure of a check as an error. */
export const errorOf = ({ code, message, hint }: FailedCheck, cause: unknown): UserpulseError =>
  new UserpulseError(code, message, { hint, cause });

const worse: Readonly<Record<CheckState, number>> = { ok: 0, warning: 1, error: 2 };

/** The worst state of all. */
export function worst(results: readonly CheckResult[]): CheckState {
  return results.reduce<CheckState>((state, r) => (worse[r.state] > worse[state] ? r.state : state), 'ok');
}

/**
 * Runs all checks at once, each for at most `timeoutMs`. A check that hangs (a black-holed address, a credentials provider that
 * ignores its signal) is an error like any other.
 * @throws the signal's reason when aborted: what a check finds while it is being stopped says nothing about what it examines
 */
export async function runChecks(
  checks: readonly Check[],
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
): Promise<readonly CheckResult[]> {
  const timeoutMs = options.timeoutMs ?? CHECK_TIMEOUT_MS;
  const results = await Promise.all(checks.map((check) => runBounded(check, timeoutMs, options.signal)));
  options.signal?.throwIfAborted();
  return results;
}

async function runBounded(check: Check, timeoutMs: number, outer: AbortSignal | undefined): Promise<CheckResult> {
  const end = new AbortController();
  const signal = outer === undefined ? end.signal : AbortSignal.any([end.signal, outer]);
  const late = sleep(timeoutMs, undefined, { signal, ref: true }).then(
    () => timedOut(check.name, timeoutMs),
    () => failed(check.name, 'aborted', `The check of ${describeName(check.name)} was stopped.`, 'Run it again.'),
  );
  try {
    return await Promise.race([
      check.run(signal).catch((error: unknown) =>
        // What a check throws is a defect of the check itself, which must be visible too.
        failed(
          check.name,
          'internal',
          `The check of ${describeName(check.name)} failed: ${error instanceof Error ? error.message : String(error)}`,
          'This is a bug in Userpulse. Please report it.',
        ),
      ),
      late,
    ]);
  } finally {
    end.abort();
  }
}

/**
 * The prefix scheme is judged by reading points, the lag by reading every shard: either may be slow where all is well, which is told as slow. Whether
 * InfluxDB and the stream can be reached has a check of its own.
 */
function timedOut(name: CheckName, timeoutMs: number): CheckResult {
  const message = `The check of ${describeName(name)} timed out after ${timeoutMs / 1000} s.`;
  if (name === 'scheme' || name === 'hours') return warned(name, message, 'InfluxDB is slow or busy. Try again later.');
  if (name === 'lag')
    return warned(
      name,
      message,
      'Kinesis is slow, or the stream has many shards: read the metric userpulse_millis_behind_latest instead.',
    );
  return unavailable(
    name,
    codeOfTimeout(name),
    message,
    'Check that its address is correct and reachable from this machine.',
  );
}

function codeOfTimeout(name: Exclude<CheckName, 'scheme' | 'lag' | 'hours'>): ErrorCode {
  switch (name) {
    case 'influxdb':
    case 'buckets':
      return 'influx_unreachable';
    case 'stream':
      return 'stream_unreachable';
    case 'archive':
      return 'archive_unreachable';
    case 'checkpoint':
      return 'checkpoint_unusable';
    default:
      return name satisfies never;
  }
}

function describeName(name: CheckName): string {
  switch (name) {
    case 'influxdb':
      return 'InfluxDB (INFLUX_HOST)';
    case 'buckets':
      return 'the buckets';
    case 'scheme':
      return 'the prefix scheme';
    case 'stream':
      return 'the Kinesis stream (USERPULSE_STREAM)';
    case 'lag':
      return 'the lag of the shards';
    case 'archive':
      return 'the archive (USERPULSE_ARCHIVE)';
    case 'checkpoint':
      return 'the checkpoint (USERPULSE_CHECKPOINT)';
    case 'hours':
      return 'the counted hours';
    default:
      return name satisfies never;
  }
}
