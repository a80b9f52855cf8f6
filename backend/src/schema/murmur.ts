import { blocks, mix, murmur32OfBytes, rotate } from '../../../contract/murmur32.ts';

/**
 * MurmurHash3 (Austin Appleby, public domain): fast, well spread, and to be had in every language, which matters for the 32-bit one because
 * its values are part of the data contract. Neither is meant to withstand someone who seeks collisions.
 */

/** MurmurHash3_x86_32, seed 0, over the UTF-8 bytes of a text, as an unsigned number. A lone surrogate counts as U+FFFD. */
export function murmur32(text: string): number {
  // Each unit is taken for a byte, which holds for ASCII. Other texts are first turned into their bytes, one unit each.
  return murmur32OfBytes(isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1'));
}

/**
 * The four bytes (lowest first) that, appended to a text, give the whole a certain {@link murmur32}. Every step of the hash can be undone, so there
 * is exactly one such block.
 * @param text ASCII; its length is a multiple of four
 */
export function blockToReach(hash: number, text: string): number {
  let wanted = unmix(hash) ^ (text.length + 4);
  wanted = Math.imul((wanted - 0xe6546b64) | 0, INVERSE_5);
  const scrambled = rotate(wanted, 32 - 13) ^ blocks(text, text.length);
  return Math.imul(rotate(Math.imul(scrambled, INVERSE_S2), 32 - 15), INVERSE_S1);
}

/** Modulo 2^32. */
const INVERSE_5 = 0xcccccccd;
const INVERSE_S1 = 0xdee13bb1;
const INVERSE_S2 = 0x56ed309b;
const INVERSE_M1 = 0xa5cb9243;
const INVERSE_M2 = 0x7ed1b41d;

/** The inverse of {@link mix}. */
function unmix(word: number): number {
  let hash = word;
  hash = Math.imul(hash ^ (hash >>> 16), INVERSE_M2);
  hash = Math.imul(hash ^ (hash >>> 13) ^ (hash >>> 26), INVERSE_M1);
  return hash ^ (hash >>> 16);
}

function isAscii(text: string): boolean {
  let seen = 0;
  for (let at = 0; at < text.length; at++) seen |= text.charCodeAt(at);
  return seen < 0x80;
}

/** Four signed 32-bit words. */
export type Hash128 = readonly [number, number, number, number];

/**
 * MurmurHash3_x86_128 over the UTF-16 units of a text (low byte first), each lane seeded apart so that one hash can continue another.
 * Over units, not UTF-8, so that texts that differ in lone surrogates only differ here too.
 *
 * The text is given piece by piece: to join the pieces first would make a text that is garbage at once.
 */
export class Murmur128 {
  #units = new Uint16Array(256);
  #length = 0;

  text(text: string): this {
    this.#makeRoom(text.length);
    const units = this.#units;
    let at = this.#length;
    for (let unit = 0; unit < text.length; unit++) units[at++] = text.charCodeAt(unit);
    this.#length = at;
    return this;
  }

  /** As {@link text} of a whole number from 0 to 2^53 - 1 in decimal. */
  number(value: number): this {
    let digits = 1;
    for (let least = 10; least <= value; least *= 10) digits++;
    this.#makeRoom(digits);
    let rest = value;
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      const tens = Math.floor(rest / 10);
      this.#units[at] = 0x30 + (rest - tens * 10);
      rest = tens;
    }
    this.#length += digits;
    return this;
  }

  /** The hash of all that was given; what is given from here on is another text. */
  end(seed: Hash128 = [0, 0, 0, 0]): Hash128 {
    const length = this.#length;
    this.#makeRoom(BLOCK);
    // The padding that the algorithm asks for.
    for (let at = length; at < length + BLOCK; at++) this.#units[at] = 0;
    this.#length = 0;
    return hashOf(this.#units, length, seed);
  }

  #makeRoom(more: number): void {
    if (this.#length + more <= this.#units.length) return;
    const larger = new Uint16Array((this.#length + more) * 2);
    larger.set(this.#units);
    this.#units = larger;
  }
}

/** Units hashed at a time. */
const BLOCK = 8;

/** @param units with a block of zeros behind the text */
function hashOf(units: Uint16Array, length: number, seed: Hash128): Hash128 {
  let [h1, h2, h3, h4] = seed;
  let at = 0;
  for (; at + BLOCK <= length; at += BLOCK) {
    h1 ^= lane1(pair(units, at));
    h1 = (Math.imul((rotate(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= lane2(pair(units, at + 2));
    h2 = (Math.imul((rotate(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= lane3(pair(units, at + 4));
    h3 = (Math.imul((rotate(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= lane4(pair(units, at + 6));
    h4 = (Math.imul((rotate(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  h1 ^= lane1(pair(units, at));
  h2 ^= lane2(pair(units, at + 2));
  h3 ^= lane3(pair(units, at + 4));
  h4 ^= lane4(pair(units, at + 6));

  const bytes = length * 2;
  h1 ^= bytes;
  h2 ^= bytes;
  h3 ^= bytes;
  h4 ^= bytes;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = mix(h1);
  h2 = mix(h2);
  h3 = mix(h3);
  h4 = mix(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  return [h1, (h2 + h1) | 0, (h3 + h1) | 0, (h4 + h1) | 0];
}

const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;

const pair = (units: Uint16Array, at: number): number => (units[at] ?? 0) | ((units[at + 1] ?? 0) << 16);
const lane1 = (block: number): number => Math.imul(rotate(Math.imul(block, C1), 15), C2);
const lane2 = (block: number): number => Math.imul(rotate(Math.imul(block, C2), 16), C3);
const lane3 = (block: number): number => Math.imul(rotate(Math.imul(block, C3), 17), C4);
const lane4 = (block: number): number => Math.imul(rotate(Math.imul(block, C4), 18), C1);
