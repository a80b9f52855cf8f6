import type { Logger } from 'pino';
import type { Clock } from './clock.ts';

/** Bounds of the waits between attempts, in ms. */
export interface BackoffPolicy {
  readonly baseMs: number;
  readonly capMs: number;
}

/** Short enough that a sink that comes back is noticed within seconds, long enough that many writers do not keep it down. */
export const SINK_BACKOFF: BackoffPolicy = { baseMs: 100, capMs: 5_000 };

/** A server that asks for a longer pause than this is asked again all the same: a wrong header must not stop ingest for a day. */
const MAX_RETRY_AFTER_MS = 120_000;

/**
 * "Full jitter": anything between nothing and the exponential bound, so that clients that failed together do not come back together.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * @param attempt failures so far, from 0
 * @param random 0 (included) to 1 (excluded)
 */
export function fullJitter(policy: BackoffPolicy, attempt: number, random: number): number {
  return Math.floor(random * Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(attempt, 30)));
}

/** What a failure means for the next attempt. */
export type Verdict =
  | {
      readonly kind: 'retry';
      /** Short and from a closed set: a metric's label. */
      readonly reason: string;
      /** What a person reads; may name a setting. */
      readonly message: string;
      /** The server's own wish, in ms from now. */
      readonly afterMs?: number | undefined;
    }
  | { readonly kind: 'give_up' };

export interface RetryOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly classify: (error: unknown) => Verdict;
  readonly onRetry: (verdict: Extract<Verdict, { kind: 'retry' }>, delayMs: number) => void;
  readonly policy?: BackoffPolicy;
  readonly random?: () => number;
}

/**
 * Repeats an attempt until it succeeds, its failure is one to give up on, or the signal is aborted.
 * @throws what `attempt` threw, when its verdict is to give up; the signal's reason when aborted
 */
export async function retrying<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, signal, classify, onRetry, policy = SINK_BACKOFF, random = Math.random } = options;
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const verdict = classify(error);
      if (verdict.kind === 'give_up') throw error;
      const jitter = fullJitter(policy, failures, random());
      const delayMs = verdict.afterMs === undefined ? jitter : Math.min(verdict.afterMs, MAX_RETRY_AFTER_MS) + jitter;
      onRetry(verdict, delayMs);
      await clock.sleep(delayMs, signal);
    }
  }
}

/**
 * Retry-After: whole seconds or an HTTP date (RFC 9110 §10.2.3) → ms from now.
 * @returns undefined where it is absent or neither
 */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

const REMIND_MS = 10_000;

/**
 * Says in the log that a dependency is in trouble: at the first failure, then every ten seconds, and when it is over. Many writers
 * share one, so an outage is one story and not a flood.
 */
export class OutageLog {
  readonly #logger: Logger;
  readonly #what: string;
  readonly #clock: Clock;
  #trouble: { readonly sinceMs: number; lastSaidMs: number; failures: number } | undefined;

  constructor(what: string, logger: Logger, clock: Clock) {
    this.#what = what;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Whether it is in trouble now, and since when (ms since 1970). */
  get sinceMs(): number | undefined {
    return this.#trouble?.sinceMs;
  }

  failed(reason: string, message: string): void {
    const now = this.#clock.now();
    this.#trouble ??= { sinceMs: now, lastSaidMs: -Infinity, failures: 0 };
    this.#trouble.failures++;
    if (now - this.#trouble.lastSaidMs < REMIND_MS) return;
    this.#trouble.lastSaidMs = now;
    this.#logger.error(
      { target: this.#what, reason, failures: this.#trouble.failures, forMs: now - this.#trouble.sinceMs },
      message,
    );
  }

  succeeded(): void {
    if (this.#trouble === undefined) return;
    const { failures, sinceMs } = this.#trouble;
    this.#trouble = undefined;
    this.#logger.info(
      { target: this.#what, failures, forMs: this.#clock.now() - sinceMs },
      `${this.#what} works again.`,
    );
  }
}
