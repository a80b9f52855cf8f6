/**
 * A queue that lets go of what leaves it at once. Arrays that only move a head index keep everything before it, which for records means their
 * bytes.
 */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** The oldest; undefined when empty. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    // Empty places go once they are the larger half: constant time per item, and no array that grows for ever.
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}

/** A queue of lists that leave item by item. */
export class ListFifo<T extends { readonly length: number }> {
  readonly #lists = new Fifo<T>();
  #at = 0;
  #size = 0;

  /** Items that have not left. */
  get size(): number {
    return this.#size;
  }

  /** The list that holds the oldest item; undefined when empty. */
  get list(): T | undefined {
    return this.#lists.first;
  }

  /** Where in {@link list} the oldest item is. */
  get at(): number {
    return this.#at;
  }

  push(list: T): void {
    if (list.length === 0) return;
    this.#lists.push(list);
    this.#size += list.length;
  }

  /** The oldest item leaves, and its list with its last item. */
  shift(): void {
    const list = this.#lists.first;
    if (list === undefined) return;
    this.#size--;
    if (++this.#at < list.length) return;
    this.#lists.shift();
    this.#at = 0;
  }

  /** All items leave. @param each called with the place of each in its list, oldest first */
  clear(each: (list: T, at: number) => void): void {
    for (let { list } = this; list !== undefined; { list } = this) {
      each(list, this.#at);
      this.shift();
    }
  }
}

/**
 * Things that are begun in order, are resolved in any order, and leave in order: what leaves is always the resolved prefix. A checkpoint
 * that follows what leaves therefore never passes something unresolved.
 */
export class ResolvedPrefix<T> {
  readonly #entries = new Fifo<Entry<T>>();

  /** Things that have not left. */
  get size(): number {
    return this.#entries.size;
  }

  /** The oldest thing that has not left. */
  get oldest(): T | undefined {
    return this.#entries.first?.value;
  }

  add(value: T): Ticket<T> {
    const entry: Entry<T> = { value, resolved: false };
    this.#entries.push(entry);
    return entry;
  }

  /** Marks one as resolved and returns what may leave now, oldest first. Resolving twice is a mistake of the caller. */
  resolve(ticket: Ticket<T>): T[] {
    const entry = ticket as Entry<T>;
    if (entry.resolved) throw new Error('A ticket was resolved twice.');
    entry.resolved = true;
    const out: T[] = [];
    while (this.#entries.first?.resolved === true) {
      out.push(this.#entries.first.value);
      this.#entries.shift();
    }
    return out;
  }
}

/** Given by {@link ResolvedPrefix.add}; opaque. */
export interface Ticket<T> {
  readonly value: T;
}

interface Entry<T> extends Ticket<T> {
  resolved: boolean;
}
