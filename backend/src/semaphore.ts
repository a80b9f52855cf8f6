import { WaitingLine } from './waiting-line.ts';

/** Runs at most `permits` tasks at a time, the others in the order in which they came. */
export class Semaphore {
  readonly permits: number;
  readonly #line = new WaitingLine();
  #running = 0;

  constructor(permits: number) {
    this.permits = permits;
  }

  get running(): number {
    return this.#running;
  }

  /** How many tasks wait for a permit. */
  get waiting(): number {
    return this.#line.length;
  }

  /** @throws what the task throws; the signal's reason where it is aborted before the task has begun */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#running < this.permits) this.#running++;
    else await this.#line.wait(undefined, signal);
    try {
      return await task();
    } finally {
      // The permit passes to the next in line without being returned, so nobody can slip in between.
      if (!this.#line.next()) this.#running--;
    }
  }
}
