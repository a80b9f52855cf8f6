/** A read that has not been sent yet, so that others can still be part of it. */
export interface Unsent<T> {
  readonly done: Promise<T>;
  readonly sent: boolean;
}

/** @param read calls `sent` when nobody can be part of it any more */
export function unsent<T>(read: (sent: () => void) => Promise<T>): Unsent<T> {
  let sent = false;
  // In the next turn, when all that is asked for in this one is known.
  const done = Promise.resolve().then(() => read(() => (sent = true)));
  // Nobody may be left to hear of its failure.
  done.catch(() => undefined);
  return {
    done,
    get sent() {
      return sent;
    },
  };
}

/** Keeps a read where others find it, until it is done, or another has taken its place. */
export function keepUntilDone<K, V>(all: Map<K, V>, key: K, one: V, { done }: Unsent<unknown>): void {
  const forget = (): void => {
    if (all.get(key) === one) all.delete(key);
  };
  all.set(key, one);
  done.then(forget, forget);
}

/** Reads by what they are of, each for all who ask before it is sent. */
export class UnsentReads<K, T> {
  readonly #all = new Map<K, Unsent<T>>();

  /** @param read of this key, where none can be shared; calls `sent` when nobody can be part of it any more */
  ask(key: K, read: (sent: () => void) => Promise<T>): Promise<T> {
    const known = this.#all.get(key);
    if (known !== undefined && !known.sent) return known.done;
    const own = unsent(read);
    keepUntilDone(this.#all, key, own, own);
    return own.done;
  }
}
