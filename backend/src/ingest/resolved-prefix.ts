import { Fifo } from '../memory/fifo.ts';

/**
 * Things that are begun in order, are resolved in any order, and leave in order: what leaves is always the resolved prefix. A checkpoint
 * that follows what leaves therefore never passes something unresolved.
 */
export class ResolvedPrefix<T> {
  readonly #slots = new Fifo<Slot<T>>();

  /** Things that have not left. */
  get size(): number {
    return this.#slots.size;
  }

  /** The oldest thing that has not left. */
  get oldest(): T | undefined {
    return this.#slots.first?.value;
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
    while (this.#slots.first?.resolved === true) {
      out.push(this.#slots.first.value);
      this.#slots.shift();
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
