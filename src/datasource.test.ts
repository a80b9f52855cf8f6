import { createDataFrame, dataFrameToJSON, FieldType, LiveChannelEventType, LoadingState } from '@grafana/data';
import type { DataFrame, DataFrameJSON, DataQueryResponse, LiveChannelAddress, LiveChannelEvent } from '@grafana/data';
import { config, setBackendSrv, setDataSourceSrv } from '@grafana/runtime';
import type { BackendSrv, BackendSrvRequest, DataSourceSrv } from '@grafana/runtime';
import { firstValueFrom, lastValueFrom, of, Subject, throwError, toArray } from 'rxjs';
import type { Observable } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserpulseDataSource } from './datasource.ts';
import { dataSource, query, request, settings, templateSrv } from './testing/datasource.ts';
import type { UserpulseQuery } from './types.ts';

/** What reached /api/ds/query, and how it is answered. */
let sent: { queries?: UserpulseQuery[] }[] = [];
let answer: (queries: UserpulseQuery[]) => object;

const wide = (labels: Record<string, string>[], rows: number[][], refId = 'A'): DataFrameJSON =>
  dataFrameToJSON({
    ...createDataFrame({
      refId,
      fields: [
        { name: 'time', type: FieldType.time, values: rows.map(([time]) => time), config: { interval: 60_000 } },
        ...labels.map((label, i) => ({
          name: 'count',
          type: FieldType.number,
          labels: label,
          values: rows.map((row) => row[i + 1]),
        })),
      ],
    }),
  });

beforeEach(() => {
  sent = [];
  answer = (queries) => Object.fromEntries(queries.map(({ refId }) => [refId, { frames: [] }]));
  setDataSourceSrv({ getInstanceSettings: () => settings() } as unknown as DataSourceSrv);
  setBackendSrv({
    fetch: ({ data }: BackendSrvRequest) => {
      const body = data as { queries?: UserpulseQuery[] };
      sent.push(body);
      return of({ data: { results: answer(body.queries ?? []) }, status: 200 });
    },
  } as unknown as BackendSrv);
});

const run = (datasource: UserpulseDataSource, ...args: Parameters<typeof request>): Promise<DataQueryResponse> =>
  lastValueFrom(datasource.query(request(...args)));
const first = (response: DataQueryResponse): DataFrame => response.data[0] as DataFrame;

describe('a query on its way to the gateway', () => {
  it('has its variables replaced by sets and the dashboard’s time zone', async () => {
    const datasource = dataSource({}, { user: ['88', '677'], window: '1h' });
    await run(datasource, [query({ preset: 'received', ids: ['$user'], every: '$window' })]);
    expect(sent[0]?.queries?.[0]).toMatchObject({ ids: ['88', '677'], every: '1h', timezone: 'UTC', version: 1 });
  });

  it('may use the interval and the time range in durations', async () => {
    const scopedVars = { __interval: { value: '30s' } };
    await run(dataSource(), [query({ every: '$__interval', compareTo: '$__range' })], { scopedVars });
    expect(sent[0]?.queries?.[0]).toMatchObject({ every: '30s', compareTo: '21600s' });
  });

  it('has its defaults where it says nothing', async () => {
    await run(dataSource(), [{ refId: 'A' } as UserpulseQuery]);
    expect(sent[0]?.queries?.[0]).toMatchObject({ version: 1, preset: 'everyone', every: 'auto', calc: 'count' });
  });

  it('of wrong form goes as it was saved, for the backend to refuse, and its neighbour runs', async () => {
    const wrong = { refId: 'A', preset: 'likes', ids: [9007199254740993, 88], n: '10', window: '$w' };
    const datasource = dataSource({}, { w: '1h', user: '88' });
    expect(datasource.filterQuery(wrong as unknown as UserpulseQuery)).toBe(true);
    await run(datasource, [wrong as unknown as UserpulseQuery, query({ refId: 'B', preset: 'made', ids: ['$user'] })]);
    expect(sent[0]?.queries).toMatchObject([{ refId: 'B', ids: ['88'] }, wrong]);
    expect(sent[0]?.queries?.[1]).not.toHaveProperty('calc');
  });

  it('keeps its own time zone', async () => {
    await run(dataSource(), [query({ timezone: 'Asia/Tokyo' })], { timezone: 'browser' });
    expect(sent[0]?.queries?.[0]?.timezone).toBe('Asia/Tokyo');
  });

  it('does not run without an id where it needs one, and runs with a wrong one so that the panel says what is wrong', () => {
    const datasource = dataSource();
    expect(datasource.filterQuery(query({ preset: 'received' }))).toBe(false);
    expect(datasource.filterQuery(query({ preset: 'received', ids: ['x'] }))).toBe(true);
    expect(datasource.filterQuery(query())).toBe(true);
  });
});

describe('ad-hoc filters', () => {
  const filter = (operator: string, value: string, values?: string[]) => [
    { key: 'type', operator, value, ...(values && { values }) },
  ];
  const types = { types: { types: ['view', 'like', 'share'] } };

  it.each([
    ['=', 'like', undefined, ['like']],
    ['!=', 'like', undefined, ['share', 'view']],
    ['=~', '.*e', undefined, ['like', 'share']],
    ['=~', 'lik', undefined, undefined],
    ['!~', 'l.*|v.*', undefined, ['share']],
    ['=|', 'like', ['like', 'view'], ['like', 'view']],
    ['!=|', 'like', ['like', 'view'], ['share']],
  ])('type %s %s %s asks for %j', async (operator, value, values, expected) => {
    await run(dataSource(types), [query()], { filters: filter(operator, value, values) });
    expect(sent[0]?.queries?.[0]?.types).toEqual(expected);
  });

  it('narrow the types that a query asks for, together', async () => {
    const filters = [...filter('!=', 'view'), ...filter('=~', 'l.*|v.*')];
    await run(dataSource(types), [query({ types: ['like', 'view'] })], { filters });
    expect(sent[0]?.queries?.[0]?.types).toEqual(['like']);
  });

  it('that let nothing pass give an empty answer and a notice, never all types', async () => {
    const response = await run(dataSource(types), [query({ types: ['view'] })], { filters: filter('=', 'like') });
    expect(sent).toEqual([]);
    expect(first(response).meta?.notices?.[0]?.text).toContain('no interaction type');
  });

  it.each([
    ['another key', { key: 'country', operator: '=', value: 'de' }, 'filters by "type" only'],
    ['an operator for numbers', { key: 'type', operator: '>', value: '1' }, 'use one of'],
    ['a broken pattern', { key: 'type', operator: '=~', value: '(' }, 'regular expression'],
  ])('with %s say so at the query, and the other queries run', async (_, wrong, text) => {
    const response = await run(dataSource(types), [query()], { filters: [wrong] });
    expect(response.errors?.[0]).toMatchObject({ refId: 'A', message: expect.stringContaining(text) });
    expect(response.state).toBe(LoadingState.Error);
  });

  it('offer the key "type" and the types that there are', async () => {
    const datasource = dataSource(types);
    expect(await datasource.getTagKeys()).toEqual([{ text: 'type', value: 'type' }]);
    expect((await datasource.getTagValues({ key: 'type', filters: [] })).map(({ text }) => text)).toEqual([
      'like',
      'share',
      'view',
    ]);
    expect(await datasource.getTagValues({ key: 'id', filters: [] })).toEqual([]);
  });

  it('go with a query that Explore takes over', async () => {
    const datasource = dataSource(types);
    const [carried] = datasource.interpolateVariablesInQueries([query()], {}, filter('!=', 'like'));
    await run(datasource, [carried!]);
    expect(sent[0]?.queries?.[0]?.types).toEqual(['share', 'view']);
    // Once the types are known they are applied at once, as a panel with expressions needs it.
    expect(datasource.interpolateVariablesInQueries([query()], {}, filter('!=', 'like'))[0]?.types).toEqual([
      'share',
      'view',
    ]);
  });
});

it('gives Explore the dashboard’s time zone', () => {
  const [carried] = dataSource({}, { __timezone: 'Europe/Berlin' }).interpolateVariablesInQueries([query()], {});
  expect(carried?.timezone).toBe('Europe/Berlin');
});

it('takes the interval and the time range for variables, though Grafana’s own test does not', () => {
  const datasource = new UserpulseDataSource(settings(), { ...templateSrv(), containsTemplate: () => false });
  for (const text of ['$__interval', '${__interval_ms}ms', '$__range', '${__range_s}s'])
    expect(datasource.isTemplate(text)).toBe(true);
  expect(datasource.isTemplate('$__intervals')).toBe(false);
});

it('says whether a query holds variables, which alert rules cannot have', () => {
  const datasource = dataSource();
  expect(datasource.targetContainsTemplate(query({ preset: 'made', ids: ['$user'] }))).toBe(true);
  expect(datasource.targetContainsTemplate(query({ preset: 'made', ids: ['88'] }))).toBe(false);
});

describe('links to the dashboards of an id', () => {
  const row = wide([{ id: '88', type: 'like' }], [[0, 1]]);
  const linksOf = (response: DataQueryResponse) =>
    first(response)
      .fields.at(-1)
      ?.config.links?.map(({ url }) => url) ?? [];

  beforeEach(() => (answer = () => ({ A: { frames: [row] } })));

  it('lead from a series to what its user did and received, with the time range', async () => {
    const links = linksOf(await run(dataSource(), [query({ preset: 'received', ids: ['88'] })]));
    expect(links).toEqual([
      '/d/userpulse-received?${__url_time_range}&var-user=88',
      '/d/userpulse-made?${__url_time_range}&var-user=88',
    ]);
  });

  it('do not lead to the dashboard one is on', async () => {
    const response = await run(dataSource(), [query({ preset: 'received', ids: ['88'] })], {
      dashboardUID: 'userpulse-received',
    });
    expect(linksOf(response)).toEqual(['/d/userpulse-made?${__url_time_range}&var-user=88']);
  });

  it('can be switched off', async () => {
    expect(
      linksOf(await run(dataSource({}, {}, { dashboardLinks: false }), [query({ preset: 'made', ids: ['88'] })])),
    ).toEqual([]);
  });

  it('lead from each row of a ranking', async () => {
    const top = dataFrameToJSON(
      createDataFrame({ refId: 'A', fields: [{ name: 'id', type: FieldType.string, values: ['88'] }] }),
    );
    answer = () => ({ A: { frames: [top] } });
    const response = await run(dataSource(), [query({ preset: 'top', of: 'share', n: 5 })]);
    expect(linksOf(response)).toEqual([
      '/d/userpulse-share?${__url_time_range}&var-share=${__value.raw:percentencode}',
    ]);
  });

  it.each([
    ['share', ['made', 'received']],
    ['received', ['made', 'received']],
    ['made', ['received', 'made']],
  ] as const)('lead from each person who had to do with a %s to what they did and received', async (of, dashboards) => {
    const people = dataFrameToJSON(
      createDataFrame({ refId: 'A', fields: [{ name: 'id', type: FieldType.string, values: ['677'] }] }),
    );
    answer = () => ({ A: { frames: [people] } });
    const ids = [of === 'share' ? 'a'.repeat(24) : '88'];
    const response = await run(dataSource(), [query({ preset: 'who', of, ids })]);
    expect(linksOf(response)).toEqual(
      dashboards.map((name) => `/d/userpulse-${name}?\${__url_time_range}&var-user=\${__value.raw:percentencode}`),
    );
  });
});

describe('live', () => {
  let address: LiveChannelAddress | undefined;
  let channel: Subject<LiveChannelEvent<DataFrameJSON>>;

  const liveSource = (getStream?: () => Observable<never>) =>
    new UserpulseDataSource(settings(), templateSrv(), () => ({
      getStream: <T>(asked: LiveChannelAddress) => {
        address = asked;
        return (getStream?.() ?? channel) as Observable<LiveChannelEvent<T>>;
      },
    }));
  const message = (json: DataFrameJSON): LiveChannelEvent<DataFrameJSON> => ({
    type: LiveChannelEventType.Message,
    message: json,
  });
  const now = Math.floor(Date.now() / 60_000) * 60_000;
  const live = query({ live: true, groupBy: ['type'] });

  beforeEach(() => {
    address = undefined;
    channel = new Subject();
    answer = () => ({
      A: {
        frames: [
          wide(
            [{ type: 'like' }],
            [
              [now - 60_000, 5],
              [now, 1],
            ],
          ),
        ],
      },
    });
  });

  it('asks the channel that the gateway agreed to, in windows of the answer', async () => {
    await firstValueFrom(liveSource().query(request([live])));
    const text = '{"preset":"everyone","ids":[],"types":[],"every":"60s","groupBy":["type"],"timezone":"UTC"}';
    expect(address).toMatchObject({ scope: 'ds', stream: 'userpulse', data: { query: text } });
    expect(address?.path).toMatch(/^live\/[0-9a-f]{16}$/);
  });

  it('gives the answer and then a new frame for each change, with windows replaced and added', async () => {
    const responses = lastValueFrom(
      liveSource()
        .query(request([live]))
        .pipe(toArray()),
    );
    channel.next(message(wide([{ type: 'like' }], [[now, 3]])));
    channel.next(
      message(
        wide(
          [{ type: 'like' }, { type: 'view' }],
          [
            [now, 4, 1],
            [now + 60_000, 0, 7],
          ],
        ),
      ),
    );
    channel.complete();
    const frames = (await responses).map(first);
    expect((await responses).every(({ state }) => state === LoadingState.Streaming)).toBe(true);
    expect(frames.map((frame) => frame.fields.map(({ values }) => [...(values as number[])]))).toEqual([
      [
        [now - 60_000, now],
        [5, 1],
      ],
      [
        [now - 60_000, now],
        [5, 3],
      ],
      [
        [now - 60_000, now, now + 60_000],
        [5, 4, 0],
        [0, 1, 7],
      ],
    ]);
    expect(new Set(frames).size).toBe(3);
  });

  it('keeps what it had and says so when the stream ends with an error', async () => {
    const response = await lastValueFrom(
      liveSource(() => throwError(() => new Error('The backend is gone.'))).query(request([live])),
    );
    expect(first(response).fields[1]?.values).toEqual([5, 1]);
    expect(first(response).meta?.notices?.[0]?.text).toContain('The backend is gone.');
  });

  it('says on the panel that its stream is interrupted, until windows come again', async () => {
    const responses = lastValueFrom(
      liveSource()
        .query(request([live]))
        .pipe(toArray()),
    );
    // As the gateway sends it: a notice and no windows.
    const notice = { severity: 'warning', text: 'Live updates are interrupted: the backend is away.' } as const;
    channel.next(message({ schema: { fields: [], meta: { notices: [notice] } }, data: { values: [] } }));
    channel.next(message(wide([{ type: 'like' }], [[now, 3]])));
    channel.complete();
    const frames = (await responses).map(first);
    expect(frames.map(({ meta }) => meta?.notices ?? [])).toEqual([[], [notice], []]);
    expect(frames.map(({ fields }) => [...(fields[1]?.values as number[])])).toEqual([
      [5, 1],
      [5, 1],
      [5, 3],
    ]);
  });

  it('is what Explore’s Live button asks of every query that has windows', async () => {
    const fields = { liveStreaming: true, app: 'explore' };
    const streaming = await firstValueFrom(liveSource().query(request([query({ groupBy: ['type'] })], fields)));
    expect(streaming.state).toBe(LoadingState.Streaming);
    expect(address).toBeDefined();
    address = undefined;
    const still = await firstValueFrom(liveSource().query(request([query({ calc: 'total' })], fields)));
    expect(address).toBeUndefined();
    expect(first(still).meta?.notices?.at(-1)?.text).toContain('have no windows that could stream');
  });

  it.each([
    ['a range that has ended', live, { range: { ...request([]).range, raw: { from: 'now-2d', to: 'now-1d' } } }],
    ['a query that is not live', query(), {}],
    ['a total', query({ live: true, calc: 'total' }), {}],
    ['an alert rule’s editor', live, { app: 'unified-alerting' }],
  ])('does not follow %s', async (_, asked, fields) => {
    const response = await run(liveSource(), [asked], fields);
    expect(address).toBeUndefined();
    expect(response.state).toBe(LoadingState.Done);
  });
});

describe('on a public dashboard', () => {
  afterEach(() => (config.publicDashboardAccessToken = ''));

  it('leaves the query to the server', async () => {
    config.publicDashboardAccessToken = 'token';
    await run(dataSource(), [query({ preset: 'made', ids: ['$user'] })], { panelId: 1 });
    expect(sent[0]).not.toHaveProperty('queries');
  });
});
