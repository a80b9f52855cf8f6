import { dateTime } from '@grafana/data';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_QUERY } from './defaults.ts';
import {
  expandDuration,
  expandSet,
  expandTypes,
  interpolateQuery,
  rangeVars,
  resolveTimezone,
  standsForAll,
} from './interpolate.ts';
import type { Replace } from './interpolate.ts';

/** Replaces as Grafana's templateSrv does: `$a`, `${a}`, `${a:csv}`, `[[a]]`; an unknown variable stays as it is. */
const replaceWith =
  (variables: Readonly<Record<string, string | string[] | number>>): Replace =>
  (text, format) =>
    text.replace(
      /\$(\w+)|\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)\]\]/g,
      (match: string, a?: string, b?: string, csv?: string, c?: string) => {
        const value = variables[a ?? b ?? c ?? ''];
        if (value === undefined) return match;
        if (csv === 'csv') return [value].flat().join(',');
        return format ? format(value) : Array.isArray(value) ? `{${value.join(',')}}` : String(value);
      },
    );

describe('a set of ids or types', () => {
  const replace = replaceWith({
    user: ['88', '677'],
    one: '88',
    text: ' 88, 677;5 ',
    number: 42,
    none: [],
    empty: '',
    suffix: ['01', '02'],
    hostile: ['88") |> drop()', '{a,b}', '$user'],
  });

  it.each<[string, readonly string[], readonly string[]]>([
    ['keeps plain entries in their order', ['677', '88'], ['677', '88']],
    ['takes a variable with several values as several members, never as {a,b}', ['$user'], ['88', '677']],
    ['takes every way to write a variable', ['${user}', '[[one]]'], ['88', '677']],
    ['takes a variable with an explicit format', ['${user:csv}'], ['88', '677']],
    ['holds each member once', ['88', '$user', '${one}'], ['88', '677']],
    ['separates what was typed into a text box variable', ['$text'], ['88', '677', '5']],
    ['takes a number', ['$number'], ['42']],
    ['gives text around a variable to each of its values', ['5${suffix}9'], ['5019', '5029']],
    ['multiplies out two variables in one entry', ['${suffix}${user}'], ['0188', '01677', '0288', '02677']],
    ['has no member where a variable has no value', ['$none', '$empty'], []],
    ['leaves an unknown variable for the backend to refuse', ['$nobody'], ['$nobody']],
    ['takes text without a variable as it is, as alerts do', [' 88, 677'], ['88, 677']],
    ['is empty without entries', [], []],
  ])('%s', (_, entries, expected) => {
    expect(expandSet(entries, replace)).toEqual(expected);
  });

  it('passes hostile values on as text of their own and replaces nothing in them', () => {
    expect(expandSet(['$hostile'], replace)).toEqual(['88")', '|>', 'drop()', '{a', 'b}', '$user']);
  });

  it('takes any values of a variable as exactly those members', () => {
    const member = fc.string({ minLength: 1 }).filter((text) => !/[\s,;\uE000\uE001]/.test(text));
    fc.assert(
      fc.property(fc.array(member), (members) => {
        expect(expandSet(['$list'], (_, format) => format?.(members) ?? '')).toEqual([...new Set(members)]);
      }),
    );
  });

  it.each(['*', '.*', '.+', '$__all'])('takes %s as all types, which is no filter', (all) => {
    expect(expandTypes(['like', '$all'], replaceWith({ all }))).toEqual([]);
    expect(expandTypes(['like', all], replaceWith({}))).toEqual(['like', all]);
  });
});

describe('a duration', () => {
  it.each([
    ['1h', '1h'],
    ['$__interval', '30s'],
    ['${__interval_ms}ms', '30000ms'],
    ['$__interval_ms', '30000ms'],
    ['30000', '30000'],
    ['$__range', '3600s'],
    ['auto', 'auto'],
    ['', ''],
  ])('%s becomes %s', (text, expected) => {
    expect(expandDuration(text, replaceWith({ __interval: '30s', __interval_ms: 30000, __range: '3600s' }))).toBe(
      expected,
    );
  });

  it('knows the time range in seconds and milliseconds', () => {
    const from = dateTime('2026-01-01T00:00:00Z');
    const to = dateTime('2026-01-01T01:30:00Z');
    expect(rangeVars({ from, to, raw: { from, to } })).toEqual({
      __range: { value: '5400s' },
      __range_s: { value: 5400 },
      __range_ms: { value: 5_400_000 },
    });
  });
});

describe('a query', () => {
  const query = {
    refId: 'A',
    ...DEFAULT_QUERY,
    ids: ['$user'],
    types: ['$type'],
    compareTo: '$shift',
    legend: '{{id}} $name',
  } as const;
  const replace = replaceWith({ user: ['1', '2'], type: ['like'], shift: '', name: 'x' });

  it('keeps ids where its preset takes none, for the backend to refuse', () => {
    expect(interpolateQuery({ ...query, preset: 'everyone' }, replace).ids).toEqual(['1', '2']);
    expect(interpolateQuery({ ...query, preset: 'received' }, replace).ids).toEqual(['1', '2']);
  });

  it('has no comparison where the variable for it is empty', () => {
    expect(interpolateQuery(query, replace)).not.toHaveProperty('compareTo');
  });

  it('keeps the braces of a legend and replaces its variables', () => {
    expect(interpolateQuery(query, replace).legend).toBe('{{id}} x');
  });

  it('gives the same when it is done twice', () => {
    const once = interpolateQuery({ ...query, preset: 'made', compareTo: '1d' }, replace);
    expect(interpolateQuery(once, replace)).toEqual(once);
  });
});

describe('a types variable set to All', () => {
  const all = { name: 'type', type: 'query', current: { value: ['$__all'] } };

  it.each([
    ['is no filter', '$type', [all], {}, true],
    ['is no filter as ${type} either', '${type}', [all], {}, true],
    ['is its list where a regex narrows it', '$type', [{ ...all, regex: '/l/' }], {}, false],
    ['is its list where the list was written by hand', '$type', [{ ...all, type: 'custom' }], {}, false],
    ['is what its custom value says', '$type', [{ ...all, allValue: 'like' }], {}, false],
    ['is one value in a repeated panel', '$type', [all], { type: { value: 'like' } }, false],
    ['says nothing about text around it', 'x$type', [all], {}, false],
    ['is a set when values are chosen', '$type', [{ ...all, current: { value: ['like'] } }], {}, false],
    ['is nothing when it does not exist', '$other', [all], {}, false],
  ])('%s', (_, entry, variables, scoped, expected) => {
    expect(standsForAll(entry, variables, scoped)).toBe(expected);
  });
});

it.each([
  [undefined, 'browser', 'Europe/Berlin'],
  [undefined, '', 'Europe/Berlin'],
  [undefined, 'utc', 'UTC'],
  [undefined, 'Asia/Tokyo', 'Asia/Tokyo'],
  ['America/New_York', 'utc', 'America/New_York'],
  ['utc', 'Asia/Tokyo', 'utc'],
])('a query of zone %s on a dashboard of zone %s has windows in %s', (own, dashboard, expected) => {
  expect(resolveTimezone(own, dashboard, 'Europe/Berlin')).toBe(expected);
});
