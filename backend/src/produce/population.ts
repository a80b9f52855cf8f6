import { mix } from '../../../contract/murmur32.ts';

/** Ids of a generated social network. All of them are functions of the seed and the rank, so that no list of users is kept. */

/**
 * Id of the user of a rank from 1, distinct for ranks up to 2^32-1. Most ids have up to ten digits and are spread over all prefixes. Every 16th
 * user joined after ids had become 64 bits wide, as Twitter's did: 19 digits, far beyond 2^53 and close together, so that a reader that rounds
 * confuses them.
 */
export function userId(rank: number): string {
  if (rank % 16 === 5) return (1_500_000_000_000_000_000n + BigInt(rank) * 3n).toString();
  // Multiplying by an odd number modulo 2^32 gives each rank a different id, and 0 only to rank 0.
  return String(Math.imul(rank, 0x9e3779b1) >>> 0);
}

/**
 * A BSON ObjectId: the creation second (8 hex digits), five bytes for the machine and three of a counter.
 * Shares were created one after the other during the days before the run, number 0 last.
 */
export function shareId(index: number, count: number, seed: number, startMs: number): string {
  const age = SHARE_AGE_SECONDS * (index / count);
  const second = Math.floor(startMs / 1000 - age);
  const machine = hex(mix(seed ^ 0x5bd1e995), 8) + hex(mix(seed + 1) & 0xff, 2);
  return hex(second, 8) + machine + hex(index & 0xffffff, 6);
}

/** Rank of the share's author. Many authors have several shares, and the author seen most is not the busiest actor. */
export function authorRank(index: number, users: number): number {
  return 1 + ((Math.imul(index + 1, 0x2545f491) >>> 0) % users);
}

/** Age of the oldest share: a week, in seconds. */
const SHARE_AGE_SECONDS = 7 * 86_400;

const hex = (value: number, digits: number): string => (value >>> 0).toString(16).padStart(digits, '0');
