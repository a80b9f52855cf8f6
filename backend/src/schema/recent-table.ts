/**
 * A fixed-size memory of what was put lately: a set-associative table in one typed array, like a processor's cache. Key and value are
 * 64-bit hashes as two 32-bit words. When the set that a key belongs to is full its oldest entry goes.
 * Two keys with one hash are one key: callers choose what that costs. Of the value one word is kept, because it is asked for only where the keys
 * are one already: for two events that want one offset, a chance of one in 2^32 more.
 */
export class RecentTable {
  readonly #words: Int32Array;
  readonly #oldest: Uint8Array;
  readonly #setMask: number;

  /** @param capacity entries, 12 bytes each; rounded up to a power of two, at least 8 */
  constructor(capacity: number) {
    let sets = 1;
    while (sets * WAYS < capacity) sets *= 2;
    this.#words = new Int32Array(sets * WAYS * WORDS);
    this.#oldest = new Uint8Array(sets);
    this.#setMask = sets - 1;
  }

  /** @returns a handle for {@link holds}, or -1 where the key is not remembered */
  find(key0: number, key1: number): number {
    const words = this.#words;
    const second = present(key1);
    const start = (key0 & this.#setMask) * (WAYS * WORDS);
    for (let at = start; at < start + WAYS * WORDS; at += WORDS) {
      if (words[at] === (key0 | 0) && words[at + 1] === second) return at;
    }
    return -1;
  }

  /** Whether the entry found has this value. */
  holds(handle: number, value0: number, value1: number): boolean {
    return this.#words[handle + 2] === kept(value0, value1);
  }

  /** Remembers a key that {@link find} did not find. */
  add(key0: number, key1: number, value0: number, value1: number): void {
    const words = this.#words;
    const set = key0 & this.#setMask;
    const way = this.#oldest[set] ?? 0;
    this.#oldest[set] = (way + 1) % WAYS;
    this.replace((set * WAYS + way) * WORDS, value0, value1);
    words[(set * WAYS + way) * WORDS] = key0;
    words[(set * WAYS + way) * WORDS + 1] = present(key1);
  }

  /** Another value for the entry found. */
  replace(handle: number, value0: number, value1: number): void {
    this.#words[handle + 2] = kept(value0, value1);
  }
}

const WAYS = 8;
const WORDS = 3;

/** The second key word with its lowest bit set, so that an entry in use is never all zeros, which is how an unused one looks. */
const present = (word: number): number => word | 1;

/** What is remembered of a value: its words are hashes, and unlike each other. */
const kept = (value0: number, value1: number): number => value0 ^ value1;
