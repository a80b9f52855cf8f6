import type { InteractionEvent } from '../event/event.ts';
import { murmur128, murmur32, type Hash128 } from './murmur.ts';

/** Nanoseconds in a millisecond: the offsets that points of one series and millisecond can have. */
export const OFFSETS = 1_000_000;

/**
 * The offset of an event's points within their millisecond, 0 to 999,999 ns, from the event id alone:
 * MurmurHash3_x86_32 (seed 0) of the id's UTF-8 bytes, modulo 10^6. Part of the data contract: another value for an id already written
 * would write a second point beside the first. Test vectors: identity.test.ts.
 */
export function baseOffset(eventId: string): number {
  return murmur32(eventId) % OFFSETS;
}

/** Values of the tag `part` of split totals: '0' to '63'. */
export const PARTS = 64;

/**
 * The tag `part` of an event's point among split totals, 0 to 63. Part of the data contract. Another part of the same hash than the offset: the
 * remainder by 10^6 decides the remainder by 64, and events that want one offset would all have one part.
 */
export function partOf(eventId: string): number {
  return Math.floor(murmur32(eventId) / OFFSETS) % PARTS;
}

/** The offset after this one, where the own one is taken: the next nanosecond, and from the end of the millisecond back to its beginning. */
export const nextOffset = (offsetNs: number): number => (offsetNs + 1 === OFFSETS ? 0 : offsetNs + 1);

/** What tells events apart, computed once per event and used for each of its points. */
export interface EventIdentity {
  /** {@link baseOffset} */
  readonly offsetNs: number;
  /** Hash of the event id alone. */
  readonly id: Hash128;
  /** Hash of the event id, type, ids and occurredAt: what makes events equal. */
  readonly key: Hash128;
}

/**
 * 128 bits each: among 10^12 events the chance that any two share a key is below 10^-14. Hand-written hashes and not node:crypto, whose calls
 * cost more than all the rest of an event's way to its points. They do not withstand someone who seeks a collision; such a person gains nothing,
 * since whoever may put to the stream may put any event.
 */
export function identityOf(event: InteractionEvent): EventIdentity {
  const id = murmur128(event.eventId);
  const rest = `${event.type}|${event.occurredAtMs}|${part(event.actorId)}|${part(event.receiverId)}|${part(event.shareId)}`;
  return { offsetNs: baseOffset(event.eventId), id, key: murmur128(rest, id) };
}

/** An id without the separator: text ids may hold one, but no white space. */
const part = (id = ''): string => (id.includes('|') ? id.replaceAll('|', ' ') : id);

/** Identity of equal events as 32 hex digits. For logs and checkpoints; per event use {@link identityOf}. */
export function eventKey(event: InteractionEvent): string {
  return hexOf(identityOf(event).key);
}

/** 32-bit words → 8 hex digits each. */
export const hexOf = (words: readonly number[]): string =>
  words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
