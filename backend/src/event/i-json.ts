import { quoted, shorten } from './shown.ts';

/**
 * What RFC 8259 allows and other readers of the archive do not: I-JSON (RFC 7493) leaves it out, and so do we, because one such line makes
 * DuckDB, ClickHouse or Spark give up the whole object it is in. Measured on DuckDB 1.5.6, ClickHouse 26.9 and Spark 4.0.1:
 *
 * - half of a surrogate pair, §2.1: DuckDB and ClickHouse refuse it however the columns are declared;
 * - a name twice in one object, §2.3: DuckDB and Spark fail, ClickHouse takes the first, JSON.parse the last;
 * - a number that no double holds, §2.2: ClickHouse's JSON functions refuse the line;
 * - deep nesting, RFC 8259 §9: DuckDB 1.5.6 crashes at 10,000 levels, ClickHouse ends at 1,024, Spark at 1,000;
 * - names beyond 50,000 characters and numbers beyond 1,000: Jackson, which Spark reads with, ends there (StreamReadConstraints).
 */

/** Objects and arrays in one another, the event being the first. .NET's System.Text.Json reads so many, and other libraries more. */
export const MAX_DEPTH = 64;
/** Characters of a member's name, and of a number as it is written. */
export const MAX_TOKEN = 1_000;

/**
 * Why a text is not I-JSON, as whole sentences: what, where, and how to fix the producer. The first problem of the text.
 *
 * Nearly every text is judged without looking at its characters one by one: the parsed value says how long the text must at least be and
 * how many quotes it must have. A member that JSON.parse dropped for another of its name makes it longer, and gives it more quotes. That holds
 * for texts without escapes only: V8 13 (Node 24) at times keeps both of two members whose one name is written with an escape.
 * @param value what JSON.parse made of the text
 */
export function iJsonProblem(text: string, value: object): string | undefined {
  const least: Least = { length: 0, quotes: 0 };
  return !text.includes('\\') &&
    addObject(least, value, 1) &&
    (text.length < least.length + SHORTEST_MEMBER || hasQuotes(text, least.quotes)) &&
    !mayHoldLongNumber(text)
    ? undefined
    : firstProblem(text);
}

/** What the text of a value has at least, however it is written: characters, and quotes that begin and end strings. */
interface Least {
  length: number;
  quotes: number;
}

/** `"":0` and a comma */
const SHORTEST_MEMBER = 5;

/** @returns false where it is nested too deeply, or holds an infinite number or a long name */
function addObject(least: Least, value: object, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  // Both braces or brackets, and one comma less than there are items.
  least.length += 1;
  if (Array.isArray(value)) {
    if (value.length === 0) least.length += 1;
    for (const item of value as unknown[]) if (!addItem(least, item, depth)) return false;
    return true;
  }
  let members = 0;
  for (const name in value) {
    if (name.length > MAX_TOKEN) return false;
    least.length += name.length + 3;
    least.quotes += 2;
    members++;
    if (!addItem(least, (value as Record<string, unknown>)[name], depth)) return false;
  }
  if (members === 0) least.length += 1;
  return true;
}

/** An item or a member's value, with the comma or bracket behind it. */
function addItem(least: Least, item: unknown, depth: number): boolean {
  least.length += 1;
  switch (typeof item) {
    case 'string':
      least.length += item.length + 2;
      least.quotes += 2;
      return true;
    case 'number':
      least.length += leastDigits(item);
      return Number.isFinite(item);
    case 'boolean':
      least.length += item ? 4 : 5;
      return true;
    default:
      if (typeof item === 'object' && item !== null) return addObject(least, item, depth + 1);
      least.length += 4;
      return true;
  }
}

/** A bound below the length of every literal of a number. The bound is close for integers that an exponent would not shorten. */
function leastDigits(value: number): number {
  const size = Math.abs(value);
  if (!Number.isSafeInteger(value) || value % 1_000 === 0) return 1;
  let digits = value < 0 ? 2 : 1;
  for (let power = 10; power <= size; power *= 10) digits++;
  return digits;
}

/** Whether a text without escapes has so many quotes. */
function hasQuotes(text: string, count: number): boolean {
  let found = 0;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) if (++found > count) return false;
  return found === count;
}

/** A number of more characters than allowed reaches over a multiple of that many. */
function mayHoldLongNumber(text: string): boolean {
  for (let at = MAX_TOKEN; at < text.length; at += MAX_TOKEN) {
    if (!isNumberPart(text.charCodeAt(at))) continue;
    let start = at;
    while (at - start <= MAX_TOKEN && isNumberPart(text.charCodeAt(start - 1))) start--;
    let end = at + 1;
    while (end - start <= MAX_TOKEN && isNumberPart(text.charCodeAt(end))) end++;
    if (end - start > MAX_TOKEN) return true;
  }
  return false;
}

/** Digits, `-`, `+`, `.`, `e`, `E` */
const isNumberPart = (unit: number): boolean =>
  (unit >= 0x30 && unit <= 0x39) || unit === 0x2d || unit === 0x2b || unit === 0x2e || (unit | 0x20) === 0x65;

interface Container {
  /** Of an object: the members so far, with where their names begin. Of an array: nothing. */
  readonly names: Map<string, number> | undefined;
  /** Of an object the latest name, of an array the index of its item. */
  step: string | number;
  nameExpected: boolean;
}

/** Reads JSON that JSON.parse has accepted, character by character; does not recurse. */
function firstProblem(text: string): string | undefined {
  const open: Container[] = [];
  for (let at = 0; at < text.length; at++) {
    const container = open.at(-1);
    switch (text.charCodeAt(at)) {
      case 0x22: {
        const end = endOfString(text, at);
        const token = text.slice(at, end);
        if (container?.nameExpected === true) {
          const name = token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1);
          const before = container.names?.get(name);
          container.step = name;
          if (before !== undefined) {
            return `The name ${pathOf(open)} occurs twice (${place(text, before)} and ${place(text, at)}), and readers differ in which of the two counts. Send each name once.`;
          }
          if (name.length > MAX_TOKEN) {
            return `The name ${pathOf(open)} (${place(text, at)}) has ${name.length} characters: at most ${MAX_TOKEN} can be read everywhere. Send it as a value.`;
          }
          container.names?.set(name, at);
          container.nameExpected = false;
        }
        const half = loneSurrogate(token);
        if (half !== undefined) {
          return (
            `${pathOf(open)} holds ${token.slice(half, half + 6)} (${place(text, at + half)}), which is half of a character: the text was cut inside ` +
            'an emoji or the like. Cut texts between characters; in JavaScript, text.toWellFormed() replaces such halves.'
          );
        }
        at = end - 1;
        break;
      }
      case 0x7b:
      case 0x5b: {
        const isObject = text.charCodeAt(at) === 0x7b;
        if (open.length === MAX_DEPTH) {
          return `${pathOf(open)} (${place(text, at)}) is nested more than ${MAX_DEPTH} levels deep, beyond what every reader of the archive can follow. Send it flatter, or as a string.`;
        }
        open.push({ names: isObject ? new Map() : undefined, step: isObject ? '' : 0, nameExpected: isObject });
        break;
      }
      case 0x7d:
      case 0x5d:
        open.pop();
        break;
      case 0x2c:
        if (container === undefined) break;
        if (typeof container.step === 'number') container.step++;
        else container.nameExpected = true;
        break;
      default: {
        if (!isNumberStart(text.charCodeAt(at))) break;
        let end = at + 1;
        while (isNumberPart(text.charCodeAt(end))) end++;
        if (end - at > MAX_TOKEN) {
          return `${pathOf(open)} (${place(text, at)}) is a number of ${end - at} characters: at most ${MAX_TOKEN} can be read everywhere. Send it as a string.`;
        }
        const literal = text.slice(at, end);
        if (!Number.isFinite(Number(literal))) {
          return `${pathOf(open)} is ${shorten(literal)} (${place(text, at)}): no reader holds a number beyond ±1.8e308. Send it as a string.`;
        }
        at = end - 1;
      }
    }
  }
  return undefined;
}

/** Not the letters of `true`, `false`, `null`, some of which may stand inside numbers. */
const isNumberStart = (unit: number): boolean => (unit >= 0x30 && unit <= 0x39) || unit === 0x2d;

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === 0x22) return at + 1;
    if (unit === 0x5c) at++;
  }
  return text.length;
}

/** Where in a string token half of a surrogate pair is escaped. As bytes, such halves are not UTF-8 and come no further. */
function loneSurrogate(token: string): number | undefined {
  for (let at = token.indexOf('\\'); at !== -1; at = token.indexOf('\\', at)) {
    const unit = escapedUnit(token, at);
    if (unit >= 0xdc00 && unit <= 0xdfff) return at;
    if (unit >= 0xd800 && unit <= 0xdbff) {
      const low = escapedUnit(token, at + 6);
      if (!(low >= 0xdc00 && low <= 0xdfff)) return at;
      at += 12;
    } else at += 2;
  }
  return undefined;
}

/** The unit that a `\\uXXXX` stands for; NaN where there is another escape or none. */
const escapedUnit = (token: string, at: number): number =>
  token.startsWith('\\u', at) ? Number.parseInt(token.slice(at + 2, at + 6), 16) : NaN;

/** `meta.items[3].text`; what is long is cut, so that a reason stays one line. */
function pathOf(open: readonly Container[]): string {
  const path = open
    .map(({ step }) =>
      typeof step === 'number' ? `[${step}]` : IDENTIFIER.test(step) ? `.${step}` : `[${quoted(step)}]`,
    )
    .join('');
  const shown = path.startsWith('.') ? path.slice(1) : path;
  return shown.length <= SHOWN_PATH ? shown.toWellFormed() : shorten(shown);
}

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]{0,59}$/;
const SHOWN_PATH = 120;

/** As PostgreSQL and DuckDB count: from 1. */
const place = (text: string, at: number): string => `byte ${Buffer.byteLength(text.slice(0, at)) + 1}`;
