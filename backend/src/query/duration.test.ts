import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

describe('a duration', () => {
  it.each([
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['1d', 86_400_000],
    ['2w', 1_209_600_000],
    ['1ms', 1],
    ['1500ms', 1500],
    ['1000us', 1],
    ['1000µs', 1],
    ['5000000ns', 5],
    ['1s500ms', 1500],
    [' 10m ', 600_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text, 'every')).toEqual({ kind: 'ms', ms });
  });
  it.each([
    ['1mo', 1],
    ['1y', 12],
    ['1y6mo', 18],
  ])('%s is %d months', (text, months) => {
    expect(parseDuration(text, 'every')).toEqual({ kind: 'months', months });
  });
  it.each([
    ['0s', 'is zero'],
    ['0', 'is not a duration'],
    ['1ns', 'is not a whole number of milliseconds'],
    ['1500us', 'is not a whole number of milliseconds'],
    ['', 'is not a duration'],
    ['-1m', 'is not a duration'],
    ['1.5h', 'is not a duration'],
    ['10', 'is not a duration'],
    ['m', 'is not a duration'],
    ['1M', 'is not a duration'],
    ['1mo1d', 'mixes months'],
    ['9999999y', 'longer than 600 years'],
    ['999999999999999w', 'longer than 600 years'],
    ['1m) |> drop()', 'is not a duration'],
  ])('%j is refused, because it %s', (text, why) => {
    expect(() => parseDuration(text, 'every')).toThrow(why);
  });
  it.each([
    ['60m', '1h'],
    ['90m', '90m'],
    ['1w', '7d'],
    ['24mo', '2y'],
    ['3mo', '3mo'],
    ['1500ms', '1500ms'],
  ])('%s is written %s', (text, short) => {
    expect(formatDuration(parseDuration(text, 'every'))).toBe(short);
  });
});
