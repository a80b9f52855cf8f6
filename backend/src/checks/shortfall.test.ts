import { describe, expect, it } from 'vitest';
import { expectedOverwritten } from './shortfall.ts';

describe('points that are expected to overwrite each other', () => {
  it('are what the table of docs/operations.md says of totals: 156 of 10⁹ at 10⁵ events/s, five even types, 64 parts', () => {
    const aDay = 8.64e9;
    const series = Array.from({ length: 5 * 64 }, () => aDay / (5 * 64));
    expect(expectedOverwritten(series) / (aDay / 1e9)).toBeCloseTo(156, 0);
  });

  it('are none where a series has one point', () => {
    expect(expectedOverwritten([])).toBe(0);
    expect(expectedOverwritten([1, 1, 0, 1])).toBe(0);
    expect(expectedOverwritten([2])).toBeCloseTo(1 / 8.64e13, 20);
  });
});
