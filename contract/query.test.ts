import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isIdPreset } from './presets.ts';
import { problemText } from './problem.ts';
import { GRAFANA_FIELDS, QUERY_FIELDS, readQuery, readVariable, STREAM_FIELDS } from './query.ts';

const problems = (given: unknown): Record<string, string> =>
  Object.fromEntries([...readQuery(given).problems].map(([name, problem]) => [name, problemText(problem)]));

const DEFAULTS = { preset: 'everyone', ids: [], types: [], every: 'auto', calc: 'count', version: 1 };

describe('a query', () => {
  it.each<[string, unknown, object]>([
    ['has defaults', {}, DEFAULTS],
    ['may be missing altogether', undefined, DEFAULTS],
    ['takes null and blank text for absent', { compareTo: ' ', legend: '', every: null, groupBy: null }, DEFAULTS],
    ['trims its texts', { every: ' 1h ', types: [' like'] }, { ...DEFAULTS, every: '1h', types: ['like'] }],
    ['has each id once', { preset: 'made', ids: ['1', '2', ' 1 '] }, { ...DEFAULTS, preset: 'made', ids: ['1', '2'] }],
    [
      'may have ids as exact JSON numbers',
      { preset: 'made', ids: [88, '88', 9007199254740991] },
      { ...DEFAULTS, preset: 'made', ids: ['88', '9007199254740991'] },
    ],
    ['may group by nothing', { groupBy: [] }, { ...DEFAULTS, groupBy: [] }],
    [
      'has the defaults of an annotation',
      { annotation: {} },
      { ...DEFAULTS, annotation: { kind: 'threshold', threshold: 100 } },
    ],
    ['may hold what Grafana adds', Object.fromEntries([...GRAFANA_FIELDS].map((name) => [name, {}])), DEFAULTS],
  ])('%s', (_, given, values) => {
    expect(readQuery(given)).toEqual({ values, problems: new Map() });
  });

  it.each<[unknown, string, string]>([
    [
      { preset: 'liked' },
      'preset',
      'preset "liked" is not known. Use one of made, received, share, everyone, pair, who, top.',
    ],
    [{ preset: '' }, 'preset', 'preset "" is not known.'],
    [
      { preset: ['made'] },
      'preset',
      'preset must be one of made, received, share, everyone, pair, who, top, not an array.',
    ],
    [{ ids: '88' }, 'ids', 'ids must be an array, not a string ("88").'],
    [{ ids: [null] }, 'ids', 'ids[0] must be a string, not null.'],
    [
      { ids: ['1', 9007199254740992] },
      'ids',
      'ids[1] is a JSON number that cannot be read exactly: 9007199254740992 may differ from what was written. Write it in quotes.',
    ],
    [{ ids: [1.5] }, 'ids', 'ids[0] is a JSON number that cannot be read exactly'],
    [{ n: '10' }, 'n', 'n must be a whole number from 1 to 1000, not a string ("10").'],
    [{ n: 0 }, 'n', 'n 0 is not valid. Use a whole number from 1 to 1000.'],
    [{ calc: 'sum' }, 'calc', 'calc "sum" is not known. Use one of count, rate, cumulative, total, unique, reach.'],
    [{ groupBy: ['id', 'user'] }, 'groupBy', 'groupBy "user" is not known. Use one of id, type.'],
    [{ preset: 'everyone', ids: ['88'] }, 'ids', 'preset "everyone" takes no ids.'],
    [{ live: 'true' }, 'live', 'live must be true or false, not a string ("true").'],
    [{ annotation: { kind: 'x' } }, 'annotation', 'annotation: kind "x" is not known.'],
    [{ annotation: { colour: 'x' } }, 'annotation', 'annotation: "colour" is not a field of an annotation.'],
    [
      { version: 2 },
      'version',
      'The query was saved by a newer version of the plugin (query version 2; version 1 is known here).',
    ],
    [{ version: '1' }, 'version', 'version "1" is not valid.'],
    [{ window: '1h' }, 'window', '"window" is not a field of a query. Remove it. The fields are preset, ids, types,'],
    [{ constructor: 1 }, 'constructor', '"constructor" is not a field of a query.'],
    [[], '', 'The query must be an object, not an array.'],
    ['made', '', 'The query must be an object, not a string.'],
    [{ every: 'x'.repeat(33) }, 'every', 'every has 33 characters; at most 32 are allowed.'],
  ])('%j is refused', (given, field, text) => {
    const found = problems(given);
    expect(Object.keys(found)).toEqual([field]);
    expect(found[field]).toContain(text);
  });

  it('names every problem at once, and takes the default for what is wrong so that an editor can draw it', () => {
    const { values, problems: found } = readQuery({ preset: 'liked', calc: 1, ids: ['1'], x: 1 });
    expect([...found.keys()]).toEqual(['preset', 'calc', 'x']);
    expect(values).toEqual({ ...DEFAULTS, ids: ['1'] });
  });

  it('is read without failing, whatever came; and what was read reads as itself', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (given) => {
        // Ids of a preset that is not known are strays once it has become the default.
        const { values } = readQuery(readQuery(given).values);
        expect(readQuery(values)).toEqual({ values, problems: new Map() });
      }),
    );
  });

  it('is read as itself where its fields are well formed', () => {
    const text = fc.string({ minLength: 1, maxLength: 32 }).filter((one) => one.trim() === one && one !== '');
    const texts = fc.uniqueArray(text, { maxLength: 5 });
    const query = fc.record(
      {
        preset: fc.constantFrom(...QUERY_FIELDS.preset.form.of),
        ids: texts,
        types: texts,
        every: text,
        calc: fc.constantFrom(...QUERY_FIELDS.calc.form.of),
        groupBy: fc.subarray([...QUERY_FIELDS.groupBy.form.of]),
        compareTo: text,
        of: fc.constantFrom(...QUERY_FIELDS.of.form.of),
        n: fc.integer({ min: 1, max: 1000 }),
        timezone: text,
        legend: text,
        live: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(query, (any) => {
        const given = any.preset === undefined || !isIdPreset(any.preset) ? { ...any, ids: [] } : any;
        expect(readQuery(given)).toEqual({ values: { ...DEFAULTS, ...given }, problems: new Map() });
      }),
    );
  });
});

it('writes the fields of a live channel in the order that the gateway’s documentation gives', () => {
  expect(STREAM_FIELDS).toEqual([
    'preset',
    'ids',
    'types',
    'every',
    'calc',
    'groupBy',
    'direction',
    'timezone',
    'legend',
  ]);
});

it('reads the query of a variable by the same rules', () => {
  expect(readVariable({ list: 'top', of: 'share' }).values).toEqual({
    version: 1,
    list: 'top',
    of: 'share',
    n: 20,
    types: [],
  });
  expect([...readVariable({ list: 'ids', n: '5' }).problems.keys()]).toEqual(['list', 'n']);
});
