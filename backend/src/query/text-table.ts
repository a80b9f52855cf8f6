import type { IdFormatRow } from '../../../contract/ids.ts';
import { mix } from '../../../contract/murmur32.ts';
import { boundOf, idOrder, type Frequent } from './counted-top.ts';
import { tooManyDifferent } from './id-table.ts';

/** Words of a place in the table: hash, where the text begins, its length, its group, its count. */
const WORDS = 5;

export interface TextCount {
  readonly id: string;
  readonly count: number;
}

/** Counts by text, and a number that tells groups of texts apart. The texts lie one behind the other: no string is made of any until it is asked for. */
export class TextTable {
  readonly #most: number;
  readonly #memory: (change: number) => void;
  readonly #what: string;
  #mask = (1 << 10) - 1;
  /** Open addressing, at most half full. A count of 0 marks a free place. */
  #places = new Uint32Array(WORDS << 10);
  #texts = Buffer.alloc(1 << 16);
  #used = 0;
  size = 0;

  /**
   * @param most bound of different texts
   * @param memory told how many bytes more or less the table takes than at first; what it throws ends the counting
   * @param what its texts are, for the message
   */
  constructor(most: number, memory: (change: number) => void, what = 'ids') {
    this.#most = most;
    this.#memory = memory;
    this.#what = what;
  }

  /**
   * @param bytes ASCII, of which the text is from `from` to before `to`
   * @returns whether it is new. @throws UserpulseError bad_request; what `memory` throws
   */
  add(group: number, bytes: Uint8Array, from: number, to: number): boolean {
    const hash = hashOf(group, bytes, from, to);
    const length = to - from;
    const at = this.#find(hash, group, bytes, from, length);
    const places = this.#places;
    const count = places[at + 4] ?? 0;
    places[at + 4] = count + 1;
    if (count > 0) return false;
    this.size++;
    if (this.size > this.#most) throw tooManyDifferent(this.#most, this.#what);
    if (this.#used + length > this.#texts.length) this.#growTexts();
    places[at] = hash;
    places[at + 1] = this.#used;
    places[at + 2] = length;
    places[at + 3] = group;
    this.#texts.set(bytes.subarray(from, to), this.#used);
    this.#used += length;
    if (this.size * 2 > this.#mask) this.#growPlaces();
    return true;
  }

  /** Forgets all texts, and keeps its memory. */
  clear(): void {
    this.size = this.#used = 0;
    this.#places.fill(0);
  }

  /** The `n` most frequent of all groups, ties as {@link idOrder} says. */
  top(n: number, stored: IdFormatRow['stored']): TextCount[] {
    const order = idOrder(stored);
    const before = (a: TextCount, b: TextCount): boolean =>
      a.count !== b.count ? a.count > b.count : order(a.id, b.id) < 0;
    const best: TextCount[] = [];
    for (let at = 0; at < this.#places.length; at += WORDS) {
      const count = this.#places[at + 4] ?? 0;
      const last = best[n - 1];
      if (count === 0 || (last !== undefined && count < last.count)) continue;
      const id = this.#textAt(at);
      if (last !== undefined && !before({ id, count }, last)) continue;
      const place = best.findIndex((other) => before({ id, count }, other));
      best.splice(place === -1 ? best.length : place, 0, { id, count });
      if (best.length > n) best.pop();
    }
    return best;
  }

  /** How often it was added. @param bytes as {@link add} */
  countOf(group: number, bytes: Uint8Array): number {
    const at = this.#find(hashOf(group, bytes, 0, bytes.length), group, bytes, 0, bytes.length);
    return this.#places[at + 4] ?? 0;
  }

  /** All texts that were added more often than `bound`, which is `least` or more, in any order: at most so many. */
  frequent(most: number, least = 0): Frequent {
    const counts = new Uint32Array(this.size);
    let next = 0;
    for (let at = 4; at < this.#places.length; at += WORDS) {
      const count = this.#places[at] ?? 0;
      if (count > 0) counts[next++] = count;
    }
    const bound = boundOf(counts, most, least);
    const ids: TextCount[] = [];
    for (let at = 0; at < this.#places.length; at += WORDS) {
      const count = this.#places[at + 4] ?? 0;
      if (count > bound) ids.push({ id: this.#textAt(at), count });
    }
    return { ids, bound };
  }

  /** Of a place. */
  #textAt(at: number): string {
    const start = this.#places[at + 1] ?? 0;
    return this.#texts.toString('latin1', start, start + (this.#places[at + 2] ?? 0));
  }

  /** Where the place of a text begins, or the free one where it belongs. */
  #find(hash: number, group: number, bytes: Uint8Array, from: number, length: number): number {
    const places = this.#places;
    let place = hash & this.#mask;
    for (;;) {
      const at = place * WORDS;
      if (places[at + 4] === 0) return at;
      if (places[at] === hash && places[at + 2] === length && places[at + 3] === group) {
        const start = places[at + 1] ?? 0;
        let same = 0;
        while (same < length && this.#texts[start + same] === bytes[from + same]) same++;
        if (same === length) return at;
      }
      place = (place + 1) & this.#mask;
    }
  }

  #growTexts(): void {
    const old = this.#texts;
    this.#memory(old.length * 2);
    this.#texts = Buffer.alloc(old.length * 2);
    this.#texts.set(old);
    this.#memory(-old.length);
  }

  #growPlaces(): void {
    const old = this.#places;
    this.#memory(old.byteLength * 2);
    this.#mask = this.#mask * 2 + 1;
    this.#places = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 4] === 0) continue;
      let place = (old[at] ?? 0) & this.#mask;
      while (this.#places[place * WORDS + 4] !== 0) place = (place + 1) & this.#mask;
      this.#places.set(old.subarray(at, at + WORDS), place * WORDS);
    }
    this.#memory(-old.byteLength);
  }
}

/** FNV-1a, and the finaliser of MurmurHash3, so that the lowest bits are as good as all others. */
function hashOf(group: number, bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5 ^ group;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return mix(hash) >>> 0;
}
