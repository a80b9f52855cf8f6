import { describe, expect, it } from 'vitest';
import * as backend from '../../backend/src/query/request.ts';
import { parseDuration } from '../../backend/src/query/duration.ts';
import type { UserpulseQuery } from '../types.ts';
import { DEFAULT_QUERY } from './defaults.ts';
import { durationMs } from './duration.ts';
import * as limits from './limits.ts';
import { durationProblem, shareIdProblem, typeProblem, userIdProblem, validateQuery } from './validate.ts';

const isTemplate = (text: string) => text.includes('$');
const query = (fields: Partial<UserpulseQuery>): UserpulseQuery => ({ refId: 'A', ...DEFAULT_QUERY, ...fields });
const problems = (fields: Partial<UserpulseQuery>, rangeMs?: number) =>
  validateQuery(query(fields), isTemplate, rangeMs);

it('has the limits and lists of the backend', () => {
  expect(limits.PRESETS).toEqual(backend.PRESETS);
  expect(limits.CALCULATIONS).toEqual(backend.CALCULATIONS);
  expect(limits.LABELS).toEqual(backend.LABELS);
  expect([limits.MAX_IDS, limits.MAX_WINDOWS, limits.MAX_TOP]).toEqual([
    backend.MAX_IDS,
    backend.MAX_WINDOWS,
    backend.MAX_TOP,
  ]);
});

describe('a user id', () => {
  it.each(['1', '88', '9007199254740993', '9223372036854775807'])('may be %s', (id) => {
    expect(userIdProblem(id)).toBeUndefined();
  });
  it.each([
    ['abc', 'whole numbers'],
    ['-1', 'whole numbers'],
    ['1e3', 'whole numbers'],
    ['1.0', 'whole numbers'],
    ['0', 'above 0'],
    ['007', 'leading zeros'],
    ['9223372036854775808', 'too large'],
    ['9'.repeat(400), 'too large'],
    ['" or true', 'whole numbers'],
  ])('may not be %s', (id, why) => {
    expect(userIdProblem(id)).toContain(why);
  });
});

describe('a share id', () => {
  it('has 24 lower-case hex characters', () => {
    expect(shareIdProblem('5f2c9b7a1d4e8a0012ab34cd')).toBeUndefined();
  });
  it.each([
    ['5F2C9B7A1D4E8A0012AB34CD', 'lower case'],
    ['5f2c', 'has 4 characters'],
    ['zz2c9b7a1d4e8a0012ab34cd', 'no share id'],
  ])('may not be %s', (id, why) => {
    expect(shareIdProblem(id)).toContain(why);
  });
});

it.each(['like', 'a', 'video_view_2', `a${'b'.repeat(31)}`])('takes %s as a type', (type) => {
  expect(typeProblem(type)).toBeUndefined();
});
it.each(['Like', '1st', 'a-b', '', 'a'.repeat(33), 'like"'])('refuses %s as a type', (type) => {
  expect(typeProblem(type)).toBeDefined();
});

describe('a duration', () => {
  it.each(['1s', '10m', '1h30m', '1d', '1w', '1mo', '2y', '500ms', '1d12h', '1mo1y'])(
    'takes %s, as the backend does',
    (text) => {
      expect(durationProblem(text, '1h')).toBeUndefined();
      expect(() => parseDuration(text, 'every')).not.toThrow();
    },
  );
  it.each(['', '1', 'h', '1hour', '-1h', '1.5h', '1h ', '1M', '0s', 'auto', '1mo1d', '1ns', '1h|>', '1y1s'])(
    'refuses "%s", as the backend does',
    (text) => {
      expect(durationProblem(text, '1h')).toBeDefined();
      // White space around is taken off before it is sent.
      if (text.trim() === text) expect(() => parseDuration(text, 'every')).toThrow();
    },
  );
  it('has a length for estimates', () => {
    expect(durationMs('1h30m')).toBe(5_400_000);
    expect(durationMs('1mo')).toBeGreaterThan(28 * 86_400_000);
  });
});

describe('a query', () => {
  it('is complete by default', () => {
    expect(problems({})).toEqual({});
  });
  it.each(['made', 'received'] as const)('needs a user for "%s"', (preset) => {
    expect(problems({ preset }).ids).toContain('user id');
  });
  it('needs a share for "share"', () => {
    expect(problems({ preset: 'share' }).ids).toContain('share id');
  });
  it('judges ids by its preset', () => {
    expect(problems({ preset: 'share', ids: ['88'] }).ids).toContain('24');
    expect(problems({ preset: 'made', ids: ['5f2c9b7a1d4e8a0012ab34cd'] }).ids).toContain('no user id');
    expect(problems({ preset: 'everyone', ids: ['nonsense'] })).toEqual({});
  });
  it('judges nothing that a variable gives', () => {
    expect(
      problems({ preset: 'made', ids: ['$user'], types: ['$t'], every: '$__interval', compareTo: '$__range' }),
    ).toEqual({});
  });
  it('says that a variable is unknown, rather than that it is no id', () => {
    const none = { preset: 'made', ids: ['$user'], types: ['${type}'], every: '[[w]]', compareTo: '$x' } as const;
    const found = Object.values(validateQuery(query(none), () => false));
    expect(found).toHaveLength(4);
    for (const text of found) expect(text).toContain('There is no variable');
  });
  it('has at most 50 ids', () => {
    const ids = Array.from({ length: 51 }, (_, i) => String(i + 1));
    expect(problems({ preset: 'made', ids }).ids).toContain('50');
    expect(problems({ preset: 'made', ids: ids.slice(1) })).toEqual({});
  });
  it('says when its windows are too many for the time range', () => {
    const week = 7 * 86_400_000;
    expect(problems({ every: '1s' }, week).every).toContain('604,800 windows');
    expect(problems({ every: '1s', calc: 'total' }, week)).toEqual({});
    expect(problems({ every: '1m' }, week)).toEqual({});
    expect(problems({ every: '1s' })).toEqual({});
  });
  it.each([0, 1.5, -1, 1001, Number.NaN])('ranks not %s', (n) => {
    expect(problems({ preset: 'top', of: 'made', n }).n).toBeDefined();
  });
  it('knows which fields a legend may have', () => {
    expect(problems({ legend: '{{id}} {{ type }} {{compare}} {{preset}} $x' })).toEqual({});
    expect(problems({ legend: '{{user}}' }).legend).toContain('{{user}}');
  });
});
