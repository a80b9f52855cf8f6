import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { iJsonProblem, MAX_DEPTH, MAX_TOKEN } from './i-json.ts';
import { decoded, rejectionOf, source } from './testing.ts';

const problem = (text: string): string | undefined => iJsonProblem(text, JSON.parse(text) as object);
const nested = (levels: number, open: string, close: string): string =>
  open.repeat(levels) + '1' + close.repeat(levels);

describe('a record that others could not read', () => {
  it.each<[string, string, RegExp]>([
    [
      'a text cut inside an emoji',
      source({ text: '"so happy \\ud83d"' }),
      /^text holds \\ud83d \(byte \d+\), which is half of a character/,
    ],
    ['the second half alone', source({ text: '"\\uDE00"' }), /^text holds \\uDE00/],
    ['halves in the wrong order', source({ text: '"\\ude00\\ud83d"' }), /^text holds \\ude00/],
    ['two first halves', source({ text: '"\\ud83d\\ud83d\\ude00"' }), /^text holds \\ud83d/],
    ['half a character in a name', source({ 'a\\ud83d': '1' }), /^\["a\\ufffd"\]|half of a character/],
    ['half a character in an id', source({ eventId: '"\\ud800"' }), /^eventId holds \\ud800/],
    ['half a character deep inside', source({ m: '{"a":[0,{"b c":"\\udfff"}]}' }), /^m\.a\[1\]\["b c"\] holds \\udfff/],
    [
      'a number beyond a double',
      source({ n: '1e400' }),
      /^n is 1e400 \(byte \d+\): .*±1\.8e308.* Send it as a string\./,
    ],
    ['a negative one', source({ n: '-1e999999999999999999999' }), /^n is -1e9999/],
    ['400 digits', source({ n: '9'.repeat(400) }), /^n is 9{60}… /],
    [
      'a number of 1,001 characters',
      source({ n: `0.${'3'.repeat(999)}` }),
      /^n \(byte \d+\) is a number of 1001 characters/,
    ],
    ['a name of 1,001 characters', source({ ['k'.repeat(1_001)]: '1' }), /has 1001 characters/],
    [
      'a contract field twice',
      source().replace('{', '{"type":"share",'),
      /^The name type occurs twice \(byte 2 and byte \d+\).* Send each name once\./,
    ],
    ['a contract field twice, escaped', source().replace('{', '{"t\\u0079pe":"share",'), /^The name type occurs twice/],
    ['another name twice', source().replace('}', ',"x":1,"x":1}'), /^The name x occurs twice/],
    ['a name twice inside', source({ m: '[{"x":1},{"x":1,"y":2,"x":3}]' }), /^The name m\[1\]\.x occurs twice/],
    ['an empty name twice', source().replace('}', ',"":1,"":2}'), /^The name \[""\] occurs twice/],
    ['65 levels', source({ d: nested(64, '[', ']') }), /^d\[0\].* is nested more than 64 levels deep/],
    ['10,000 levels', source({ d: nested(10_000, '[', ']') }), /nested more than 64 levels/],
    ['10,000 levels of objects', source({ d: nested(10_000, '{"a":', '}') }), /^d\.a\.a\.a.* is nested more than/],
  ])('is a dead letter: %s', (_what, text, reason) => {
    expect(rejectionOf(text)).toMatchObject({ code: 'not_i_json', reason: expect.stringMatching(reason) as string });
    // The reason is read by the same readers.
    expect(rejectionOf(text).reason.isWellFormed()).toBe(true);
    expect(rejectionOf(text).reason.length).toBeLessThan(500);
  });

  it.each<[string, string]>([
    ['whole emoji, escaped and not', source({ text: '"\\ud83d\\ude00 😀"' })],
    ['an escaped backslash before what looks like a half', source({ text: '"\\\\ud83d"' })],
    ['U+FFFD, noncharacters, NUL', source({ text: '"\ufffd\uffff\\u0000"' })],
    ['the largest double', source({ n: '1.7976931348623157e308' })],
    ['what rounds to zero', source({ n: '1e-99999999999999999999' })],
    ['integers beyond 2^53', source({ n: '18446744073709551616' })],
    ['a number of 1,000 characters', source({ n: `0.${'3'.repeat(998)}` })],
    ['a name of 1,000 characters', source({ ['k'.repeat(1_000)]: '1' })],
    ['an empty name', source({ '': '1' })],
    ['one name in two objects', source({ m: '{"type":{"type":1}}' })],
    ['64 levels', source({ d: nested(63, '[', ']') })],
    ['escaped quotes', source({ text: '"say \\"hi\\" \\\\\\""' })],
    ['a name called __proto__', source({ __proto__x: '1' }).replace('__proto__x', '__proto__')],
  ])('is an event: %s', (_what, text) => {
    expect(decoded(text)[0]?.kind).toBe('event');
  });
});

// ── Any JSON, against what is known of it by construction ──

const escapedQuote = fc.constantFrom('\\"', '\\\\', '\\\\\\"', '\\u0022', '\\n', 'x', ':', ',', '{', '1', ' ');
const text = fc.array(escapedQuote, { maxLength: 6 }).map((parts) => `"${parts.join('')}"`);
const space = fc.constantFrom('', '', '', ' ', '\n');
const literal = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '1e2',
    '1E+2',
    '100',
    '1000',
    '1e3',
    '10e2',
    '-12',
    '0.10',
    '9007199254740993',
    '1e20',
    'true',
    'false',
    'null',
  ),
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)),
);

interface Made {
  readonly json: string;
  readonly twice: boolean;
}

const { value } = fc.letrec<{ value: Made; object: Made; array: Made }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    { weight: 5, arbitrary: fc.oneof(text, literal).map((json) => ({ json, twice: false })) },
    { weight: 2, arbitrary: tie('object') },
    { weight: 1, arbitrary: tie('array') },
  ),
  object: fc
    .tuple(
      fc.array(fc.tuple(fc.oneof(fc.constantFrom('"a"', '"b"', '""', '"\\u0061"'), text), tie('value'), space, space), {
        maxLength: 5,
      }),
      space,
    )
    .map(([members, end]) => {
      const names = members.map(([name]) => JSON.parse(name) as string);
      return {
        json: `{${members.map(([name, { json }, a, b]) => `${a}${name}${b}:${b}${json}`).join(',')}${end}}`,
        twice: new Set(names).size < names.length || members.some(([, { twice }]) => twice),
      };
    }),
  array: fc.array(tie('value'), { maxLength: 4 }).map((items) => ({
    json: `[${items.map(({ json }) => json).join(', ')}]`,
    twice: items.some(({ twice }) => twice),
  })),
}));

describe('any JSON', () => {
  it('is refused where a name occurs twice, and nowhere else', () => {
    let twice = 0;
    fc.assert(
      fc.property(value, (made) => {
        if (made.twice) twice++;
        const found = problem(`{"value":${made.json}}`);
        expect(found?.includes('occurs twice') ?? false).toBe(made.twice);
      }),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 3_000) },
    );
    expect(twice).toBeGreaterThan(100);
  });

  it('is refused from a depth on, whatever is nested', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 50, maxLength: 80 }), (objects) => {
        const json =
          objects.map((object) => (object ? '{"a":' : '[')).join('') +
          '0' +
          objects
            .map((object) => (object ? '}' : ']'))
            .reverse()
            .join('');
        expect(problem(`{"d":${json}}`) !== undefined).toBe(objects.length + 1 > MAX_DEPTH);
      }),
    );
  });

  it('is refused where a number has too many characters, wherever it stands', () => {
    for (let before = 0; before < 2 * MAX_TOKEN; before += 7) {
      for (const [length, refused] of [
        [MAX_TOKEN, false],
        [MAX_TOKEN + 1, true],
      ] as const) {
        const found = problem(
          `{"${'x'.repeat(before % 900)}":"${'y'.repeat(before)}","n":0.${'1'.repeat(length - 2)}}`,
        );
        expect(found !== undefined, `${length} after ${before}`).toBe(refused);
      }
    }
  });
});
