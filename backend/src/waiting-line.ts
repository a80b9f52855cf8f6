/** Those who wait for their turn, in the order in which they came. Each may leave the line by its signal. */
export class WaitingLine<T = undefined> {
  readonly #waiters: Waiter<T>[] = [];

  get length(): number {
    return this.#waiters.length;
  }

  /** What the first in line waits with; undefined when nobody waits. */
  get first(): T | undefined {
    return this.#waiters[0]?.value;
  }

  /**
   * Joins the line at once; resolves when its turn has come.
   * @throws the signal's reason when it is aborted before
   */
  wait(value: T, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal?.reason as Error);
      };
      const waiter: Waiter<T> = {
        value,
        go: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#waiters.push(waiter);
    });
  }

  /** It is the turn of the first in line. @returns whether there was one */
  next(): boolean {
    const waiter = this.#waiters.shift();
    waiter?.go();
    return waiter !== undefined;
  }

  /** It is everybody's turn. */
  all(): void {
    while (this.next());
  }
}

interface Waiter<T> {
  readonly value: T;
  readonly go: () => void;
}
