import { isUtf8 } from 'node:buffer';
import type { ArrivalRule } from './arrival-rule.ts';
import { envelopeProblem } from './envelopes.ts';
import { EARLIEST_MS, type InteractionEvent, type Rejection, type RejectionCode } from './event.ts';
import { formatProblem, textProblem, utf8Problem } from './formats.ts';
import { spellingHint, timeHint, typeHint, unitOf } from './hints.ts';
import { iJsonProblem } from './i-json.ts';
import { jsonSyntaxError } from './json-error.ts';
import { memberName, numberLiteral } from './literal.ts';
import { ACTOR_ID, readId, RECEIVER_ID, SHARE_ID, SHOWN_DIGITS } from './read-id.ts';
import { describe, quoted, shorten } from './shown.ts';
import { parseRfc3339 } from './timestamp.ts';

export interface ParsedEvent {
  readonly event: InteractionEvent;
  /**
   * The archive line without its final newline: the bytes received, without white space at both ends; each byte of an inner line break
   * (in JSON only white space can hold one) is a space. Usually a view of the bytes received.
   */
  readonly line: Uint8Array;
}

/** The event and its line without ids that have been forgotten; undefined where it has none of them. */
export type Erase = (event: InteractionEvent) => ParsedEvent | undefined;

/** What bytes are called in reasons, and whether they could be taken for several events. */
export interface Subject {
  readonly name: string;
  readonly whole: boolean;
}

export const RECORD: Subject = { name: 'The record', whole: true };

/** Bytes → event, or every rule they break. Never throws, whatever the bytes. */
export function parseEvent(data: Uint8Array, rule: ArrivalRule, subject = RECORD): ParsedEvent | Rejection {
  // A view costs more than it looks, and lives as long as the record: none where there is one.
  const bytes = Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (!isUtf8(bytes)) {
    return reject('not_utf8', formatProblem(bytes, subject.name) ?? utf8Problem(bytes, subject.name));
  }
  const text = bytes.toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return notJson(bytes, text, subject);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return notAnObject(parsed, subject);
  if (rule.archived !== true) {
    const problem = iJsonProblem(text, parsed);
    if (problem !== undefined) return reject('not_i_json', problem);
  }
  const event = readEvent(parsed, text, rule, subject);
  return 'code' in event ? event : { event, line: lineOf(bytes, text) };
}

type JsonObject = { readonly [name in keyof InteractionEvent | 'occurredAt']?: unknown };

const OCCURRED_AT = memberName('occurredAt');
const TYPE = /^[a-z][a-z0-9_]{0,31}$/;
const INTEGER = /^-?[0-9]+$/;

function readEvent(
  object: JsonObject,
  text: string,
  rule: ArrivalRule,
  subject: Subject,
): InteractionEvent | Rejection {
  const eventId = readEventId(object.eventId);
  const type = readType(object.type);
  const occurredAtMs = readOccurredAt(object.occurredAt, text, rule);
  const actorId = readId(object.actorId, text, ACTOR_ID, rule);
  const receiverId = isAbsent(object.receiverId) ? undefined : readId(object.receiverId, text, RECEIVER_ID, rule);
  const shareId = isAbsent(object.shareId) ? undefined : readId(object.shareId, text, SHARE_ID, rule);
  if (
    typeof eventId === 'string' &&
    typeof type === 'string' &&
    typeof occurredAtMs === 'number' &&
    typeof actorId === 'string' &&
    typeof receiverId !== 'object' &&
    typeof shareId !== 'object'
  ) {
    const ambiguous = rule.archived === true ? undefined : fieldInOtherCase(object);
    if (ambiguous !== undefined) return ambiguous;
    if (receiverId !== undefined || shareId !== undefined) {
      return { eventId, type, occurredAtMs, actorId, receiverId, shareId };
    }
    return reject(
      'target_missing',
      `Neither receiverId nor shareId is present. An event needs at least one of them.${spellingHint(object, 'receiverId')}${spellingHint(object, 'shareId')}`,
    );
  }
  return rejectFields(object, [eventId, type, occurredAtMs, actorId, receiverId, shareId], subject);
}

/**
 * A member that is called as a field but for upper and lower case. Readers of the archive that ignore case take it for the field: Hive
 * and Athena always, ClickHouse for a column that it has not found otherwise. Where the field is absent, so does whoever misspelled it.
 */
function fieldInOtherCase(object: JsonObject): Rejection | undefined {
  for (const name in object) {
    // All that is done for nearly every name.
    if (name.length !== 4 && name.length !== 7 && name.length !== 10) continue;
    switch (name) {
      case 'eventId':
      case 'type':
      case 'occurredAt':
      case 'actorId':
      case 'receiverId':
      case 'shareId':
        continue;
    }
    const [field, code] = FIELDS_IN_LOWER_CASE.get(name.toLowerCase()) ?? [];
    if (field === undefined || code === undefined) continue;
    return reject(
      code,
      isAbsent(object[field])
        ? `The record has ${quoted(name)}: the contract spells it "${field}".`
        : `The record has ${quoted(name)} beside "${field}": readers that ignore case take one for the other. Rename it.`,
    );
  }
  return undefined;
}

const FIELDS_IN_LOWER_CASE: ReadonlyMap<string, readonly [field: keyof JsonObject, code: RejectionCode]> = new Map([
  ['eventid', ['eventId', 'event_id_invalid']],
  ['type', ['type', 'type_invalid']],
  ['occurredat', ['occurredAt', 'occurred_at_invalid']],
  ['actorid', ['actorId', 'actor_id_invalid']],
  ['receiverid', ['receiverId', 'receiver_id_invalid']],
  ['shareid', ['shareId', 'share_id_invalid']],
] as const);

/** Serializers of typed languages write an empty text for what is not there. */
const isAbsent = (value: unknown): boolean => value == null || value === '';

const REQUIRED = ['eventId', 'type', 'occurredAt', 'actorId'] as const;

/** The code is that of the first problem; the reason names all of them, so that one look is enough to fix the producer. */
function rejectFields(object: JsonObject, fields: readonly unknown[], subject: Subject): Rejection {
  const problems = fields.filter((field): field is Rejection => typeof field === 'object');
  const code = problems[0]?.code ?? 'not_an_object';
  const missing = REQUIRED.filter((name) => object[name] === undefined);
  // An envelope may have members of its own that are called as ours are.
  if (missing.length >= 3) {
    const envelope = envelopeProblem(object, subject.name);
    if (envelope !== undefined) return { code, reason: envelope };
  }
  const spellings = missing.map((name) => spellingHint(object, name)).join('');
  return { code, reason: problems.map((problem) => problem.reason).join(' ') + spellings };
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
    `type is ${describe(value)}: it must be a string that begins with a-z and has at most 32 of a-z 0-9 _.${typeHint(value)}`,
  );
}

function readOccurredAt(value: unknown, text: string, rule: ArrivalRule): number | Rejection {
  const latestMs = rule.arrivalMs + rule.maxAheadMs;
  const literal =
    typeof value === 'number'
      ? numberLiteral(text, OCCURRED_AT, rule.archived !== true)
      : typeof value === 'string'
        ? value
        : '';
  let ms: number;
  if (typeof value === 'string') {
    const time = parseRfc3339(value);
    if (typeof time === 'string') return invalidTime(`${describe(value)} ${time}`, value, literal, latestMs);
    ms = time;
  } else if (typeof value === 'number') {
    if (!INTEGER.test(literal)) {
      const problem = `is ${shorten(literal)}: as a number it must be whole milliseconds since 1970`;
      return invalidTime(problem, value, literal, latestMs);
    }
    ms = value;
  } else {
    const problem = `is ${describe(value)}: it must be an RFC 3339 string with an offset, or whole milliseconds since 1970`;
    return invalidTime(problem, value, literal, latestMs);
  }
  if (ms >= EARLIEST_MS && ms <= latestMs) return ms;
  const found = typeof value === 'string' ? describe(value) : shorten(literal);
  const unit = typeof value === 'number' ? unitOf(value, latestMs) : undefined;
  const question = unit === undefined ? '' : ` Is it in ${unit}? Send milliseconds.`;
  if (ms < EARLIEST_MS) {
    return reject('occurred_at_too_early', `occurredAt ${found} is before 2000-01-01T00:00:00Z.${question}`);
  }
  return reject(
    'occurred_at_ahead',
    `occurredAt ${found} is more than ${rule.maxAheadMs} ms ahead of the arrival on the stream (${new Date(rule.arrivalMs).toISOString()}).` +
      (question === '' ? ' Check the clock of the producer.' : question),
  );
}

const invalidTime = (problem: string, value: unknown, literal: string, latestMs: number): Rejection =>
  reject('occurred_at_invalid', `occurredAt ${problem}.${timeHint(value, literal.slice(0, SHOWN_DIGITS), latestMs)}`);

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

function notJson(bytes: Buffer, text: string, { name, whole }: Subject): Rejection {
  if (/^[ \t\r\n]*$/.test(text)) return reject('record_empty', `${name} is empty. Send one JSON object per record.`);
  if (text.charCodeAt(0) === 0xfeff) {
    return reject('not_json', `${name} begins with a byte order mark, which JSON does not allow. Send it without.`);
  }
  const foreign = formatProblem(bytes, name) ?? textProblem(text, name);
  if (foreign !== undefined) return reject('not_json', foreign);
  const { problem, follows } = jsonSyntaxError(text);
  const setting = whole && follows ? `, or let ingest split records of several: USERPULSE_SPLIT=ndjson` : '';
  return reject('not_json', `${name} is not JSON: ${problem}${setting}.`);
}

function notAnObject(value: unknown, { name, whole }: Subject): Rejection {
  if (Array.isArray(value) && whole && typeof value[0] === 'object' && value[0] !== null) {
    return reject(
      'not_an_object',
      `${name} is an array. Send one JSON object per record, or let ingest split arrays: USERPULSE_SPLIT=array.`,
    );
  }
  const twice = typeof value === 'string' && /^\s*\{/.test(value);
  return reject(
    'not_an_object',
    twice
      ? `${name} is a string that holds JSON, ${quoted(value)}: it was encoded twice. Send the object itself.`
      : `${name} is ${describe(value)}. Send one JSON object per record.`,
  );
}

const reject = (code: RejectionCode, reason: string): Rejection => ({ code, reason });
