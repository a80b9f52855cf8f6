/**
 * MurmurHash3_x86_32, seed 0 (Austin Appleby, public domain): fast, well spread, and to be had in every language, which matters because its values are
 * part of the data contract. It is not meant to withstand someone who seeks collisions.
 */

/** @param bytes a text whose units stand for bytes, 0 to 255 each. @returns an unsigned number */
export function murmur32OfBytes(bytes: string): number {
  const length = bytes.length;
  let at = length - (length % 4);
  const hash = blocks(bytes, at);
  let tail = 0;
  for (let shift = 0; at < length; at++, shift += 8) tail |= bytes.charCodeAt(at) << shift;
  return mix(hash ^ scramble(tail) ^ length) >>> 0;
}

/** The state behind the first `end` bytes, a multiple of four. */
export function blocks(bytes: string, end: number): number {
  let hash = 0;
  for (let at = 0; at < end; at += 4) {
    hash ^= scramble(
      bytes.charCodeAt(at) |
        (bytes.charCodeAt(at + 1) << 8) |
        (bytes.charCodeAt(at + 2) << 16) |
        (bytes.charCodeAt(at + 3) << 24),
    );
    hash = (Math.imul(rotate(hash, 13), 5) + 0xe6546b64) | 0;
  }
  return hash;
}

const scramble = (block: number): number => Math.imul(rotate(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593);

export const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** The finaliser: every bit of the input reaches every bit of the output. */
export function mix(word: number): number {
  let hash = word;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
