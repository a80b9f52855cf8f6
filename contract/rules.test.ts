import { describe, expect, it } from 'vitest';
import { estimatedMs, readDuration } from './duration.ts';
import { DEFAULT_ID_FORMATS, shareCreated } from './ids.ts';
import { problemText, type Problem } from './problem.ts';
import { idProblem, idsApartProblem, idsProblem, typeProblem, typesProblem } from './rules.ts';

const text = (problem: Problem | undefined): string | undefined => problem && problemText(problem);
const userIdProblem = (id: string) => text(idProblem('user', id, DEFAULT_ID_FORMATS));
const shareIdProblem = (id: string) => text(idProblem('share', id, DEFAULT_ID_FORMATS));

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
    ['${user}', 'holds a variable that has no value here'],
    ['{9,88}', 'is how Grafana writes several values of a variable. Write each ID by itself.'],
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
    ['zz2c9b7a1d4e8a0012ab34cd', 'not a valid share ID'],
    ['$share', 'holds a variable that has no value here'],
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
  it.each(['1s', '10m', '1h30m', '1d', '1w', '1mo', '2y', '500ms', '1d12h', '1mo1y', ' 1h '])(
    'may be "%s"',
    (duration) => {
      expect(readDuration(duration, 'every')).toHaveProperty('kind');
    },
  );
  it.each([
    '',
    '1',
    'h',
    '1hour',
    '-1h',
    '1.5h',
    '1M',
    '0s',
    'auto',
    '1mo1d',
    '1ns',
    '1h|>',
    '1y1s',
    '601y',
    '$window',
  ])('may not be "%s"', (duration) => {
    expect(readDuration(duration, 'every')).toHaveProperty('message', expect.stringContaining('every'));
  });
  it('says of a variable without a value what it is', () => {
    expect(readDuration('$window', 'every')).toMatchObject({ message: expect.stringContaining('variable') });
  });
  it('has a length for estimates', () => {
    const estimate = (duration: string) => {
      const read = readDuration(duration, 'every');
      return 'message' in read ? undefined : estimatedMs(read);
    };
    expect(estimate('1h30m')).toBe(5_400_000);
    expect(estimate('1mo')).toBeGreaterThan(28 * 86_400_000);
  });
});

describe('the ids of a query', () => {
  const many = Array.from({ length: 1001 }, (_, i) => String(i + 1));
  it.each([
    ['made', [], 'ids is empty: preset "made" needs a user ID. Give at least one, a whole number'],
    ['share', [], 'preset "share" needs a share ID.'],
    ['share', ['88'], '"88" is not a valid share ID.'],
    ['made', many, '1001 ids are more than the 1000'],
    ['everyone', ['1'], 'preset "everyone" takes no ids.'],
    ['top', ['1'], 'preset "top" takes no ids.'],
    ['pair', ['1'], 'takes the IDs of two different users, not 1.'],
    ['pair', ['1', '2', '3'], 'takes the IDs of two different users, not 3.'],
    ['pair', ['1', 'x'], '"x" is not a valid user ID.'],
    ['who', ['1', '2'], 'takes one user ID, not 2.'],
    ['who', [], 'needs a user ID.'],
  ] as const)('of %s may not be %j', (preset, ids, message) => {
    expect(text(idsProblem({ preset, ids }, DEFAULT_ID_FORMATS))).toContain(message);
  });
  it('may be 1,000, and empty text where none are asked for, as an empty variable gives it', () => {
    expect(idsProblem({ preset: 'made', ids: many.slice(1) }, DEFAULT_ID_FORMATS)).toBeUndefined();
    expect(idsProblem({ preset: 'everyone', ids: [''] }, DEFAULT_ID_FORMATS)).toBeUndefined();
  });
  it('may be 50 where each has series of its own', () => {
    expect(text(idsApartProblem(many.slice(0, 51), ['id', 'type']))).toContain('Group by type only');
    expect(idsApartProblem(many.slice(0, 50), ['id'])).toBeUndefined();
    expect(idsApartProblem(many, ['type'])).toBeUndefined();
  });
  it('are not judged where a variable will give them', () => {
    expect(idsProblem({ preset: 'made', ids: ['$user'] }, DEFAULT_ID_FORMATS, (id) => id === '$user')).toBeUndefined();
    expect(typesProblem(['$type'], (type) => type === '$type')).toBeUndefined();
  });
});

it('may hold at most 100 types', () => {
  const types = Array.from({ length: 101 }, (_, i) => `t${i}`);
  expect(text(typesProblem(types))).toContain('101 types are more than 100.');
  expect(typesProblem(types.slice(1))).toBeUndefined();
});

it('reads from a share ID when the share was created', () => {
  expect(shareCreated('5f2c9b7a1d4e8a0012ab34cd')?.toISOString()).toBe('2020-08-07T00:08:26.000Z');
  expect(shareCreated('88')).toBeUndefined();
});
