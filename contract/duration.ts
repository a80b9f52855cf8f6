import { NO_VALUE, quoted, VARIABLE, type Problem } from './problem.ts';

/**
 * Length of windows or of a shift: a number of milliseconds on the wall clock, or of calendar months. Flux does not let windows mix the
 * two, and neither does this.
 */
export type Duration =
  { readonly kind: 'ms'; readonly ms: number } | { readonly kind: 'months'; readonly months: number };

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const WEEK_MS = 7 * DAY_MS;

/** Units of a Flux duration literal, in nanoseconds or months (https://docs.influxdata.com/flux/v0/spec/lexical-elements/#duration-literals). */
const UNITS = new Map<string, { readonly ns: bigint } | { readonly months: number }>([
  ['ns', { ns: 1n }],
  ['us', { ns: 1_000n }],
  ['µs', { ns: 1_000n }],
  ['μs', { ns: 1_000n }],
  ['ms', { ns: 1_000_000n }],
  ['s', { ns: 1_000_000_000n }],
  ['m', { ns: 60_000_000_000n }],
  ['h', { ns: 3_600_000_000_000n }],
  ['d', { ns: 86_400_000_000_000n }],
  ['w', { ns: 604_800_000_000_000n }],
  ['mo', { months: 1 }],
  ['y', { months: 12 }],
]);
const LITERAL = /^(?:\d{1,15}(?:ns|us|µs|μs|ms|mo|[smhdwy]))+$/;
const PART = /(\d+)([a-zµμ]+)/g;

/** Longest length of anything here: the range of times that InfluxDB can hold is 585 years. */
const MAX_MS = 600 * 366 * DAY_MS;

/**
 * Reads a Flux duration literal such as `10m`, `1h30m` or `3mo`.
 * @param name the field it came from, for messages
 * @returns a {@link Problem} for what is not a duration, 0, not whole milliseconds, months mixed with other units, or absurdly long
 */
export function readDuration(text: string, name: string): Duration | Problem {
  const refuse = (problem: string, hint: string): Problem => ({ message: `${name} ${quoted(text)} ${problem}.`, hint });
  const trimmed = text.trim();
  if (VARIABLE.test(trimmed)) return { message: `${name} ${quoted(text)} is not valid: ${NO_VALUE}` };
  if (!LITERAL.test(trimmed))
    return refuse('is not a duration', 'Write it as Flux does, for example 10m, 1h30m, 1d, 1w or 1mo.');
  let ns = 0n;
  let months = 0;
  for (const [, count = '', unitName = ''] of trimmed.matchAll(PART)) {
    const unit = UNITS.get(unitName);
    if (unit === undefined) return refuse('is not a duration', 'Units are ns, us, ms, s, m, h, d, w, mo and y.');
    if ('ns' in unit) ns += BigInt(count) * unit.ns;
    else months += Number(count) * unit.months;
  }
  if (ns > 0n && months > 0)
    return refuse('mixes months or years with other units', 'Use months and years alone, or days and shorter alone.');
  if (ns === 0n && months === 0) return refuse('is zero', 'The shortest is 1ms.');
  if (months > 0)
    return months > 600 * 12 ? refuse('is longer than 600 years', 'Ask for less.') : { kind: 'months', months };
  if (ns % 1_000_000n !== 0n)
    return refuse(
      'is not a whole number of milliseconds',
      'Times of events are kept to the millisecond; the shortest is 1ms.',
    );
  const ms = ns / 1_000_000n;
  return ms > BigInt(MAX_MS) ? refuse('is longer than 600 years', 'Ask for less.') : { kind: 'ms', ms: Number(ms) };
}

/** The mean month of the Gregorian calendar, in ms. */
const MEAN_MONTH_MS = 2_629_746_000;

/** Milliseconds; months by their mean, good enough for estimates. */
export const estimatedMs = (duration: Duration): number =>
  duration.kind === 'ms' ? duration.ms : duration.months * MEAN_MONTH_MS;
