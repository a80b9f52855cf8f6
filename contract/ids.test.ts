import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_ID_FORMATS,
  ID_FORMAT_NAMES,
  ID_FORMATS,
  idFormatProblem,
  isAbsentId,
  NO_TEXT_IDS,
  type IdFormats,
} from './ids.ts';
import { parsePrefixScheme, PREFIX_BY, prefixOf, prefixSchemeText } from './prefix.ts';
import { problemText } from './problem.ts';

const TEXT = { user: 'text', share: 'text' } as const;
const problemOf = (id: string, formats: IdFormats | undefined): string | undefined => {
  const problem = idFormatProblem('user', id, formats);
  return problem && problemText(problem);
};

describe('a text id', () => {
  it.each([
    '9b2f6c1e-4d0a-4f5e-8a37-2f1c9d7e6b10',
    '01ARZ3NDEKTSV4RRFFQ69G5FAV',
    'did:plc:ewvi7nxzyoun6zhxrhs64oiz',
    'at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/3k2',
    'auth0|5f7c8ec7c33c6c004bbafe82',
    'eu-west-1:1b9c1e7a-0000-4000-8000-000000000000',
    '@ada:example.org',
    'ada.lovelace+likes@example.org',
    'TWFu/Zz+8=',
    'a'.repeat(128),
    '1',
    '00',
    '--',
    'NULL',
  ])('%s is one', (id) => {
    expect(problemOf(id, TEXT)).toBeUndefined();
  });

  it.each([
    ['', '1 to 128 characters of'],
    ['a'.repeat(129), 'It has 129 characters'],
    ['a b', '1 to 128 characters of'],
    ['a,b', '1 to 128 characters of'],
    ['a"b', '1 to 128 characters of'],
    ["a'b", '1 to 128 characters of'],
    ['a\\b', '1 to 128 characters of'],
    ['a\nb', '1 to 128 characters of'],
    ['a\u0000b', '1 to 128 characters of'],
    ['${user}', '1 to 128 characters of'],
    ['$user', '1 to 128 characters of'],
    ['{a}', '1 to 128 characters of'],
    ['<a>', '1 to 128 characters of'],
    ['müller', '1 to 128 characters of'],
    // A Cyrillic letter.
    ['\u0430da', '1 to 128 characters of'],
    ['\ud800', '1 to 128 characters of'],
    ...NO_TEXT_IDS.map((id) => [id, 'It stands for no user']),
  ])('%j is none', (id, why) => {
    expect(problemOf(id, TEXT)).toContain(why);
  });
});

const unknown = (id: string) => problemOf(id, undefined);
it('is valid where formats are not known if any format takes it', () => {
  expect(unknown('ada')).toBeUndefined();
  expect(unknown('88')).toBeUndefined();
  expect(unknown('a b')).toContain('whole numbers such as 88');
  expect(idFormatProblem('user', 'ada', DEFAULT_ID_FORMATS)).toBeDefined();
});

it.each(ID_FORMAT_NAMES)('of format %s is never what stands where there is none, and its example is one', (format) => {
  const { problem, absent, example } = ID_FORMATS[format];
  for (const text of ['0', '-']) expect(problem(text, 'user')).toBeDefined();
  expect(isAbsentId(absent)).toBe(true);
  expect(problem(example, 'user')).toBeUndefined();
});

describe('a prefix', () => {
  it.each([
    ['9007199254740993', 'first:4', '9007'],
    ['9007199254740993', 'last:4', '0993'],
    ['88', 'first:4', '88'],
    // MurmurHash3_x86_32 of known texts: 0x248bfa47 of "hello", 0x00000000 of "", 0xe37cd1bc of "123456789" (values of the reference implementation).
    ['hello', 'hash:3', '248'],
    ['hello', 'hash:8', '248bfa47'],
  ])('of %s by %s is %s', (id, scheme, prefix) => {
    expect(prefixOf(id, parsePrefixScheme(scheme)!)).toBe(prefix);
  });

  it('by hash has as many digits as are asked for, spread evenly', () => {
    const counts = new Map<string, number>();
    for (let n = 0; n < 65_536; n++) {
      const prefix = prefixOf(`user:${n}`, { by: 'hash', length: 2 });
      expect(prefix).toMatch(/^[0-9a-f]{2}$/);
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
    }
    expect(counts.size).toBe(256);
    expect(Math.max(...counts.values())).toBeLessThan(350);
  });

  it('has a scheme that is written as it is read', () => {
    const schemes = fc.record({ by: fc.constantFrom(...PREFIX_BY), length: fc.integer({ min: 1, max: 99 }) });
    fc.assert(
      fc.property(schemes, (scheme) => {
        expect(parsePrefixScheme(prefixSchemeText(scheme))).toEqual(scheme);
      }),
    );
    for (const text of ['', 'first', 'first:', 'first:0', 'first:100', 'middle:2', 'hash:2 ', 'Hash:2'])
      expect(parsePrefixScheme(text)).toBeUndefined();
  });
});
