/**
 * RFC 3339 `date-time` (§5.6) → milliseconds since 1970.
 *
 * Decisions where the RFC leaves room: lower-case `t` and `z` are accepted (its ABNF strings are case-insensitive); a space in place of `T`
 * is not (the ABNF does not have it); an offset is required, `-00:00` counts as UTC; hours of an offset go to 23; second 60 is rejected,
 * because a leap second has no millisecond of its own; digits beyond the millisecond are truncated, so the result is never later than the text.
 *
 * Beyond the RFC, seconds may be left out altogether, as Java's OffsetDateTime.toString() leaves them out where they are zero: of such a
 * producer every sixtieth event is written `2026-11-20T10:00Z`.
 *
 * @returns the time, or what is wrong with the text as the end of a sentence
 */
export function parseRfc3339(text: string): number | string {
  // Every position up to the minute is fixed: 2012-07-04T12:00
  if (text.length < 16) return SHAPE;
  const year = digits2(text, 0) * 100 + digits2(text, 2);
  const month = digits2(text, 5);
  const day = digits2(text, 8);
  const hour = digits2(text, 11);
  const minute = digits2(text, 14);
  const hasSecond = text.charCodeAt(16) === COLON;
  const second = hasSecond ? digits2(text, 17) : 0;
  const separator = text.charCodeAt(10) | 0x20;
  if (
    // A comparison with NaN is false: one that is not a pair of digits fails here.
    !(year >= 0 && month >= 0 && day >= 0 && hour >= 0 && minute >= 0 && second >= 0) ||
    text.charCodeAt(4) !== DASH ||
    text.charCodeAt(7) !== DASH ||
    separator !== LOWER_T ||
    text.charCodeAt(13) !== COLON
  )
    return SHAPE;
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return 'names a day that does not exist';
  if (hour > 23 || minute > 59) return 'names a time of day that does not exist';
  if (second > 59) return second === 60 ? 'names second 60: send a leap second as 59' : SHAPE;

  let at = hasSecond ? 19 : 16;
  let millisecond = 0;
  if (hasSecond && text.charCodeAt(at) === DOT) {
    let scale = 100;
    const first = ++at;
    for (; at < text.length; at++) {
      const digit = text.charCodeAt(at) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      millisecond += digit * scale;
      scale = scale === 1 ? 0 : scale / 10;
    }
    if (at === first) return SHAPE;
  }
  if (at === text.length) return 'has no offset: end it with Z or one such as +02:00';
  let offsetMinutes = 0;
  const sign = text.charCodeAt(at);
  if ((sign | 0x20) === LOWER_Z) {
    if (at + 1 !== text.length) return SHAPE;
  } else {
    if (sign !== PLUS && sign !== DASH) return SHAPE;
    const hours = digits2(text, at + 1);
    const minutes = digits2(text, at + 4);
    if (at + 6 !== text.length || text.charCodeAt(at + 3) !== COLON || !(hours <= 23 && minutes <= 59)) return SHAPE;
    offsetMinutes = (hours * 60 + minutes) * (sign === DASH ? -1 : 1);
  }
  // Date.UTC takes years 0 to 99 for 1900 to 1999. The calendar repeats every 400 years.
  const ms = Date.UTC(
    year < 100 ? year + 400 : year,
    month - 1,
    day,
    hour,
    minute - offsetMinutes,
    second,
    millisecond,
  );
  return year < 100 ? ms - FOUR_CENTURIES_MS : ms;
}

const SHAPE = 'is not RFC 3339 with an offset, such as 2012-07-04T12:00:00.000Z';
const FOUR_CENTURIES_MS = 146_097 * 86_400_000;
const ZERO = 0x30;
const DASH = 0x2d;
const PLUS = 0x2b;
const COLON = 0x3a;
const DOT = 0x2e;
const LOWER_T = 0x74;
const LOWER_Z = 0x7a;

/** Two decimal digits at a place, or NaN. */
function digits2(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
