import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_QUERY } from './defaults.ts';
import { describeQuery } from './describe.ts';
import { EXAMPLES } from './examples.ts';
import { changeSaved, isWellFormed, problemsText, readSaved, readSavedVariable, withoutProblems } from './saved.ts';
import type { UserpulseQuery } from '../types.ts';
import { isValid, validateQuery } from './validate.ts';

describe('a saved query', () => {
  it.each<[string, unknown, object]>([
    ['without anything is the default', { refId: 'B' }, { refId: 'B', ...DEFAULT_QUERY }],
    [
      'of version 1 stays as it is',
      {
        refId: 'A',
        ...DEFAULT_QUERY,
        preset: 'made',
        ids: ['$u'],
        groupBy: [],
        compareTo: '1d',
        timezone: 'UTC',
        live: true,
        legend: 'x',
      },
      {
        refId: 'A',
        ...DEFAULT_QUERY,
        preset: 'made',
        ids: ['$u'],
        groupBy: [],
        compareTo: '1d',
        timezone: 'UTC',
        live: true,
        legend: 'x',
      },
    ],
    [
      'may have an id as a number',
      { preset: 'made', ids: [88] },
      { refId: 'A', ...DEFAULT_QUERY, preset: 'made', ids: ['88'] },
    ],
    [
      'keeps what Grafana owns',
      { refId: 'C', hide: true, datasource: { uid: 'u' } },
      { refId: 'C', hide: true, datasource: { uid: 'u' }, ...DEFAULT_QUERY },
    ],
    [
      'keeps what belongs to a ranking',
      { preset: 'top', of: 'made', n: 5 },
      { refId: 'A', ...DEFAULT_QUERY, preset: 'top', of: 'made', n: 5 },
    ],
    ['has no empty texts', { compareTo: ' ', legend: '', timezone: '' }, { refId: 'A', ...DEFAULT_QUERY }],
    [
      'of an annotation keeps what it marks',
      { annotation: { kind: 'created' } },
      { refId: 'A', ...DEFAULT_QUERY, annotation: { kind: 'created', threshold: 100 } },
    ],
  ])('%s', (_, saved, expected) => {
    expect(readSaved(saved)).toEqual({ query: expected, problems: new Map() });
  });

  it.each<[string, unknown, string]>([
    ['an unknown preset', { preset: 'likes', ids: ['88'] }, 'preset "likes" is not known. Use one of made,'],
    ['a count as text', { preset: 'top', n: '10' }, 'n must be a whole number from 1 to 1000, not a string ("10").'],
    ['an id that lost digits', { preset: 'made', ids: [9007199254740993, 88] }, 'Write it in quotes.'],
    ['a list as text', { preset: 'made', ids: '88, 677' }, 'ids must be an array'],
    [
      'a field that does not exist',
      { preset: 'made', ids: ['88'], window: '1h' },
      '"window" is not a field of a query.',
    ],
    ['a word for a switch', { live: 'on' }, 'live must be true or false'],
    ['a wrong kind of annotation', { annotation: { kind: 'mark' } }, 'annotation: kind "mark" is not known.'],
    ['a newer version', { version: 2 }, 'newer version of the plugin'],
    ['no object', 'text', 'The query must be an object'],
  ])('with %s cannot run, and says so in the backend’s words', (_, saved, text) => {
    expect(isWellFormed(saved)).toBe(false);
    expect(problemsText(readSaved(saved).problems)).toContain(text);
  });

  it('keeps a wrong field while another one is changed, until somebody takes it away', () => {
    const wrong = { refId: 'A', preset: 'likes', ids: ['88'], x: 1 } as unknown as UserpulseQuery;
    const changed = changeSaved(wrong, { every: '1h', compareTo: ' ', legend: undefined });
    expect(changed).toEqual({ refId: 'A', ...DEFAULT_QUERY, preset: 'likes', ids: ['88'], every: '1h', x: 1 });
    expect(changeSaved(changed, { preset: 'made' })).toMatchObject({ preset: 'made', x: 1 });
    expect(withoutProblems(changed)).toEqual({ refId: 'A', ...DEFAULT_QUERY, every: '1h' });
  });

  it('is read without failing whatever was saved, and reading it again changes nothing', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (saved) => {
        const { query } = readSaved(readSaved(saved).query);
        expect(readSaved(query).query).toEqual(query);
      }),
    );
  });
});

it.each([
  ['types', { list: 'types' }],
  [undefined, { list: 'types', of: 'received', n: 20 }],
  [
    { list: 'top', of: 'share', n: 5, types: ['like'] },
    { list: 'top', of: 'share', n: 5, types: ['like'] },
  ],
])('reads the variable query %j', (saved, expected) => {
  expect(readSavedVariable(saved).query).toMatchObject({ version: 1, ...expected });
});

it.each([
  [{ preset: 'received', ids: ['88', '677'], types: ['like'] }, 'Received by 88, 677 · like · count per window'],
  [{ preset: 'made', every: '1h', calc: 'rate' }, 'Made by (no id yet) · rate per 1h'],
  [
    { preset: 'share', ids: ['$id'], calc: 'cumulative', compareTo: '1w' },
    'Received by share $id · running sum per window · against 1w earlier',
  ],
  [{ preset: 'everyone', calc: 'total' }, 'Everyone · total'],
  [{ preset: 'top', of: 'share', n: 5 }, 'Top 5 shares'],
  [{ preset: 'everyone', live: true }, 'Everyone · count per window · live'],
])('calls %j "%s"', (fields, text) => {
  expect(describeQuery(readSaved(fields).query)).toBe(text);
});

it.each(EXAMPLES)('has an example that runs: $title', ({ query }) => {
  const asked = { refId: 'A', ...query };
  expect(readSaved(asked)).toEqual({ query: asked, problems: new Map() });
  expect(isValid(validateQuery(asked, (text) => text.startsWith('$')))).toBe(true);
});
