import type { Logger } from 'pino';
import type { Clock } from './clock.ts';
import { sentences } from './format.ts';

/** Bounds of the waits between attempts, in ms. */
export interface BackoffPolicy {
  readonly baseMs: number;
  readonly capMs: number;
}

/** Short enough to notice within seconds that a sink is back, long enough that many writers do not keep it down. */
export const SINK_BACKOFF: BackoffPolicy = { baseMs: 100, capMs: 5_000 };

/** A longer Retry-After than this is not honoured: a wrong header must not stop ingest for a day. */
const MAX_RETRY_AFTER_MS = 120_000;

/**
 * "Full jitter": anything between nothing and the exponential bound, so that clients that failed together do not retry together.
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
      /** For people; may name a setting. */
      readonly message: string;
      /** How long the server asks us to wait, in ms. */
      readonly afterMs?: number | undefined;
    }
  | {
      readonly kind: 'give_up';
      /** What to throw; absent: the failure itself. */
      readonly error?: unknown;
    };

export interface RetryOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** @param failures in a row before this one */
  readonly classify: (error: unknown, failures: number) => Verdict;
  readonly onRetry?: (verdict: Extract<Verdict, { kind: 'retry' }>, delayMs: number) => void;
  readonly policy?: BackoffPolicy;
  readonly random?: () => number;
}

/** Failures in a row of something that is retried, and the waits between them. For loops that {@link retrying} cannot hold, such as generators. */
export class Retries {
  readonly #options: RetryOptions;
  #failures = 0;

  constructor(options: RetryOptions) {
    this.#options = options;
  }

  /** Something has worked: the next failure counts as the first. */
  succeeded(): void {
    this.#failures = 0;
  }

  /**
   * Waits until the next attempt is due.
   * @throws the error of a verdict to give up; the signal's reason when aborted
   */
  async failed(error: unknown): Promise<void> {
    const { clock, signal, classify, onRetry, policy = SINK_BACKOFF, random = Math.random } = this.#options;
    if (signal.aborted) throw signal.reason;
    const verdict = classify(error, this.#failures);
    if (verdict.kind === 'give_up') throw verdict.error ?? error;
    const jitter = fullJitter(policy, this.#failures++, random());
    const delayMs = verdict.afterMs === undefined ? jitter : Math.min(verdict.afterMs, MAX_RETRY_AFTER_MS) + jitter;
    onRetry?.(verdict, delayMs);
    await clock.sleep(delayMs, signal);
  }
}

/**
 * Repeats an attempt until it succeeds, its failure is one to give up on, or the signal is aborted.
 * @throws as {@link Retries.failed}
 */
export async function retrying<T>(attempt: (retries: Retries) => Promise<T>, options: RetryOptions): Promise<T> {
  const retries = new Retries(options);
  for (;;) {
    options.signal.throwIfAborted();
    try {
      return await attempt(retries);
    } catch (error) {
      await retries.failed(error);
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
/** Ends the message of every outage that ingest rides out. */
const RETRYING = 'Retrying; no data is lost';

/**
 * Logs an outage of a dependency: its first failure, a reminder every ten seconds, and its end. All callers share one. An outage may concern a part of
 * the dependency only, such as one bucket of four: it ends when every part that has failed has worked again, whatever else works meanwhile.
 */
export class OutageLog {
  readonly #logger: Logger;
  readonly #what: string;
  readonly #clock: Clock;
  #outage: { readonly sinceMs: number; failures: number } | undefined;
  readonly #failing = new Set<unknown>();
  /** When a message was last logged. They come from a small set; see MAX_MESSAGES. */
  readonly #loggedMs = new Map<string, number>();

  constructor(what: string, logger: Logger, clock: Clock) {
    this.#what = what;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Since when the outage lasts (ms since 1970); undefined where there is none. */
  get sinceMs(): number | undefined {
    return this.#outage?.sinceMs;
  }

  /**
   * @param message what has failed, with or without a full stop
   * @param part what of the dependency: compared by identity
   */
  failed(reason: string, message: string, part?: unknown): void {
    const now = this.#clock.now();
    this.#outage ??= { sinceMs: now, failures: 0 };
    this.#outage.failures++;
    this.#failing.add(part);
    if (now - (this.#loggedMs.get(message) ?? -Infinity) < REMIND_MS) return;
    // What differs each time, by a number of the request for example, must not fill the log.
    const recent = [...this.#loggedMs.values()].filter((ms) => now - ms < REMIND_MS).length;
    if (recent >= MAX_MESSAGES) return;
    if (this.#loggedMs.size > 10 * MAX_MESSAGES) this.#loggedMs.clear();
    this.#loggedMs.set(message, now);
    this.#logger.error(
      { target: this.#what, reason, failures: this.#outage.failures, forMs: now - this.#outage.sinceMs },
      sentences(message, RETRYING),
    );
  }

  succeeded(part?: unknown): void {
    if (this.#outage === undefined) return;
    this.#failing.delete(part);
    if (this.#failing.size > 0) return;
    const { failures, sinceMs } = this.#outage;
    this.#outage = undefined;
    this.#loggedMs.clear();
    this.#logger.info(
      { target: this.#what, failures, forMs: this.#clock.now() - sinceMs },
      `${this.#what} is available again.`,
    );
  }
}

/** Different messages of one outage in ten seconds. */
const MAX_MESSAGES = 8;
