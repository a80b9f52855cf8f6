import type { OffsetMemory } from './offsets.ts';

const WORDS = 4;
const FIRST_ENTRIES = 2 ** 12;

/**
 * A memory that forgets nothing: open addressing in one typed array that doubles when it is 5/8 full, so an entry takes 26 to 51 bytes.
 * Keys and values are as in {@link RecentTable}.
 */
export class GrowingTable implements OffsetMemory {
  #words = new Int32Array(FIRST_ENTRIES * WORDS);
  #mask = FIRST_ENTRIES - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Forgets everything, and keeps the memory it has for what comes next. */
  clear(): void {
    this.#words.fill(0);
    this.#size = 0;
  }

  find(key0: number, key1: number): number {
    const at = this.#probe(key0, present(key1));
    return this.#words[at + 1] === 0 ? -1 : at;
  }

  holds(handle: number, value0: number, value1: number): boolean {
    return this.#words[handle + 2] === (value0 | 0) && this.#words[handle + 3] === (value1 | 0);
  }

  /** Remembers a key that {@link find} did not find. Handles are invalid afterwards. */
  add(key0: number, key1: number, value0: number, value1: number): void {
    if (++this.#size > (this.#mask + 1) * 0.625) this.#grow();
    const at = this.#probe(key0, present(key1));
    this.#words[at] = key0;
    this.#words[at + 1] = present(key1);
    this.replace(at, value0, value1);
  }

  replace(handle: number, value0: number, value1: number): void {
    this.#words[handle + 2] = value0;
    this.#words[handle + 3] = value1;
  }

  /** Index of the key's entry, or of the free one where it belongs. */
  #probe(key0: number, second: number): number {
    const words = this.#words;
    for (let entry = key0 & this.#mask; ; entry = (entry + 1) & this.#mask) {
      const at = entry * WORDS;
      if (words[at + 1] === 0 || (words[at] === (key0 | 0) && words[at + 1] === second)) return at;
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#mask = (this.#mask + 1) * 2 - 1;
    this.#words = new Int32Array((this.#mask + 1) * WORDS);
    for (let from = 0; from < old.length; from += WORDS) {
      if (old[from + 1] !== 0)
        this.#words.set(old.subarray(from, from + WORDS), this.#probe(old[from] ?? 0, old[from + 1] ?? 0));
    }
  }
}

/** As in RecentTable: an entry in use never looks like an unused one, whose second word is 0. */
const present = (word: number): number => word | 1;
