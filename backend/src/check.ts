import { setTimeout as sleep } from 'node:timers/promises';
import type { ErrorCode } from './errors.ts';

/** How a dependency is. `warning`: everything works, something deserves a look. */
export type CheckState = 'ok' | 'warning' | 'error';

export const CHECK_NAMES = ['influxdb', 'buckets', 'scheme', 'stream', 'lag', 'archive', 'checkpoint'] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

/** What a check saw, and, where something is wrong, what the reader can do about it. */
export interface CheckResult {
  readonly name: CheckName;
  readonly state: CheckState;
  /** What was seen, with the thing's name and the setting that names it. */
  readonly message: string;
  /** The next step; empty when there is nothing to mend. */
  readonly hint: string;
  /** For an error: which failure it is, so that a start-up failure keeps its code. */
  readonly code?: ErrorCode;
}

/** A check never throws for what it came to look at; it is stopped by the signal. */
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
export const failed = (name: CheckName, code: ErrorCode, message: string, hint: string): CheckResult => ({
  name,
  state: 'error',
  message,
  hint,
  code,
});

const worse: Readonly<Record<CheckState, number>> = { ok: 0, warning: 1, error: 2 };

/** The state of the whole: its worst part. */
export function worst(results: readonly CheckResult[]): CheckState {
  return results.reduce<CheckState>((state, r) => (worse[r.state] > worse[state] ? r.state : state), 'ok');
}

/**
 * Runs all checks at once, each for at most `timeoutMs`. A check that hangs (a black-holed address, a credentials provider that
 * ignores its signal) is an error like any other.
 * @throws the signal's reason where it aborts: what checks find while they are stopped says nothing about what they look at
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
    () => silent(check.name, timeoutMs),
    () => failed(check.name, 'aborted', `The check of ${describeName(check.name)} was stopped.`, 'Run it again.'),
  );
  try {
    return await Promise.race([
      check.run(signal).catch((error: unknown) =>
        // A check reports what it looked at; what it throws is a defect of the check itself, and still must reach the reader.
        failed(
          check.name,
          'internal',
          `The check of ${describeName(check.name)} failed: ${error instanceof Error ? error.message : String(error)}`,
          'This is a defect in Userpulse; please report it.',
        ),
      ),
      late,
    ]);
  } finally {
    end.abort();
  }
}

/** The prefix scheme is judged by reading points, which a busy InfluxDB may take long for: nothing is wrong with it then. */
function silent(name: CheckName, timeoutMs: number): CheckResult {
  const message = `The check of ${describeName(name)} got no answer within ${timeoutMs / 1000} s.`;
  return name === 'scheme'
    ? warned(name, message, 'InfluxDB is slow or busy. Check again when it has less to do.')
    : failed(
        name,
        codeWhenSilent(name),
        message,
        'See whether its address is right and can be reached from this machine.',
      );
}

function codeWhenSilent(name: Exclude<CheckName, 'scheme'>): ErrorCode {
  switch (name) {
    case 'influxdb':
    case 'buckets':
      return 'influx_unreachable';
    case 'stream':
    case 'lag':
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
    default:
      return name satisfies never;
  }
}
