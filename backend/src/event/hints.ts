import { NO_TEXT_IDS, type IdKindRow } from '../../../contract/ids.ts';
import { wrappedValue } from './envelopes.ts';
import { EARLIEST_MS } from './event.ts';
import { quoted, shorten } from './shown.ts';

/*
 * The question to ask about a wrong value, to follow the sentence that says what is wrong. A value is never repaired: what somebody meant is
 * for its producer to say. Each begins with a space, or is empty.
 */

const NO_VALUE = new Set(['null', 'undefined', 'none', 'nil', 'nan', 'n/a', '-']);

/** For any field. */
function anyHint(value: unknown, optional: boolean): string {
  if (typeof value === 'string' && NO_VALUE.has(value.trim().toLowerCase())) {
    return ` Does the text ${quoted(value)} stand for no value? ${optional ? 'Leave the member out, or send null without quotes.' : 'The field is required.'}`;
  }
  if (typeof value === 'object' && value !== null) {
    const wrapped = Array.isArray(value) ? undefined : wrappedValue(value);
    if (wrapped !== undefined) return ` ${wrapped}`;
  }
  return '';
}

/**
 * Of an id that is to be an integer.
 * @param literal a number as it is written; else the text
 */
export function int64Hint(value: unknown, literal: string, kind: IdKindRow, optional: boolean): string {
  const general = anyHint(value, optional);
  if (general !== '' || (typeof value !== 'number' && typeof value !== 'string')) return general;
  if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(literal) && /[.eE]/.test(literal)) {
    return ' It is written as a floating-point number: send an integer. (Tables with gaps turn whole columns into such numbers, in pandas for example.)';
  }
  if (/^-?0*$|^-[1-9]\d*$/.test(literal)) {
    return optional
      ? ` Does it stand for no ${kind.noun}? Leave the member out, or send null.`
      : ` Does it stand for no ${kind.noun}? The field is required.`;
  }
  if (typeof value === 'number') return '';
  if (/^\s*\+?0*[1-9]\d{0,18}\s*$/.test(value))
    return ' Send the digits alone, without white space, sign or leading zeros.';
  if (/^[1-9]\d*n$/.test(value)) return ' Is it a BigInt of JavaScript? Send String(id), without the n.';
  if (/^[1-9]\d{0,2}(?:[,._' ]\d{3})+$/.test(value)) return ' Send it without separators.';
  if (/^0x[0-9a-f]+$/i.test(value)) return ' Send it in decimal.';
  if (UUID.test(value)) return ` It is a UUID: ${kind.noun} IDs are numbers${otherFormat(kind)}.`;
  return '';
}

const otherFormat = ({ setting }: IdKindRow): string => `, unless ingest has ${setting}=text`;

export function typeHint(value: unknown): string {
  const general = anyHint(value, false);
  if (general !== '' || typeof value !== 'string') return general;
  // likeAdded, Like Added, like-added, LIKE_ADDED
  const name = value
    .trim()
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[\s.:/-]+/g, '_')
    .toLowerCase();
  return /^[a-z][a-z0-9_]{0,31}$/.test(name) ? ` It could be sent as ${quoted(name)}.` : '';
}

/** Of an id that is to be an ObjectId. */
export function objectIdHint(value: unknown, kind: IdKindRow, optional: boolean): string {
  const general = anyHint(value, optional);
  if (general !== '' || typeof value !== 'string') return general;
  const text = value.trim();
  if (/^[0-9a-f]{24}$/i.test(text)) return ` Send it as ${quoted(text.toLowerCase())}.`;
  if (/^ObjectId\(/.test(text)) return ' Send the hex digits alone, as toHexString() gives them.';
  if (UUID.test(text)) return ` It is a UUID: ${kind.noun} IDs are MongoDB ObjectIds${otherFormat(kind)}.`;
  if (/^[A-Za-z0-9+/_-]{16}$/.test(text)) return ' Is it base64? Send it in hex.';
  return '';
}

/** Of an id that is to be a text. */
export function textIdHint(value: unknown, kind: IdKindRow, optional: boolean): string {
  if (typeof value === 'number') return ' Send it in quotes.';
  const general = anyHint(value, optional);
  if (general !== '' || typeof value !== 'string') return general;
  if (NO_TEXT_IDS.includes(value)) {
    return optional
      ? ` Does it stand for no ${kind.noun}? Leave the member out, or send null.`
      : ` Does it stand for no ${kind.noun}? The field is required.`;
  }
  if (value !== value.trim()) return ' Send it without white space at its ends.';
  if (/^\{[0-9a-f-]{36}\}$/i.test(value)) return ' Send the UUID without braces.';
  if (/[^\x20-\x7e]/.test(value)) return ' Send an ID of ASCII: what looks the same may be other bytes elsewhere.';
  return '';
}

const UUID = /^\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$/i;

/**
 * Of a time that is no RFC 3339 string and no whole number of milliseconds.
 * @param literal a number as it is written; else the text
 * @param latestMs up to which a time is plausible
 */
export function timeHint(value: unknown, literal: string, latestMs: number): string {
  const general = anyHint(value, false);
  if (general !== '') return general;
  if (Array.isArray(value)) return ' Is it a LocalDateTime of Java? Turn off WRITE_DATES_AS_TIMESTAMPS in Jackson.';
  if (typeof value !== 'string' && typeof value !== 'number') return '';
  const text = literal.trim();
  if (DECIMAL.test(text)) {
    const unit = unitOf(Number(text), latestMs);
    if (unit === undefined) return '';
    if (unit === 'milliseconds') {
      return typeof value === 'string'
        ? ' Are these milliseconds? Send them as a number, without quotes.'
        : ' Send milliseconds as an integer.';
    }
    return ` Is it in ${unit}? Send milliseconds${typeof value === 'string' ? ', as a number without quotes' : ''}.`;
  }
  return typeof value === 'string' ? rfc3339Hint(text) : '';
}

const DECIMAL = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

export type TimeUnit =
  'days' | 'seconds' | 'milliseconds' | 'microseconds' | 'nanoseconds' | '100-nanosecond ticks of .NET';

/** The unit in which a number is a time from 2000 to the latest plausible one. The ranges do not overlap until the year 2970. */
export function unitOf(value: number, latestMs: number): TimeUnit | undefined {
  const units: readonly (readonly [TimeUnit, number])[] = [
    ['seconds', value * 1_000],
    ['milliseconds', value],
    ['microseconds', value / 1_000],
    ['nanoseconds', value / 1_000_000],
    // DateTime.Ticks counts from the year 1.
    ['100-nanosecond ticks of .NET', value / 10_000 - 62_135_596_800_000],
    ['days', value * 86_400_000],
  ];
  return units.find(([, ms]) => ms >= EARLIEST_MS && ms <= latestMs)?.[0];
}

/** What comes close to RFC 3339, and by which rule it is not. */
function rfc3339Hint(text: string): string {
  if (/\[[^\]]+\]$/.test(text))
    return ' Is it a ZonedDateTime of Java? Send toOffsetDateTime(), without the zone in brackets.';
  if (/^\/Date\(/.test(text)) return ' Is it from .NET? Send it in the round-trip format, ToString("o").';
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return ' It is a day without a time.';
  if (/^\d{8}T\d{6}/.test(text)) return ' It is in the basic format of ISO 8601: RFC 3339 writes dashes and colons.';
  if (/^[A-Z][a-z]{2},? /.test(text))
    return ' It is a date for people or for HTTP headers: in JavaScript, send toISOString().';
  if (/^\d{4}-\d\d-\d\d \d\d:/.test(text)) return ' A T belongs between day and time, not a space.';
  if (/,\d+/.test(text)) return ' The fraction of a second follows a dot, not a comma.';
  if (/[+-]\d\d$/.test(text)) return ' The offset has minutes, too: +00:00.';
  if (/[+-]\d{4}$/.test(text)) return ' The offset has a colon: +00:00.';
  if (/(?:UTC|GMT|[A-Z]{3,4})$/.test(text)) return ' Send Z for UTC, or the offset in hours and minutes.';
  if (/^\d{1,2}[/.]\d{1,2}[/.]\d{2,4}/.test(text)) return ' The year comes first, then month and day, with dashes.';
  return '';
}

/** Another spelling of a field that is missing: `event_id`, `EventID`, `eventid`. */
export function spellingHint(object: object, field: string): string {
  const wanted = plain(field);
  const found = Object.keys(object).find((name) => name !== field && name.length <= 40 && plain(name) === wanted);
  return found === undefined ? '' : ` The record has ${quoted(shorten(found))}: the contract spells it "${field}".`;
}

const plain = (name: string): string => name.replace(/[\s_-]/g, '').toLowerCase();
