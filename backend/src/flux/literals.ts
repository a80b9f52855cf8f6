/**
 * Flux text that is known to be well formed. Only this file makes values of this type, so no other string can become part of a
 * query: one function for each literal type, and the tag {@link flux} to join them.
 */
export interface Flux {
  readonly [fluxBrand]: true;
  /** The Flux source text. */
  readonly text: string;
}

const fluxBrand: unique symbol = Symbol('flux');

const trusted = (text: string): Flux => ({ [fluxBrand]: true, text });

/**
 * Joins Flux values. Its fixed parts are source code of this program; whatever is put in between must already be {@link Flux}.
 */
export function flux(parts: TemplateStringsArray, ...values: readonly Flux[]): Flux {
  let text = parts[0] ?? '';
  values.forEach((value, i) => {
    text += value.text + (parts[i + 1] ?? '');
  });
  return trusted(text);
}

/** Joins with a separator that is source code of this program (a {@link flux} template without values, mostly). */
export const join = (items: readonly Flux[], separator: Flux): Flux =>
  trusted(items.map((item) => item.text).join(separator.text));

export const none: Flux = trusted('');

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  $: '\\x24',
};

/**
 * A string literal. Quotes, backslashes and line breaks are escaped. A `$` is written as its code: Flux interpolates `${` in every string
 * literal, and its scanner takes `$\` together, so that neither `\${` behind another `$` nor `$\\` before the closing quote would be safe
 * (https://docs.influxdata.com/flux/v0/data-types/basic/string/#string-interpolation).
 * @throws RangeError for a lone surrogate or a NUL, which no Flux source can hold.
 */
export function string(value: string): Flux {
  if (/[\p{Cs}\0]/u.test(value)) throw new RangeError('A Flux string cannot hold a lone surrogate or a NUL.');
  return trusted(`"${value.replace(/["\\\n\r\t$]/g, (c) => ESCAPES[c] ?? c)}"`);
}

const INT64_MAX = 2n ** 63n - 1n;

/** An int literal from decimal digits, so that ids beyond 2^53 keep every digit. @throws RangeError outside 0..2^63-1. */
export function int(digits: string): Flux {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(digits) || BigInt(digits) > INT64_MAX)
    throw new RangeError(`${JSON.stringify(digits)} is not an int64 of 0 or more.`);
  return trusted(digits);
}

/**
 * A regular expression that finds the texts which begin with one of these, and go on as `then` says where that is given.
 * @param then source code of this program
 * @throws RangeError as {@link pattern}
 */
export function beginsWith(starts: readonly string[], then: Flux = none): Flux {
  if (starts.length === 0) throw new RangeError('beginsWith needs at least one text.');
  const [only = '', ...others] = starts.map(pattern);
  return trusted(`/^${others.length === 0 ? only : `(?:${[only, ...others].join('|')})`}${then.text}/`);
}

/**
 * A regular expression that finds the texts which begin with one of these and end with one of those: both ends of a pair.
 * @throws RangeError as {@link pattern}
 */
export const eitherEnd = (beginning: string, end: string): Flux => trusted(`/^${pattern(beginning)}|${pattern(end)}$/`);

/**
 * A text as a part of a regular expression. What could mean something there stands in a class of its own. A backslash would not do: Flux reads `\x2e`
 * in a regular expression as the dot that it then is (https://docs.influxdata.com/flux/v0/spec/lexical-elements/#regular-expression-literals).
 * @throws RangeError for anything but the characters of ids and of what is between two: nothing else is sure to mean itself
 */
function pattern(text: string): string {
  if (!/^[A-Za-z0-9._~:/@+=| -]+$/.test(text))
    throw new RangeError(`${JSON.stringify(text)} is no text that can be looked for.`);
  return text.replace(/[.+|]/g, '[$&]').replaceAll('/', '\\/');
}

/** InfluxDB keeps times as int64 nanoseconds: 1677-09-21T00:12:44Z to 2262-04-11T23:47:16Z, here rounded inward to seconds. */
export const MIN_TIME_MS = -9_223_372_036_000;
export const MAX_TIME_MS = 9_223_372_036_000;

/** A time literal from epoch milliseconds. @throws RangeError outside what InfluxDB can hold. */
export function time(ms: number): Flux {
  if (!Number.isSafeInteger(ms) || ms < MIN_TIME_MS || ms > MAX_TIME_MS)
    throw new RangeError(`${ms} is not a time that InfluxDB can hold.`);
  return trusted(new Date(ms).toISOString());
}

/** A time literal with nanoseconds. @param offsetNs ns within the millisecond. @throws RangeError as {@link time} */
export function timeNs(ms: number, offsetNs: number): Flux {
  if (!Number.isInteger(offsetNs) || offsetNs < 0 || offsetNs >= 1_000_000)
    throw new RangeError(`${offsetNs} is not a nanosecond of a millisecond.`);
  return trusted(`${time(ms).text.slice(0, -1)}${String(offsetNs).padStart(6, '0')}Z`);
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

/**
 * A duration literal from whole milliseconds, in the largest unit that divides it. `w` is not used: to Flux it is 7 days all the same.
 * @throws RangeError for what is not a whole number of 1 ms or more.
 */
export function duration(ms: number): Flux {
  if (!Number.isSafeInteger(ms) || ms < 1) throw new RangeError(`${ms} ms is not a duration of 1 ms or more.`);
  for (const [unit, size] of UNITS) if (ms % size === 0) return trusted(`${ms / size}${unit}`);
  throw new RangeError(`${ms} ms is not a whole number of milliseconds.`);
}
