import { UserpulseError } from '../errors.ts';

export interface GateLimits {
  /** Queries that run at once. */
  readonly running: number;
  /** Queries that wait for their turn; the next one is refused. */
  readonly waiting: number;
}

/**
 * Lets a bounded number of queries run and a bounded number wait, in order of arrival. More would only make all of them slower, so the
 * next is refused at once.
 */
export class QueryGate {
  readonly #limits: GateLimits;
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** @throws UserpulseError overloaded; or the signal's reason where it aborts while waiting */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running < this.#limits.running) {
      this.#running += 1;
      return;
    }
    if (this.#queue.length >= this.#limits.waiting) {
      throw new UserpulseError(
        'overloaded',
        `${this.#limits.running} queries are running and ${this.#limits.waiting} are waiting.`,
        { hint: 'Try again in a moment.' },
      );
    }
    await new Promise<void>((resolve, reject) => {
      // The place of whoever leaves is handed on, so #running stays as it is.
      const go = (): void => {
        signal.removeEventListener('abort', give);
        resolve();
      };
      const give = (): void => {
        this.#queue.splice(this.#queue.indexOf(go), 1);
        reject(
          signal.reason instanceof Error ? signal.reason : new UserpulseError('aborted', 'The request was stopped.'),
        );
      };
      this.#queue.push(go);
      signal.addEventListener('abort', give, { once: true });
    });
  }

  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}
