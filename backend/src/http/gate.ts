import { UserpulseError } from '../errors.ts';
import { Semaphore } from '../semaphore.ts';

export interface GateLimits {
  /** Queries that run at once. */
  readonly running: number;
  /** Queries that wait for their turn; the next one is refused. */
  readonly waiting: number;
}

/** A semaphore for queries whose line is bounded: a longer one would only make all of them slower, so the next query is refused at once. */
export class QueryGate {
  readonly #maxWaiting: number;
  readonly #semaphore: Semaphore;

  constructor(limits: GateLimits) {
    this.#maxWaiting = limits.waiting;
    this.#semaphore = new Semaphore(limits.running);
  }

  get running(): number {
    return this.#semaphore.running;
  }

  get waiting(): number {
    return this.#semaphore.waiting;
  }

  /** @throws UserpulseError overloaded; or the signal's reason where it aborts while waiting */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const { running, waiting, permits } = this.#semaphore;
    if (running >= permits && waiting >= this.#maxWaiting) {
      throw new UserpulseError('overloaded', `${running} queries are running and ${waiting} are waiting.`, {
        hint: 'Try again in a moment.',
      });
    }
    return this.#semaphore.run(work, signal);
  }
}
