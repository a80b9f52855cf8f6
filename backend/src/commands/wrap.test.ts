import { describe, expect, it } from 'vitest';
import { passed, warned } from '../check.ts';
import { table } from './doctor.ts';
import { wrap } from './wrap.ts';

describe('wrap', () => {
  it.each([
    ['', []],
    ['one two three', ['one two', 'three']],
    ['averylongword x', ['averylongword', 'x']],
    ['a  b\nc', ['a b c']],
  ])('%j', (text, lines) => {
    expect(wrap(text, 8)).toEqual(lines);
  });
});

describe("doctor's table", () => {
  it('puts the way out below what was seen', () => {
    expect(table([passed('influxdb', 'There.'), warned('scheme', 'Ids share prefixes.', 'Change it.')], 80)).toBe(
      [
        'influxdb  ok       There.',
        'scheme    WARNING  Ids share prefixes.',
        '                   → Change it.',
        '',
      ].join('\n'),
    );
  });
});
