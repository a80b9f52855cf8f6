import { createHash } from 'node:crypto';
import type { EventFields } from './event-json.ts';

/**
 * A line of the "activity time" file of the Higgs Twitter dataset (SNAP): `actor receiver unix_seconds type`, with type RT (retweet), MT
 * (mention) or RE (reply). Lines are ordered by time.
 */
const LINE = /^([1-9]\d{0,18}) ([1-9]\d{0,18}) ([1-9]\d{8,9}) (RT|MT|RE)$/;

const TYPES: ReadonlyMap<string, string> = new Map([
  ['RT', 'retweet'],
  ['MT', 'mention'],
  ['RE', 'reply'],
]);

/**
 * The event of a line; undefined where it is not one.
 *
 * - `eventId`: half of the SHA-256 of the line, since no two lines are equal. The shift is part of the hash, because an event shifted in time
 *   is another event: a file sent with two shifts gives two sets of events and violates no rule.
 * - `shareId`: the file has none. Retweets and replies go to one share per receiver and hour, whose ObjectId is the hour's Unix second
 *   (8 hex digits) and the receiver's ID (16).
 *
 * @param shiftMs added to the time of the line, in ms
 */
export function higgsEvent(line: string, shiftMs = 0): EventFields | undefined {
  const [, actorId, receiverId, second, code] = LINE.exec(line) ?? [];
  const type = TYPES.get(code ?? '');
  if (actorId === undefined || receiverId === undefined || second === undefined || type === undefined) return undefined;
  const occurredAtMs = Number(second) * 1000 + shiftMs;
  const identity = shiftMs === 0 ? line : `${line} +${shiftMs}`;
  return {
    eventId: createHash('sha256').update(identity).digest('hex').slice(0, 32),
    type,
    occurredAtMs,
    actorId,
    receiverId,
    shareId: type === 'mention' ? undefined : hourlyShare(receiverId, occurredAtMs),
  };
}

/** ObjectId of the share that represents all shares of a receiver within one hour. */
export function hourlyShare(receiverId: string, occurredAtMs: number): string {
  const hour = Math.floor(occurredAtMs / 3_600_000) * 3_600;
  return hour.toString(16).padStart(8, '0') + BigInt(receiverId).toString(16).padStart(16, '0');
}
