/**
 * Things that are begun in order, are resolved in any order, and leave in order: what leaves is always the resolved prefix. A checkpoint
 * that follows what leaves therefore never passes something unresolved.
 */
export class ResolvedPrefix<T> {
  #slots: Slot<T>[] = [];
  #head = 0;

  /** Things that have not left. */
  get size(): number {
    return this.#slots.length - this.#head;
  }

  /** The oldest thing that has not left. */
  get oldest(): T | undefined {
    return this.#slots[this.#head]?.value;
  }

  add(value: T): Ticket<T> {
    const slot: Slot<T> = { value, resolved: false };
    this.#slots.push(slot);
    return slot;
  }

  /** Marks one as resolved and returns what may leave now, oldest first. Resolving twice is a mistake of the caller. */
  resolve(ticket: Ticket<T>): T[] {
    const slot = ticket as Slot<T>;
    if (slot.resolved) throw new Error('A ticket was resolved twice.');
    slot.resolved = true;
    const out: T[] = [];
    for (let next = this.#slots[this.#head]; next?.resolved === true; next = this.#slots[this.#head]) {
      out.push(next.value);
      this.#head++;
    }
    // Forget what left once it is the larger half: constant time per thing, and no array that grows for ever.
    if (this.#head > 64 && this.#head * 2 > this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head);
      this.#head = 0;
    }
    return out;
  }
}

/** Given by {@link ResolvedPrefix.add}; opaque. */
export interface Ticket<T> {
  readonly value: T;
}

interface Slot<T> extends Ticket<T> {
  resolved: boolean;
}
