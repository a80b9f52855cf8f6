import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { UserpulseError } from '../errors.ts';
import type { InfluxReader } from '../influx/reader.ts';
import type { FrameJson, QueryResult } from '../../../contract/answers.ts';
import type { QueryFields } from '../../../contract/query.ts';
import type { QueryRequest } from './request.ts';
import { createQueryService } from './service.ts';
import { overTheWire, type ReadService } from './testing.ts';

const schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
} as const;

/** An InfluxDB that knows one answer, by stream name: rows of [time, count, type], or of [count, type]. */
function reader(
  rows: Readonly<Record<string, readonly (readonly (string | number)[])[]>>,
  scripts: string[] = [],
): InfluxReader {
  return {
    bytes: (script, onChunk) => {
      scripts.push(script.text);
      for (const [name, list] of Object.entries(rows)) {
        if (!script.text.includes(`yield(name: ${JSON.stringify(name)})`)) continue;
        const columns = list[0]?.length === 3 ? '_time,_value,type' : '_value,type';
        const lines = list.map((row) => `,${name},0,${row.join(',')}\r\n`);
        onChunk(Buffer.from(`,result,table,${columns}\r\n${lines.join('')}\r\n`));
      }
      return Promise.resolve();
    },
    rows: () => Promise.reject(new Error('not asked for')),
  };
}

const service = (influx: InfluxReader, now = Date.parse('2026-02-01T00:00:00Z')): ReadService =>
  overTheWire(createQueryService({ influx, schema, now: () => now, logger: pino({ level: 'silent' }) }));

const DAY = { from: '2026-01-05T00:00:00Z', to: '2026-01-06T00:00:00Z' };
const ask = (query: Readonly<Record<string, unknown>>, over: Partial<QueryRequest> = {}): QueryRequest => ({
  ...DAY,
  queries: [{ refId: 'A', preset: 'made', ids: ['123456'], every: '12h', ...query }],
  ...over,
});
const frameOf = (result: QueryResult | undefined): FrameJson => {
  if (result === undefined || 'error' in result) throw new Error(result?.error ?? 'no result');
  return result.frames[0]!;
};
const frame = async (influx: InfluxReader, request: QueryRequest, now?: string): Promise<FrameJson> =>
  frameOf((await service(influx, now === undefined ? undefined : Date.parse(now)).query(request)).results['A']);
const MORNING = Date.parse('2026-01-05T00:00:00Z');
const NOON = Date.parse('2026-01-05T12:00:00Z');

describe('a query', () => {
  it('is one wide frame: a time field, then a dense number field per id and type, with labels and a readable legend', async () => {
    const influx = reader({
      '123456': [
        ['2026-01-05T13:00:00Z', 3, 'view'],
        ['2026-01-05T01:00:00Z', 2, 'like'],
      ],
    });
    const { schema: shape, data } = await frame(influx, ask({}));
    expect(shape.meta).toMatchObject({
      type: 'timeseries-wide',
      typeVersion: [0, 1],
      executedQueryString: expect.stringContaining('from(bucket: "m")'),
      custom: { partial: { first: false, last: false } },
    });
    expect(shape.fields.map((f) => [f.name, f.type, f.labels, f.config?.['displayNameFromDS']])).toEqual([
      ['time', 'time', undefined, undefined],
      ['count', 'number', { id: '123456', type: 'like' }, '123456 like'],
      ['count', 'number', { id: '123456', type: 'view' }, '123456 view'],
    ]);
    expect(data.values).toEqual([
      [MORNING, NOON],
      [2, 0],
      [0, 3],
    ]);
  });

  it('has a series of zeros for each type asked for, and one per id where nothing happened at all', async () => {
    const asked = await frame(reader({}), ask({ types: ['view', 'like'] }));
    expect(asked.schema.fields.slice(1).map((f) => f.labels)).toEqual([
      { id: '123456', type: 'view' },
      { id: '123456', type: 'like' },
    ]);
    const none = await frame(reader({ '7': [['2026-01-05T01:00:00Z', 1, 'like']] }), ask({ ids: ['8', '7'] }));
    expect(none.schema.fields.slice(1).map((f) => f.labels)).toEqual([{ id: '8' }, { id: '7', type: 'like' }]);
    expect(none.data.values[1]).toEqual([0, 0]);
  });

  it.each<[QueryFields['groupBy'], object[], (number | null)[][]]>([
    [
      ['id'],
      [{ id: '1' }, { id: '2' }],
      [
        [3, 0],
        [5, 0],
      ],
    ],
    [
      ['type'],
      [{ type: 'like' }, { type: 'view' }],
      [
        [6, 0],
        [2, 0],
      ],
    ],
    [[], [{}], [[8, 0]]],
  ])('grouped by %j adds up the rest', async (groupBy, labels, values) => {
    const time = '2026-01-05T01:00:00Z';
    const separate = {
      '1': [
        [time, 1, 'like'],
        [time, 2, 'view'],
      ],
      '2': [[time, 5, 'like']],
    };
    const together = {
      '1 + 2': [
        [time, 6, 'like'],
        [time, 2, 'view'],
      ],
    };
    const answer = await frame(
      reader(groupBy?.includes('id') === true ? separate : together),
      ask({ ids: ['1', '2'], groupBy }),
    );
    expect(answer.schema.fields.slice(1).map((f) => f.labels)).toEqual(labels);
    expect(answer.data.values.slice(1)).toEqual(values);
  });

  it.each<[string, number[]]>([
    ['count', [7200, 3600]],
    ['rate', [7200 / 43_200, 3600 / 43_200]],
    ['cumulative', [7200, 10_800]],
  ])('calculates %s', async (calc, values) => {
    const influx = reader({
      '123456': [
        ['2026-01-05T01:00:00Z', 7200, 'like'],
        ['2026-01-05T13:00:00Z', 3600, 'like'],
      ],
    });
    expect((await frame(influx, ask({ calc }))).data.values[1]).toEqual(values);
  });

  it('divides a rate by the true length of a day that holds a clock change', async () => {
    const influx = reader({ '123456': [['2026-03-29T10:00:00Z', 82_800, 'like']] });
    const answer = await frame(
      influx,
      ask(
        { calc: 'rate', every: '1d' },
        { from: '2026-03-28T23:00:00Z', to: '2026-03-29T22:00:00Z', timezone: 'Europe/Paris' },
      ),
      '2026-04-01T00:00:00Z',
    );
    expect(answer.data.values[1]).toEqual([1]);
  });

  // One interaction a second, from 01:30 on, seen at 04:15.
  const steady = (): InfluxReader =>
    reader({
      '123456': [
        ['2026-01-05T01:00:00Z', 1800, 'like'],
        ['2026-01-05T02:00:00Z', 3600, 'like'],
        ['2026-01-05T03:00:00Z', 3600, 'like'],
        ['2026-01-05T04:00:00Z', 900, 'like'],
      ],
    });
  it.each<[string, string | undefined, string, number[]]>([
    ['hidden for rates', undefined, 'rate', [1, 1]],
    ['divided by the time that has passed of them', 'show', 'rate', [1, 1, 1, 1, 0]],
    ['shown for counts', undefined, 'count', [1800, 3600, 3600, 900, 0]],
    ['hidden where that is asked for', 'hide', 'count', [3600, 3600]],
    ['hidden at the end only of a running sum, which begins with the range', 'hide', 'cumulative', [1800, 5400, 9000]],
  ])('has windows that are incomplete %s', async (_, incomplete, calc, values) => {
    const asked = ask(
      { every: '1h', types: ['like'], calc, incomplete: incomplete ?? null },
      { from: '2026-01-05T01:30:00Z', to: '2026-01-05T05:30:00Z' },
    );
    const answer = await frame(steady(), asked, '2026-01-05T04:15:00Z');
    expect(answer.data.values[1]).toEqual(values);
    expect(answer.data.values[0]).toHaveLength(values.length);
  });

  it('says where no window is whole', async () => {
    const asked = ask({ every: '1d', calc: 'rate' }, { from: '2026-01-05T01:30:00Z', to: '2026-01-05T03:00:00Z' });
    const answer = await frame(steady(), asked);
    expect(answer.data.values).toEqual([[], []]);
    expect(answer.schema.meta?.notices).toContainEqual({
      severity: 'warning',
      text: expect.stringContaining('No whole window lies in the range'),
    });
  });

  it('gives a total as one row of numbers', async () => {
    const answer = await frame(
      reader({
        '123456': [
          [42, 'like'],
          [7, 'view'],
        ],
      }),
      ask({ calc: 'total' }),
    );
    expect(answer.schema.meta?.type).toBe('numeric-wide');
    expect(answer.data.values).toEqual([[42], [7]]);
  });

  it('adds the earlier series on the times of today', async () => {
    const scripts: string[] = [];
    const influx = reader(
      {
        '123456': [['2026-01-05T01:00:00Z', 2, 'like']],
        'compare 123456': [
          ['2025-12-29T13:00:00Z', 9, 'like'],
          ['2025-12-29T13:00:00Z', 4, 'share'],
        ],
      },
      scripts,
    );
    const answer = await frame(influx, ask({ compareTo: '1w' }));
    expect(scripts[0]).toContain('range(start: 2025-12-29T00:00:00.000Z, stop: 2025-12-30T00:00:00.000Z)');
    expect(answer.schema.fields.slice(1).map((f) => [f.labels, f.config?.['displayNameFromDS']])).toEqual([
      [{ id: '123456', type: 'like' }, '123456 like'],
      [{ id: '123456', type: 'like', compare: '1w' }, '123456 like (1w before)'],
      [{ id: '123456', type: 'share', compare: '1w' }, '123456 share (1w before)'],
    ]);
    expect(answer.data.values).toEqual([
      [MORNING, NOON],
      [2, 0],
      [0, 9],
      [0, 4],
    ]);
  });

  it('compares hours by the clock across a clock change, and says null where the earlier day had no such hour', async () => {
    // 29 March 2026 in Paris has no hour from 2 to 3.
    const influx = reader({
      'compare 123456': [
        ['2026-03-29T00:00:00Z', 5, 'like'],
        ['2026-03-29T01:00:00Z', 6, 'like'],
      ],
    });
    const answer = await frame(
      influx,
      ask(
        { every: '1h', compareTo: '1d', types: ['like'] },
        { from: '2026-03-29T23:00:00Z', to: '2026-03-30T02:00:00Z', timezone: 'Europe/Paris' },
      ),
    );
    expect(answer.data.values[2]).toEqual([5, null, 6]);
  });

  it('adds up the earlier day with the hour that today does not have', async () => {
    // 29 March 2026 in Paris has no hour from 2 to 3; the day before had 4 interactions in it.
    const influx = reader({
      'compare 123456': [
        ['2026-03-28T00:00:00Z', 3, 'like'],
        ['2026-03-28T01:00:00Z', 4, 'like'],
        ['2026-03-28T02:00:00Z', 4, 'like'],
        ['2026-03-28T03:00:00Z', 2, 'like'],
      ],
    });
    const answer = await frame(
      influx,
      ask(
        { every: '1h', compareTo: '1d', types: ['like'], calc: 'cumulative' },
        { from: '2026-03-29T00:00:00Z', to: '2026-03-29T03:00:00Z', timezone: 'Europe/Paris' },
      ),
    );
    expect(answer.data.values[2]).toEqual([3, 11, 13]);
  });

  it('adds nothing to the earlier day in an hour that it did not have', async () => {
    const influx = reader({
      'compare 123456': [
        ['2026-03-29T00:00:00Z', 5, 'like'],
        ['2026-03-29T01:00:00Z', 6, 'like'],
      ],
    });
    const answer = await frame(
      influx,
      ask(
        { every: '1h', compareTo: '1d', types: ['like'], calc: 'cumulative' },
        { from: '2026-03-29T23:00:00Z', to: '2026-03-30T02:00:00Z', timezone: 'Europe/Paris' },
      ),
    );
    expect(answer.data.values[2]).toEqual([5, 5, 11]);
  });

  it('is one window, the range, where auto may have one data point', async () => {
    const influx = reader({ '123456': [[7, 'like']], 'compare 123456': [[3, 'like']] });
    const answer = await frame(
      influx,
      ask(
        { every: 'auto', compareTo: '1d', types: ['like'] },
        { from: '2026-01-05T01:30:00Z', to: '2026-01-05T23:45:00Z', maxDataPoints: 1 },
      ),
    );
    expect(answer.data.values).toEqual([[Date.parse('2026-01-05T01:30:00Z')], [7], [3]]);
    expect(answer.schema.meta?.custom).toMatchObject({ partial: { first: false, last: false } });
  });

  it('adds up a thousand ids in at most 40 reads, and tells at most 50 apart', () => {
    const ids = Array.from({ length: 1000 }, (_, i) => String(i + 1));
    const { results } = service(reader({})).translate(ask({ ids, groupBy: ['type'] }));
    const flux = results['A'] !== undefined && 'flux' in results['A'] ? results['A'].flux : '';
    expect(flux.match(/from\(bucket/g)).toHaveLength(40);
    for (const id of ids) expect(flux).toContain(`r._value == ${id} `.trimEnd());
    expect(service(reader({})).translate(ask({ ids: ids.slice(0, 51) })).results['A']).toMatchObject({
      error: expect.stringContaining('51 ids with series of their own are more than the 50'),
    });
  });

  it('marks windows that the range cuts, and says when it ends in the future', async () => {
    const cut = await frame(reader({}), ask({}, { from: '2026-01-05T01:00:00Z', to: '2026-01-05T23:00:00Z' }));
    expect(cut.schema.meta?.custom).toEqual({
      partial: { first: true, last: true },
      fromMs: Date.parse('2026-01-05T01:00:00Z'),
      untilMs: Date.parse('2026-01-05T23:00:00Z'),
    });
    expect(cut.data.values[0]).toEqual([MORNING, NOON]);
    const future = await frame(reader({}), ask({}, { to: '2026-03-01T00:00:00Z' }));
    expect(future.schema.meta?.notices).toEqual([expect.objectContaining({ severity: 'info' })]);
  });

  it.each<[string, Record<string, unknown>, string]>([
    [
      'of the wrong form, each field at once',
      { ids: '5', n: 'ten' },
      'ids must be an array, not a string ("5"). n must be a whole number from 1 to 1000, not a string ("ten").',
    ],
    [
      'with a field that is not known',
      { window: '1h' },
      '"window" is not a field of a query. Remove it. The fields are preset,',
    ],
    [
      'with an id as an inexact number',
      { ids: [9007199254740993, 88] },
      'ids[0] is a JSON number that cannot be read exactly',
    ],
    ['with a text for a switch', { live: 'yes' }, 'live must be true or false, not a string ("yes").'],
    [
      'saved by a newer plugin',
      { version: 2 },
      'The query was saved by a newer version of the plugin (query version 2;',
    ],
    [
      'with filters that only a dashboard applies',
      { filters: [{ key: 'type', operator: '=', value: 'like' }] },
      'Write the types into the query',
    ],
    ['with a variable that has no value', { ids: ['$user'] }, 'alerts and public dashboards have no variables'],
    ['with ids that its preset does not have', { preset: 'everyone' }, 'preset "everyone" takes no ids.'],
  ])('%s is refused, and its neighbour is answered', async (_case, fields, message) => {
    const asked = ask(fields);
    const { results } = await service(reader({ '123456': [] })).query({
      ...asked,
      queries: [...asked.queries, { refId: 'B', preset: 'made', ids: [123456] }],
    });
    expect(results['A']).toEqual({
      error: expect.stringContaining(message),
      errorCode: 'bad_request',
      status: 400,
      frames: [],
    });
    expect(frameOf(results['B']).schema.fields[1]?.labels).toEqual({ id: '123456' });
    const translated = service(reader({})).translate(asked).results['A'];
    expect(translated).toMatchObject({ error: expect.stringContaining(message), status: 400 });
  });

  it('takes a saved query as it is: null is absent, and what plugin and Grafana keep with it says nothing', () => {
    const flux = (fields: Record<string, unknown>) => service(reader({})).translate(ask(fields)).results['A'];
    const nulls = { types: null, calc: null, groupBy: null, compareTo: null, of: null, n: null, timezone: null };
    const saved = {
      version: 1,
      legend: '{{id}}',
      live: true,
      annotation: { kind: 'threshold', threshold: 5 },
      filters: [],
    };
    const grafana = {
      hide: false,
      key: 'Q-1',
      datasource: { uid: 'u' },
      intervalMs: 1,
      maxDataPoints: 2,
      queryCachingTTL: 3,
    };
    expect(flux({ ...nulls, ...saved, ...grafana })).toEqual(flux({}));
    expect(flux({})).toHaveProperty('flux');
  });

  it('has everyone, and the ten users who received most, where it says nothing else', async () => {
    const plain = service(reader({ everyone: [] }));
    expect((await plain.query({ ...DAY, queries: [{ refId: 'A' }] })).results['A']).toMatchObject({ status: 200 });
    const { results } = plain.translate({ ...DAY, queries: [{ refId: 'A', preset: 'top' }] });
    expect(results['A']).toMatchObject({ flux: expect.stringContaining('r._field == "received"') });
  });

  it('aligns its windows in its own time zone before that of the request', async () => {
    const influx = reader({ '123456': [] });
    const answer = await frame(influx, ask({ every: '1d', timezone: 'Asia/Tokyo' }, { timezone: 'Europe/Berlin' }));
    expect(answer.data.values[0]?.[0]).toBe(Date.parse('2026-01-05T00:00:00+09:00'));
    const bad = await service(influx).query(ask({ timezone: 'Mars/Olympus' }));
    expect(bad.results['A']).toMatchObject({ error: expect.stringContaining('Mars'), status: 400 });
  });

  it('fails alone, with a message that says what to change', async () => {
    const influx = reader({});
    const { results } = await service(influx).query({
      ...DAY,
      queries: [
        { refId: 'ok', preset: 'everyone' },
        { refId: '__proto__', preset: 'everyone' },
        { refId: 'preset', preset: 'liked' },
        { refId: 'ids', preset: 'made', ids: [' '] },
        { refId: 'noids', preset: 'share', ids: [] },
        { refId: 'extra', preset: 'everyone', ids: ['1'] },
        { refId: 'hostile', preset: 'made', ids: ['1) |> drop()'] },
        { refId: 'big', preset: 'made', ids: ['9223372036854775808'] },
        { refId: 'type', preset: 'everyone', types: ['${x}'] },
        { refId: 'every', preset: 'everyone', every: '0s' },
        { refId: 'windows', preset: 'everyone', every: '1s' },
        { refId: 'calc', preset: 'everyone', calc: 'mean' },
        { refId: 'pairs', preset: 'pair', ids: ['1', '2'], calc: 'unique' },
        { refId: 'alone', preset: 'pair', ids: ['1'] },
        { refId: 'same', preset: 'pair', ids: ['1', '1'] },
        { refId: 'whos', preset: 'who', of: 'share', ids: ['88'] },
        { refId: 'group', preset: 'everyone', groupBy: ['user'] },
        {
          refId: 'series',
          preset: 'made',
          ids: Array.from({ length: 26 }, (_, i) => String(i + 1)),
          types: ['a', 'b', 'c', 'd'],
        },
        { refId: 'many', preset: 'made', ids: Array.from({ length: 51 }, (_, i) => String(i + 1)) },
        { refId: 'top', preset: 'top', of: 'everyone' },
        { refId: 'n', preset: 'top', of: 'made', n: 0.5 },
      ],
    });
    expect(Object.keys(results)).toHaveLength(21);
    expect(Object.entries(results).map(([refId, r]) => [refId, 'error' in r ? r.errorCode : 'ok'])).toEqual([
      ['ok', 'ok'],
      ['__proto__', 'ok'],
      ['preset', 'bad_request'],
      ['ids', 'bad_request'],
      ['noids', 'bad_request'],
      ['extra', 'bad_request'],
      ['hostile', 'bad_request'],
      ['big', 'bad_request'],
      ['type', 'bad_request'],
      ['every', 'bad_request'],
      ['windows', 'too_many_windows'],
      ['calc', 'bad_request'],
      ['pairs', 'bad_request'],
      ['alone', 'bad_request'],
      ['same', 'bad_request'],
      ['whos', 'bad_request'],
      ['group', 'bad_request'],
      ['series', 'bad_request'],
      ['many', 'bad_request'],
      ['top', 'bad_request'],
      ['n', 'bad_request'],
    ]);
    expect(results['windows']).toMatchObject({
      status: 400,
      frames: [],
      error: expect.stringContaining('Use every "10s"'),
    });
    expect(results['pairs']).toMatchObject({
      error: expect.stringContaining('calc "unique" counts different people, and preset "pair" is about two'),
    });
    expect(results['preset']).toMatchObject({
      error: expect.stringContaining('made, received, share, everyone, pair, who, top'),
    });
  });

  it('passes on what InfluxDB fails with, and hides what only a mistake of ours can cause', async () => {
    const failing = (error: Error): InfluxReader => ({
      rows: () => Promise.reject(error),
      bytes: () => Promise.reject(error),
    });
    const timeout = await service(failing(new UserpulseError('query_timeout', 'Slow.'))).query(ask({}));
    expect(timeout.results['A']).toEqual({ error: 'Slow.', errorCode: 'query_timeout', status: 504, frames: [] });
    const bug = await service(failing(new TypeError('x of undefined'))).query(ask({}));
    expect(bug.results['A']).toMatchObject({
      errorCode: 'internal',
      status: 500,
      error: expect.not.stringContaining('undefined'),
    });
  });

  it.each<[Partial<QueryRequest>, string]>([
    [{ from: DAY.to, to: DAY.from }, 'is not before to'],
    [{ to: DAY.from }, 'is not before to'],
    [{ from: 'yesterday' }, 'is not RFC 3339'],
    [{ to: 1.7e18 }, 'to 1700000000000000000 is in a distant future. Is it in nanoseconds?'],
    [{ to: 1.7e15 }, 'Is it in microseconds? Use whole milliseconds since 1970, or RFC 3339.'],
    [{ from: '1083362400' }, 'from 1083362400 is 1970-01-13. Is it in seconds?'],
    [{ to: 9e12 + 9e12 }, 'from 1678 to 2261'],
    [{ timezone: 'Mars/Olympus' }, 'timezone'],
    [{ queries: [ask({}).queries[0]!, ask({}).queries[0]!] }, 'refId "A"'],
  ])('with %j is refused as a whole', async (over, message) => {
    await expect(service(reader({})).query(ask({}, over))).rejects.toSatisfy((e: UserpulseError) =>
      e.describe().includes(message),
    );
  });

  it('more than 100 series is refused when the data gives them', async () => {
    const rows = Array.from({ length: 101 }, (_, i) => ['2026-01-05T01:00:00Z', 1, `t${i}`]);
    const { results } = await service(reader({ everyone: rows })).query(ask({ preset: 'everyone', ids: [] }));
    expect(results['A']).toMatchObject({ errorCode: 'bad_request', error: expect.stringContaining('101 series') });
  });
});

describe('translate', () => {
  it('gives the Flux of each query without running it, and the error of the bad ones', () => {
    const never: InfluxReader = {
      rows: () => Promise.reject(new Error('run')),
      bytes: () => Promise.reject(new Error('run')),
    };
    const { results } = service(never).translate({
      ...DAY,
      queries: [
        { refId: 'A', preset: 'made', ids: ['123456'] },
        { refId: 'B', preset: 'top', of: 'share' },
        { refId: 'C', preset: 'made' },
      ],
    });
    expect(results['A']).toMatchObject({ flux: expect.stringContaining('r._value == 123456') });
    expect(results['B']).toMatchObject({ flux: expect.stringContaining('r._field == "share"') });
    expect(results['C']).toMatchObject({ errorCode: 'bad_request', status: 400 });
  });
});

describe('interactions of one id', () => {
  it('are plain points by type', async () => {
    const influx = reader({ '88': [['2026-01-05T13:00:00Z', 3, 'like']] });
    await expect(
      service(influx).interactions({ preset: 'received', id: ' 88', ...DAY, every: '12h' }),
    ).resolves.toEqual({
      preset: 'received',
      id: '88',
      every: '12h',
      from: '2026-01-05T00:00:00.000Z',
      to: '2026-01-06T00:00:00.000Z',
      series: [
        {
          type: 'like',
          points: [
            [MORNING, 0],
            [NOON, 3],
          ],
        },
      ],
    });
  });
  it.each(['everyone', 'top', 'nobody'])('are refused for preset %s', async (preset) => {
    await expect(service(reader({})).interactions({ preset, id: '1', ...DAY })).rejects.toMatchObject({
      code: 'bad_request',
    });
  });
});
