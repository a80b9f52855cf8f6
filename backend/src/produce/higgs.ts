import { createHash } from 'node:crypto';
import type { EventFields } from './event-json.ts';

/**
 * The "activity time" file of the Higgs Twitter dataset (SNAP): one interaction a line, `actor receiver unix_seconds type`, type RT (retweet),
 * MT (mention) or RE (reply), in the order of time.
 */
const LINE = /^([1-9]\d{0,18}) ([1-9]\d{0,18}) ([1-9]\d{8,9}) (RT|MT|RE)$/;

const TYPES: ReadonlyMap<string, string> = new Map([
  ['RT', 'retweet'],
  ['MT', 'mention'],
  ['RE', 'reply'],
]);

/**
 * The event that a line stands for, or undefined where it is none.
 *
 * - `eventId`: half a SHA-256 of the line, since no two lines are equal. Moved in time the event is another one, so the shift joins the hash:
 *   a file replayed at two shifts gives two sets of events and breaks no rule.
 * - `shareId`: the file names none; retweets and replies go to one share per receiver and hour, whose ObjectId is the hour's Unix second
 *   (8 hex digits) and the receiver's id (16).
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

/** ObjectId of the share that stands for all of a receiver's shares of one hour. */
export function hourlyShare(receiverId: string, occurredAtMs: number): string {
  const hour = Math.floor(occurredAtMs / 3_600_000) * 3_600;
  return hour.toString(16).padStart(8, '0') + BigInt(receiverId).toString(16).padStart(16, '0');
}
