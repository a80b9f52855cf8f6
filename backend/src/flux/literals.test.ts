import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  beginsWith,
  duration,
  eitherEnd,
  flux,
  int,
  join,
  MAX_TIME_MS,
  MIN_TIME_MS,
  string,
  time,
} from './literals.ts';

describe('a string literal', () => {
  it.each([
    ['like', '"like"'],
    ['', '""'],
    ['say "hi"', '"say \\"hi\\""'],
    ['back\\slash', '"back\\\\slash"'],
    ['${1 + 1}', '"\\x24{1 + 1}"'],
    ['\\${x}', '"\\\\\\x24{x}"'],
    ['$ {x} $$', '"\\x24 {x} \\x24\\x24"'],
    // Flux's scanner takes "$\" together: the quote behind it would end the string, or the one behind "$\\" would not.
    ['$"', '"\\x24\\""'],
    ['$\\', '"\\x24\\\\"'],
    ['a\nb\rc\td', '"a\\nb\\rc\\td"'],
    ['") |> drop(columns: ["x"]) //', '"\\") |> drop(columns: [\\"x\\"]) //"'],
    ['é 😀', '"é 😀"'],
  ])('of %j is %s', (value, text) => {
    expect(string(value).text).toBe(text);
  });

  it.each(['\0', 'a\ud800b'])('cannot hold %j', (value) => {
    expect(() => string(value)).toThrow(RangeError);
  });

  it('never ends or interpolates before its last quote, whatever the value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        fc.pre(!value.includes('\0'));
        const inner = string(value).text.slice(1, -1);
        const bare = inner.replace(/\\./g, '');
        expect(bare).not.toMatch(/["\n\r$]/);
      }),
    );
  });
});

describe('an int literal', () => {
  it('keeps every digit of an id beyond 2^53', () => {
    expect(int('9223372036854775807').text).toBe('9223372036854775807');
  });
  it.each(['9223372036854775808', '-1', '1.0', '1e3', '01', '', ' 1', '1;', '٣'])('refuses %j', (digits) => {
    expect(() => int(digits)).toThrow(RangeError);
  });
});

describe('a time literal', () => {
  it('is RFC 3339 in UTC with milliseconds', () => {
    expect(time(1_341_100_972_005).text).toBe('2012-07-01T00:02:52.005Z');
  });
  it.each([MAX_TIME_MS + 1, MIN_TIME_MS - 1, 0.5, NaN, Infinity])('refuses %d', (ms) => {
    expect(() => time(ms)).toThrow(RangeError);
  });
});

describe('a duration literal', () => {
  it.each([
    [1, '1ms'],
    [1500, '1500ms'],
    [600_000, '10m'],
    [5_400_000, '90m'],
    [604_800_000, '7d'],
  ])('of %d ms is %s', (ms, text) => {
    expect(duration(ms).text).toBe(text);
  });
  it.each([0, -1, 0.5, NaN])('refuses %d', (ms) => {
    expect(() => duration(ms)).toThrow(RangeError);
  });
});

it('joins values between fixed parts', () => {
  expect(flux`a(${int('1')}, ${string('b')})`.text).toBe('a(1, "b")');
  expect(join([int('1'), int('2')], flux` or `).text).toBe('1 or 2');
});

describe('a regular expression', () => {
  it('finds what begins with one of some texts, and goes on as it must', () => {
    expect(beginsWith(['88:']).text).toBe('/^88:/');
    expect(beginsWith(['88:', '4ff3:'], flux`[1-9]`).text).toBe('/^(?:88:|4ff3:)[1-9]/');
  });

  it('finds these texts and no others', () => {
    // As Flux reads the literal: of a backslash before a slash, the slash. Go's syntax is JavaScript's for all that is left.
    const patternOf = (literal: string) => new RegExp(literal.slice(1, -1).replaceAll('\\/', '/'));
    const text = fc.string({
      unit: fc.constantFrom('a', 'A', '0', '-', '.', '_', '~', ':', '/', '@', '+', '=', '|', ' '),
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 3 }), text, (starts, other) => {
        const pattern = patternOf(beginsWith(starts).text);
        for (const each of [...starts, other, ...starts.map((start) => start + other), other + (starts[0] ?? '')])
          expect(pattern.test(each)).toBe(starts.some((start) => each.startsWith(start)));
        const [start = ''] = starts;
        const ends = patternOf(eitherEnd(start, other).text);
        for (const each of [start, other, start + other, other + start, `${start}x`, `x${other}`, `x${start}x`])
          expect(ends.test(each)).toBe(each.startsWith(start) || each.endsWith(other));
      }),
    );
  });

  it('takes nothing that does not mean itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
        if (/^[A-Za-z0-9._~:/@+=| -]+$/.test(text)) return;
        expect(() => beginsWith([text])).toThrow(RangeError);
        expect(() => eitherEnd(text, 'a')).toThrow(RangeError);
        expect(() => eitherEnd('a', text)).toThrow(RangeError);
      }),
    );
    for (const text of ['', '(', '\\d', '$', '^', '[', '8\n', '８'])
      expect(() => beginsWith([text])).toThrow(RangeError);
    expect(() => beginsWith([])).toThrow(RangeError);
  });
});
