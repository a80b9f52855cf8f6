import { DEFAULT_ID_FORMATS } from '../../../contract/ids.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ValueReader } from '../influx/count-reader.ts';
import { pairOf } from '../schema/buckets.ts';
import { Counts } from './counts.ts';
import { groupsOf } from './frames.ts';
import { Uniques } from './people.ts';
import { planQuery, type SeriesPlan } from './plan.ts';
import { zoneOf } from './zone.ts';

const HOUR = 3_600_000;
const FROM = Date.parse('2026-01-05T00:00:00Z');

function planned(query: object, { zone = 'UTC', hours = 4, fromMs = FROM } = {}): SeriesPlan {
  const plan = planQuery(
    { refId: 'A', preset: 'received', ids: ['88'], every: '1h', calc: 'unique', ...query },
    {
      fromMs,
      toMs: fromMs + hours * HOUR,
      zone: zoneOf(zone),
      formats: DEFAULT_ID_FORMATS,
      intervalMs: undefined,
      maxDataPoints: undefined,
    },
  );
  if (plan.kind !== 'series') throw new Error('no series');
  return plan;
}

interface Row {
  readonly id?: string;
  readonly person: string;
  readonly type?: string;
  readonly ms: number;
}

/** Puts rows through as InfluxDB would answer the plan's script, in pieces of some bytes. */
function counted(plan: SeriesPlan, rows: readonly Row[], { most = 1_000, piece = 1_000 } = {}) {
  const { now } = plan;
  const counts = new Counts(plan, now);
  const people = new Uniques({
    counts,
    windows: now.windows,
    groups: groupsOf(now.windows, now.windows),
    schema: {},
    memory: () => undefined,
    most,
  });
  const streams = new Map(now.streams.map((stream) => [stream.name, stream]));
  const reader = new ValueReader((result, type) => {
    const stream = streams.get(result)!;
    return people.handler(result, stream.window, stream.ids[0], type);
  });
  const text = now.streams.map((stream) => {
    const timed = stream.kind === 'people' && stream.timed;
    const lines = rows
      .filter((row) => row.ms >= stream.fromMs && row.ms < stream.toMs)
      .filter((row) => stream.ids.length === 0 || stream.ids.includes(row.id ?? '88'))
      .map((row) => {
        const value = stream.ids.length === 0 ? row.person : pairOf(row.id ?? '88', row.person, {});
        const time = timed ? `${new Date(row.ms).toISOString().replace('Z', '123456Z')},` : '';
        return `,${stream.name},0,${time}${value},${row.type ?? 'like'}\r\n`;
      });
    return lines.length === 0 ? '' : `,result,table,${timed ? '_time,' : ''}_value,type\r\n${lines.join('')}\r\n`;
  });
  const bytes = Buffer.from(text.join(''));
  for (let at = 0; at < bytes.length; at += piece) reader.push(bytes.subarray(at, at + piece));
  reader.end();
  return Object.fromEntries(
    counts.series().map(({ id, type, counts: own }) => [`${id ?? ''} ${type ?? ''}`, [...own]]),
  );
}

const at = (hour: number): number => FROM + hour * HOUR;

describe('different people', () => {
  it('count once in each window and series, however often they come', () => {
    const rows = [
      { person: '1', ms: at(0) },
      { person: '1', ms: at(0) + 999 },
      { person: '2', ms: at(0) },
      { person: '1', ms: at(1) },
      { person: '1', ms: at(1), type: 'view' },
    ];
    expect(counted(planned({}), rows)).toEqual({ '88 like': [2, 1, 0, 0], '88 view': [0, 1, 0, 0] });
    expect(counted(planned({ groupBy: ['id'] }), rows)).toEqual({ '88 ': [2, 1, 0, 0] });
    expect(counted(planned({ calc: 'reach', groupBy: [] }), rows)).toEqual({ ' ': [2] });
  });

  it('count once where several ids are added up', () => {
    const rows = [
      { id: '88', person: '1', ms: at(0) },
      { id: '677', person: '1', ms: at(0) },
    ];
    expect(counted(planned({ ids: ['88', '677'], groupBy: [] }), rows)).toEqual({ ' ': [1, 0, 0, 0] });
    expect(counted(planned({ ids: ['88', '677'], groupBy: ['id'] }), rows)).toEqual({
      '88 ': [1, 0, 0, 0],
      '677 ': [1, 0, 0, 0],
    });
  });

  it('are told apart to the last digit', () => {
    const rows = [
      '9223372036854775807',
      '9223372036854775806',
      '4294967296',
      '1',
      '4294967297',
      '100000000000000',
      '1000000000000000',
      '1000000000000001',
      '10000000000000000',
      '10000000000000010',
      '999999999999999',
      '9999999999999999',
      '9999999999999999999',
    ].map((person) => ({
      person,
      ms: at(0),
    }));
    expect(counted(planned({ calc: 'reach', groupBy: [] }), [...rows, ...rows])).toEqual({ ' ': [13] });
  });

  it('of everyone are read window by window, and forgotten with each', () => {
    const rows = Array.from({ length: 40 }, (_, i) => ({ person: String(1 + (i % 10)), ms: at(i / 10) }));
    const everyone = planned({ preset: 'everyone', ids: [], groupBy: [] });
    expect(everyone.now.streams).toHaveLength(4);
    expect(counted(everyone, rows, { most: 10 })).toEqual({ ' ': [10, 10, 10, 10] });
    expect(() => counted(everyone, rows, { most: 9 })).toThrow(
      'More than 9 different people in a window would have to be told apart.',
    );
  });

  it('of everyone in many windows are read at once', () => {
    const plan = planned({ preset: 'everyone', ids: [], every: '1m', groupBy: [] });
    expect(plan.now.streams).toHaveLength(1);
    expect(
      counted(plan, [
        { person: '5', ms: at(0) },
        { person: '5', ms: at(0) + 60_000 },
      ])[' ']?.slice(0, 3),
    ).toEqual([1, 1, 0]);
  });

  it('are as many as a set holds, whatever the rows and however they are cut', () => {
    const row = fc.record({
      id: fc.constantFrom('88', '677'),
      person: fc.constantFrom('1', '2', '12', '9223372036854775807', '922337203685477580'),
      type: fc.constantFrom('like', 'view'),
      ms: fc.integer({ min: FROM, max: FROM + 4 * HOUR - 1 }),
    });
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 60 }),
        fc.integer({ min: 1, max: 80 }),
        fc.boolean(),
        (rows, piece, byType) => {
          const plan = planned({
            ids: ['88', '677'],
            groupBy: byType ? ['id', 'type'] : ['id'],
            types: ['like', 'view'],
          });
          const wanted = Object.fromEntries(
            ['88', '677'].flatMap((id) =>
              (byType ? ['like', 'view'] : ['']).map((type) => [
                `${id} ${type}`,
                plan.now.windows.map(({ startMs, endMs }) => {
                  const own = rows.filter(
                    (r) => r.id === id && (type === '' || r.type === type) && r.ms >= startMs && r.ms < endMs,
                  );
                  return new Set(own.map(({ person }) => person)).size;
                }),
              ]),
            ),
          );
          const got = counted(plan, rows, { piece });
          for (const [series, values] of Object.entries(wanted)) expect(got[series] ?? [0, 0, 0, 0]).toEqual(values);
        },
      ),
    );
  });

  it.each(['x', '', '1.5', '12345678901234567890'])('are no rows such as %j', (person) => {
    expect(() => counted(planned({}), [{ person, ms: at(0) }])).toThrow('a row that is no count');
  });
});

it('windows of an hour that was repeated share their people where they are compared with one window', () => {
  // Paris set its clock back on 2026-10-25: a day later the hour from two to three is there once.
  const zone = 'Europe/Paris';
  const plan = planned(
    { every: '30m', compareTo: '1d' },
    { zone, fromMs: Date.parse('2026-10-26T00:00:00Z'), hours: 3 },
  );
  const earlier = plan.compare!.earlier.windows;
  const groups = groupsOf(plan.now.windows, earlier);
  const repeated = earlier.flatMap((window, i) => (window.occurrence === 1 ? [i] : []));
  expect(repeated.length).toBeGreaterThan(0);
  for (const i of repeated) expect(earlier[groups[i]!]).toMatchObject({ index: earlier[i]!.index, occurrence: 0 });
  expect(groups.filter((group, i) => group !== i)).toHaveLength(repeated.length);
});
