/** Milliseconds of each unit of a Flux duration; months and years by their mean, good enough for estimates. */
const UNIT_MS = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  mo: 2_629_746_000,
  y: 31_556_952_000,
} as const;

type Unit = keyof typeof UNIT_MS;

const PART = /(\d+)(ns|us|µs|ms|mo|s|m|h|d|w|y)/g;
const WHOLE = /^(\d+(ns|us|µs|ms|mo|s|m|h|d|w|y))+$/;

/** Approximate length in milliseconds, or undefined when the text is no Flux duration. */
export function durationMs(text: string): number | undefined {
  if (!WHOLE.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(PART)) total += Number(count) * UNIT_MS[unit as Unit];
  return total;
}
