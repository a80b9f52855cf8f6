import { UserpulseError } from '../errors.ts';
import { boundOf } from './counted-top.ts';

/** A key of three words, and how often it was added. */
export interface Entry {
  readonly high: number;
  readonly middle: number;
  readonly low: number;
  readonly count: number;
}

const before = (a: Entry, b: Entry): boolean =>
  a.count !== b.count
    ? a.count > b.count
    : a.high !== b.high
      ? a.high < b.high
      : a.middle !== b.middle
        ? a.middle < b.middle
        : a.low < b.low;

export interface IdCounterOptions {
  readonly mostIds?: number;
  readonly memory?: (change: number) => void;
}

/** @param what they are, in the plural */
export const tooManyDifferent = (most: number, what: string): UserpulseError =>
  new UserpulseError(
    'bad_request',
    `More than ${most.toLocaleString('en-US')} different ${what} would have to be told apart.`,
    { hint: 'Ask for a shorter range or for fewer types.' },
  );

/** Words of a place in the table: three of the key and the count, which lie side by side because each look at a place is a cache miss. */
const WORDS = 4;

/** Parts of the table. Each grows by itself, so that the copy that growing takes is of one part only. */
const PARTS = 16;

/** Counts by 96-bit key. Each takes at most 64 bytes. */
export class IdTable {
  readonly #most: number;
  readonly #memory: (change: number) => void;
  readonly #what: string;
  readonly #parts = Array.from({ length: PARTS }, () => new Part());
  size = 0;

  /**
   * @param most bound of different keys
   * @param what its keys are, for the message
   * @param memory told how many bytes more or less the table takes than at first; what it throws ends the counting
   */
  constructor(most: number, memory: (change: number) => void, what = 'ids') {
    this.#most = most;
    this.#what = what;
    this.#memory = memory;
  }

  /** @returns whether the key is new. @throws UserpulseError bad_request; what `memory` throws */
  add(high: number, middle: number, low: number): boolean {
    const mixed = hash(high, middle, low);
    const part = this.#parts[mixed >>> 28];
    if (part?.add(mixed, high, middle, low) !== true) return false;
    this.size++;
    if (this.size > this.#most) throw tooManyDifferent(this.#most, this.#what);
    if (part.isFull) {
      this.#memory(part.bytes * 2);
      this.#memory(-part.grow());
    }
    return true;
  }

  /** Forgets all keys, and keeps its memory. */
  clear(): void {
    this.size = 0;
    for (const part of this.#parts) part.clear();
  }

  top(n: number): Entry[] {
    const best = new Best(n);
    for (const part of this.#parts) part.addTo(best);
    return best.sorted();
  }

  /** How often it was added. */
  countOf(high: number, middle: number, low: number): number {
    const mixed = hash(high, middle, low);
    return this.#parts[mixed >>> 28]?.countOf(mixed, high, middle, low) ?? 0;
  }

  /** All keys that were added more often than `bound`, which is `least` or more, in any order: at most so many. */
  frequent(most: number, least = 0): { readonly entries: readonly Entry[]; readonly bound: number } {
    const counts = new Uint32Array(this.size);
    let at = 0;
    for (const part of this.#parts) at = part.copyCounts(counts, at);
    const bound = boundOf(counts, most, least);
    return { entries: this.#parts.flatMap((part) => part.above(bound)), bound };
  }
}

/** Open addressing in a flat array, at most half full. A count of 0 marks a free place. */
class Part {
  #mask = (1 << 8) - 1;
  #places = new Uint32Array(WORDS << 8);
  #size = 0;

  get isFull(): boolean {
    return this.#size * 2 > this.#mask;
  }

  get bytes(): number {
    return this.#places.byteLength;
  }

  clear(): void {
    this.#places.fill(0);
    this.#size = 0;
  }

  /** @returns whether the key is new */
  add(mixed: number, high: number, middle: number, low: number): boolean {
    const at = this.#find(mixed, high, middle, low);
    const count = this.#places[at + 3] ?? 0;
    this.#places[at + 3] = count + 1;
    if (count > 0) return false;
    this.#put(at, high, middle, low);
    this.#size++;
    return true;
  }

  countOf(mixed: number, high: number, middle: number, low: number): number {
    return this.#places[this.#find(mixed, high, middle, low) + 3] ?? 0;
  }

  #put(at: number, high: number, middle: number, low: number): void {
    this.#places[at] = high;
    this.#places[at + 1] = middle;
    this.#places[at + 2] = low;
  }

  /** Where the place of a key begins, or the free one where it belongs. */
  #find(mixed: number, high: number, middle: number, low: number): number {
    const places = this.#places;
    const mask = this.#mask;
    let place = mixed & mask;
    for (;;) {
      const at = place * WORDS;
      if (places[at + 3] === 0 || (places[at + 2] === low && places[at + 1] === middle && places[at] === high))
        return at;
      place = (place + 1) & mask;
    }
  }

  /** @returns bytes that it took before, and that are free now */
  grow(): number {
    const old = this.#places;
    this.#mask = this.#mask * 2 + 1;
    this.#places = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += WORDS) {
      const [high = 0, middle = 0, low = 0, count = 0] = [old[at], old[at + 1], old[at + 2], old[at + 3]];
      if (count === 0) continue;
      const to = this.#find(hash(high, middle, low), high, middle, low);
      this.#put(to, high, middle, low);
      this.#places[to + 3] = count;
    }
    return old.byteLength;
  }

  /** @returns where the next count belongs */
  copyCounts(to: Uint32Array, from: number): number {
    const places = this.#places;
    let next = from;
    for (let at = WORDS - 1; at < places.length; at += WORDS) {
      const count = places[at] ?? 0;
      if (count > 0) to[next++] = count;
    }
    return next;
  }

  /** Keys that were added more often. */
  above(bound: number): Entry[] {
    const places = this.#places;
    const found: Entry[] = [];
    for (let at = 0; at < places.length; at += WORDS) {
      const count = places[at + 3] ?? 0;
      if (count <= bound) continue;
      const [high = 0, middle = 0, low = 0] = [places[at], places[at + 1], places[at + 2]];
      found.push({ high, middle, low, count });
    }
    return found;
  }

  addTo(best: Best): void {
    const places = this.#places;
    for (let at = 0; at < places.length; at += WORDS) {
      const count = places[at + 3] ?? 0;
      // Most ids are far from the first: look at their key only where it can matter.
      if (count === 0 || count < best.least) continue;
      const [high = 0, middle = 0, low = 0] = [places[at], places[at + 1], places[at + 2]];
      best.add({ high, middle, low, count });
    }
  }
}

/** The first n of many, sorted once in a while: putting each where it belongs would take as many steps as there are ids times n. */
class Best {
  readonly #n: number;
  #entries: Entry[] = [];
  #last: Entry | undefined;

  constructor(n: number) {
    this.#n = n;
  }

  /** Whoever occurs more rarely is not among them. */
  get least(): number {
    return this.#last?.count ?? 0;
  }

  add(entry: Entry): void {
    if (this.#last !== undefined && !before(entry, this.#last)) return;
    this.#entries.push(entry);
    if (this.#entries.length >= 2 * this.#n + 16) this.sorted();
  }

  sorted(): Entry[] {
    this.#entries = this.#entries.sort((a, b) => (before(a, b) ? -1 : 1)).slice(0, this.#n);
    if (this.#entries.length === this.#n) this.#last = this.#entries.at(-1);
    return this.#entries;
  }
}

/** Mixes the words so that ids that differ in few digits fall on different places (murmur3's finalizer). */
function hash(high: number, middle: number, low: number): number {
  let h = Math.imul(high ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(middle ^ (high >>> 15), 0xc2b2ae35) ^ low;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
