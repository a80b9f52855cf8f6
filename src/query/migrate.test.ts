import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_QUERY } from './defaults.ts';
import { describeQuery } from './describe.ts';
import { EXAMPLES } from './examples.ts';
import { migrateQuery, migrateVariableQuery } from './migrate.ts';
import { isValid, validateQuery } from './validate.ts';

describe('a saved query', () => {
  it.each<[string, unknown, object]>([
    ['without anything is the default', { refId: 'B' }, { refId: 'B', ...DEFAULT_QUERY }],
    ['that is no object is the default', 'text', { refId: 'A', ...DEFAULT_QUERY }],
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
      'written by hand may have id, type and window',
      { preset: 'made', id: '88', type: 'like', window: '1h' },
      { refId: 'A', ...DEFAULT_QUERY, preset: 'made', ids: ['88'], types: ['like'], every: '1h' },
    ],
    [
      'may have lists as text',
      { preset: 'made', ids: '88, 677 88' },
      { refId: 'A', ...DEFAULT_QUERY, preset: 'made', ids: ['88', '677'] },
    ],
    [
      'may have an id as a number',
      { preset: 'made', ids: [88] },
      { refId: 'A', ...DEFAULT_QUERY, preset: 'made', ids: ['88'] },
    ],
    [
      'with unknown words falls back for those alone',
      { preset: 'nonsense', calc: 'sum', ids: ['1'] },
      { refId: 'A', ...DEFAULT_QUERY, ids: ['1'] },
    ],
    [
      'keeps what Grafana owns',
      { refId: 'C', hide: true, datasource: { uid: 'u' } },
      { refId: 'C', hide: true, datasource: { uid: 'u' }, ...DEFAULT_QUERY },
    ],
    [
      'of a ranking is complete',
      { preset: 'top' },
      { refId: 'A', ...DEFAULT_QUERY, preset: 'top', of: 'received', n: 10 },
    ],
    [
      'loses what belongs to a ranking with it',
      { preset: 'made', of: 'made', n: 5 },
      { refId: 'A', ...DEFAULT_QUERY, preset: 'made' },
    ],
    ['has no empty texts', { compareTo: ' ', legend: '', timezone: '' }, { refId: 'A', ...DEFAULT_QUERY }],
    [
      'of an annotation keeps what it marks',
      { annotation: { kind: 'created' } },
      { refId: 'A', ...DEFAULT_QUERY, annotation: { kind: 'created', threshold: 100 } },
    ],
  ])('%s', (_, saved, expected) => {
    expect(migrateQuery(saved)).toEqual(expected);
  });

  it('is read without failing whatever was saved, and reading it again changes nothing', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (saved) => {
        const once = migrateQuery(saved);
        expect(migrateQuery(once)).toEqual(once);
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
  expect(migrateVariableQuery(saved)).toMatchObject({ version: 1, ...expected });
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
  expect(describeQuery(migrateQuery(fields))).toBe(text);
});

it.each(EXAMPLES)('has an example that runs: $title', ({ query }) => {
  const asked = { refId: 'A', ...query };
  expect(migrateQuery(asked)).toEqual(asked);
  expect(isValid(validateQuery(asked, (text) => text.startsWith('$')))).toBe(true);
});
