import type { Figure } from './part.ts';

/** Median and extremes of one value per round. @throws RangeError without values */
export function figure(values: readonly number[]): Figure {
  const sorted = values.toSorted((a, b) => a - b);
  const [min] = sorted;
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) throw new RangeError('A figure needs at least one value.');
  return { median: percentile(sorted, 0.5), min, max, rounds: values.length };
}

/** @param sorted ascending, not empty  @param p 0 to 1; between two values it is interpolated */
export function percentile(sorted: readonly number[], p: number): number {
  const at = p * (sorted.length - 1);
  const low = sorted[Math.floor(at)];
  const high = sorted[Math.ceil(at)];
  if (low === undefined || high === undefined) throw new RangeError('A percentile needs at least one value.');
  return low + (high - low) * (at - Math.floor(at));
}

/** A number with as many digits as its size makes sense of: 12,345 · 123 · 12.3 · 1.23 · 0.123 */
export function number(value: number): string {
  const size = Math.abs(value);
  const digits = size === 0 || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** `12,345 (11,900–12,800)`: the median, and the least and greatest of the rounds. */
export function spread(value: Figure): string {
  if (value.rounds === 1) return number(value.median);
  return `${number(value.median)} (${number(value.min)}–${number(value.max)})`;
}
