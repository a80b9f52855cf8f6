import { blockToReach, murmur32 } from '../schema/murmur.ts';
import type { ErasureKey } from './erasure-key.ts';

const PREFIX = 'erased-';
/** As base64url writes numbers: four of these are one block of the hash. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** With the three characters that are tried and the last block, a multiple of four. */
const HASH_CHARACTERS = 22;
const ID = /^erased-[A-Za-z0-9_-]{29}$/;

/**
 * The event id of an erased event, in place of one that may name somebody: `erased-` and 29 characters. It has the hash of the one before, and with it
 * the same offset and part, so that the points which stay do not move. An event that was sent twice gets one id, and an erased one keeps its.
 */
export function erasedEventId(eventId: string, key: ErasureKey): string {
  if (ID.test(eventId)) return eventId;
  const hash = murmur32(eventId);
  const start = PREFIX + key.eventHash(eventId).toString('base64url').slice(0, HASH_CHARACTERS);
  // One last block in 256 is of these characters.
  for (let attempt = 0; attempt < ALPHABET.length ** 3; attempt++) {
    const text = start + characters(attempt);
    const block = blockToReach(hash, text);
    const end = String.fromCharCode(block & 0xff, (block >>> 8) & 0xff, (block >>> 16) & 0xff, block >>> 24);
    if (/^[A-Za-z0-9_-]{4}$/.test(end)) return text + end;
  }
  throw new Error(`No event id was found that has the hash ${hash}.`);
}

const characters = (n: number): string => [n >> 12, n >> 6, n].map((digit) => ALPHABET[digit & 63] ?? '').join('');
