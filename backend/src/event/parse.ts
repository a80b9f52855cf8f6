import { isUtf8 } from 'node:buffer';
import { EARLIEST_MS, MAX_USER_ID, type InteractionEvent, type Rejection, type RejectionCode } from './event.ts';
import { jsonSyntaxError } from './json-error.ts';
import { memberName, numberLiteral, type MemberName } from './literal.ts';
import { parseRfc3339 } from './timestamp.ts';

export interface ParsedEvent {
  readonly event: InteractionEvent;
  /**
   * The archive line without its final newline: the bytes received, without white space at both ends; each byte of an inner line break
   * (in JSON only white space can hold one) is a space. Usually a view of the bytes received.
   */
  readonly line: Uint8Array;
}

export interface ArrivalRule {
  /** Kinesis's ApproximateArrivalTimestamp in ms: a late reader decides as an early one does. */
  readonly arrivalMs: number;
  /** How far `occurredAt` may be ahead of the arrival, in ms. */
  readonly maxAheadMs: number;
}

/** Bytes → event, or every rule they break. Never throws, whatever the bytes. */
export function parseEvent(data: Uint8Array, rule: ArrivalRule): ParsedEvent | Rejection {
  // A view costs more than it looks, and lives as long as the record: none where there is one.
  const bytes = Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (!isUtf8(bytes)) {
    return reject('not_utf8', 'The record is not UTF-8. Send one JSON object in UTF-8 per record.');
  }
  const text = bytes.toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return notJson(text);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return reject('not_an_object', `The record is ${describe(parsed)}. Send one JSON object per record.`);
  }
  const event = readEvent(parsed, text, rule);
  return 'code' in event ? event : { event, line: lineOf(bytes, text) };
}

type JsonObject = { readonly [name in keyof InteractionEvent | 'occurredAt']?: unknown };

const ACTOR_ID = memberName('actorId');
const RECEIVER_ID = memberName('receiverId');
const OCCURRED_AT = memberName('occurredAt');
const TYPE = /^[a-z][a-z0-9_]{0,31}$/;
const SHARE_ID = /^[0-9a-f]{24}$/;
const USER_ID = /^[1-9][0-9]{0,18}$/;
const INTEGER = /^-?[0-9]+$/;

function readEvent(object: JsonObject, text: string, rule: ArrivalRule): InteractionEvent | Rejection {
  const eventId = readEventId(object.eventId);
  const type = readType(object.type);
  const occurredAtMs = readOccurredAt(object.occurredAt, text, rule);
  const actorId = readUserId(object.actorId, text, ACTOR_ID, 'actor_id_invalid');
  const receiverId =
    object.receiverId == null ? undefined : readUserId(object.receiverId, text, RECEIVER_ID, 'receiver_id_invalid');
  const shareId = object.shareId == null ? undefined : readShareId(object.shareId);
  if (
    typeof eventId === 'string' &&
    typeof type === 'string' &&
    typeof occurredAtMs === 'number' &&
    typeof actorId === 'string' &&
    typeof receiverId !== 'object' &&
    typeof shareId !== 'object'
  ) {
    if (receiverId !== undefined || shareId !== undefined) {
      return { eventId, type, occurredAtMs, actorId, receiverId, shareId };
    }
    return reject('target_missing', 'Neither receiverId nor shareId is present. An event needs at least one of them.');
  }
  // The code is that of the first problem; the reason names all of them, so that one look is enough to mend the producer.
  const problems = [eventId, type, occurredAtMs, actorId, receiverId, shareId].filter(
    (field) => typeof field === 'object',
  );
  return { code: problems[0]?.code ?? 'not_an_object', reason: problems.map((problem) => problem.reason).join(' ') };
}

function readEventId(value: unknown): string | Rejection {
  if (typeof value === 'string' && value.length >= 1 && value.length <= 128) return value;
  const found =
    typeof value === 'string' && value !== '' ? `has ${value.length} UTF-16 units` : `is ${describe(value)}`;
  return reject('event_id_invalid', `eventId ${found}: it must be a string of 1 to 128 UTF-16 units.`);
}

function readType(value: unknown): string | Rejection {
  if (typeof value === 'string' && TYPE.test(value)) return value;
  return reject(
    'type_invalid',
    `type is ${describe(value)}: it must be a string that begins with a-z and has at most 32 of a-z 0-9 _.`,
  );
}

function readUserId(value: unknown, text: string, member: MemberName, code: RejectionCode): string | Rejection {
  const digits = typeof value === 'string' ? value : typeof value === 'number' ? numberLiteral(text, member) : '';
  // Equal lengths compare as numbers do.
  if (USER_ID.test(digits) && (digits.length < MAX_USER_ID.length || digits <= MAX_USER_ID)) return digits;
  const found = typeof value === 'number' ? shorten(digits) : describe(value);
  return reject(
    code,
    `${member.name} is ${found}: it must be an integer from 1 to ${MAX_USER_ID}, written with digits only, or the same as a string.`,
  );
}

function readShareId(value: unknown): string | Rejection {
  if (typeof value === 'string' && SHARE_ID.test(value)) return value;
  return reject('share_id_invalid', `shareId is ${describe(value)}: it must be 24 lower-case hex digits.`);
}

function readOccurredAt(value: unknown, text: string, rule: ArrivalRule): number | Rejection {
  let ms: number;
  if (typeof value === 'string') {
    const time = parseRfc3339(value);
    if (typeof time === 'string') return reject('occurred_at_invalid', `occurredAt ${describe(value)} ${time}.`);
    ms = time;
  } else if (typeof value === 'number') {
    const literal = numberLiteral(text, OCCURRED_AT);
    if (!INTEGER.test(literal)) {
      return reject(
        'occurred_at_invalid',
        `occurredAt is ${shorten(literal)}: as a number it must be whole milliseconds since 1970.`,
      );
    }
    ms = value;
  } else {
    return reject(
      'occurred_at_invalid',
      `occurredAt is ${describe(value)}: it must be an RFC 3339 string with an offset, or whole milliseconds since 1970.`,
    );
  }
  if (ms >= EARLIEST_MS && ms <= rule.arrivalMs + rule.maxAheadMs) return ms;
  const found = typeof value === 'string' ? describe(value) : shorten(numberLiteral(text, OCCURRED_AT));
  if (ms < EARLIEST_MS) {
    const seconds =
      typeof value === 'number' && ms * 1000 >= EARLIEST_MS ? ' Is it in seconds? Send milliseconds.' : '';
    return reject('occurred_at_too_early', `occurredAt ${found} is before 2000-01-01T00:00:00Z.${seconds}`);
  }
  return reject(
    'occurred_at_ahead',
    `occurredAt ${found} is more than ${rule.maxAheadMs} ms ahead of the arrival on the stream (${new Date(rule.arrivalMs).toISOString()}). ` +
      'Check the clock of the producer.',
  );
}

function lineOf(bytes: Buffer, text: string): Uint8Array {
  let start = 0;
  let end = bytes.length;
  while (isJsonSpace(bytes[start])) start++;
  while (isJsonSpace(bytes[end - 1])) end--;
  const line = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
  // The text is searched, not the bytes: in a string that is a single memchr.
  if (!text.includes('\n') && !text.includes('\r')) return line;
  return line.map((byte) => (byte === 0x0a || byte === 0x0d ? 0x20 : byte));
}

const isJsonSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

function notJson(text: string): Rejection {
  if (/^[ \t\r\n]*$/.test(text)) {
    return reject('record_empty', 'The record is empty. Send one JSON object per record.');
  }
  if (text.charCodeAt(0) === 0xfeff) {
    return reject('not_json', 'The record begins with a byte order mark, which JSON does not allow. Send it without.');
  }
  return reject('not_json', `The record is not JSON: ${jsonSyntaxError(text)}.`);
}

const reject = (code: RejectionCode, reason: string): Rejection => ({ code, reason });

/** A value as a short text that is the same on every Node version; never nested content, which may be deep or large. */
function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (typeof value === 'string') return value === '' ? 'an empty string' : JSON.stringify(shorten(value));
  if (typeof value === 'number' || typeof value === 'boolean') return `the ${typeof value} ${String(value)}`;
  return Array.isArray(value) ? 'an array' : 'an object';
}

const SHOWN_UNITS = 60;
const shorten = (text: string): string => (text.length <= SHOWN_UNITS ? text : `${text.slice(0, SHOWN_UNITS)}…`);
