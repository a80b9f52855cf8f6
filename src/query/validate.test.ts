import { DEFAULT_ID_FORMATS } from '../../contract/ids.ts';
import { describe, expect, it } from 'vitest';
import type { UserpulseQuery } from '../types.ts';
import { DEFAULT_QUERY } from './defaults.ts';
import { validateQuery, type Known } from './validate.ts';

const isTemplate = (text: string) => text.includes('$');
const query = (fields: Partial<UserpulseQuery>): UserpulseQuery => ({ refId: 'A', ...DEFAULT_QUERY, ...fields });
const problems = (fields: Partial<UserpulseQuery>, known: Known = {}) =>
  validateQuery(query(fields), isTemplate, known);

describe('a query', () => {
  it('is complete by default', () => {
    expect(problems({})).toEqual({});
  });
  it.each(['made', 'received'] as const)('needs a user for "%s"', (preset) => {
    expect(problems({ preset }).ids).toContain('needs a user ID');
  });
  it('needs a share for "share"', () => {
    expect(problems({ preset: 'share' }).ids).toContain('needs a share ID');
  });
  it('judges ids by its preset', () => {
    const formats = DEFAULT_ID_FORMATS;
    expect(problems({ preset: 'share', ids: ['88'] }, { formats }).ids).toContain('24');
    expect(problems({ preset: 'made', ids: ['5f2c9b7a1d4e8a0012ab34cd'] }, { formats }).ids).toContain(
      'not a valid user ID',
    );
    const text = { formats: { user: 'text', share: 'text' } } as const;
    expect(problems({ preset: 'made', ids: ['auth0|ada'] }, text).ids).toBeUndefined();
    expect(problems({ preset: 'made', ids: ['a"b'] }, text).ids).toContain('1 to 128 characters');
    // Not yet known: what any format allows.
    expect(problems({ preset: 'made', ids: ['auth0|ada'] }).ids).toBeUndefined();
    expect(problems({ preset: 'made', ids: ['a"b'] }).ids).toContain('not a valid user ID');
    expect(problems({ preset: 'everyone', ids: ['88'] }).ids).toContain('takes no ids');
  });
  it('judges nothing that a variable gives', () => {
    expect(
      problems({ preset: 'made', ids: ['$user'], types: ['$t'], every: '$__interval', compareTo: '$__range' }),
    ).toEqual({});
  });
  it('says that a variable is unknown, rather than that it is no id', () => {
    const none = { preset: 'made' as const, ids: ['$user'], types: ['${type}'], every: '[[w]]', compareTo: '$x' };
    const found = Object.values(validateQuery(query(none), () => false));
    expect(found).toHaveLength(4);
    for (const text of found) expect(text).toContain('variable that has no value here');
  });
  it('has at most 50 ids', () => {
    const ids = Array.from({ length: 51 }, (_, i) => String(i + 1));
    expect(problems({ preset: 'made', ids }).ids).toContain('50');
    expect(problems({ preset: 'made', ids: ids.slice(1) })).toEqual({});
  });
  it('has as many ids and types as the values of its variables', () => {
    const values = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));
    const counted = (fields: Partial<UserpulseQuery>, ids: number, types = 0) =>
      validateQuery(query({ preset: 'made', ids: ['$user'], types: ['$type'], ...fields }), isTemplate, {
        replaced: { ids: values(ids), types: values(types) },
      });
    expect(counted({}, 50)).toEqual({});
    expect(counted({}, 51).ids).toContain('51 ids with series of their own are more than the 50');
    expect(counted({ groupBy: [] }, 1000)).toEqual({});
    expect(counted({ groupBy: [] }, 1001).ids).toContain('1001 ids are more than the 1000');
    expect(counted({}, 1, 101).types).toContain('101 types');
    // A variable that has no value now may have one later.
    expect(counted({}, 0)).toEqual({});
  });
  it('says when its windows are too many for the time range', () => {
    const week = 7 * 86_400_000;
    expect(problems({ every: '1s' }, { rangeMs: week }).every).toContain('604,800 windows');
    expect(problems({ every: '1s', calc: 'total' }, { rangeMs: week })).toEqual({});
    expect(problems({ every: '1m' }, { rangeMs: week })).toEqual({});
    expect(problems({ every: '1s' })).toEqual({});
  });
  it('knows which fields a legend may have', () => {
    expect(problems({ legend: '{{id}} {{ type }} {{compare}} {{preset}} $x' })).toEqual({});
    expect(problems({ legend: '{{user}}' }).legend).toContain('{{user}}');
  });
});
