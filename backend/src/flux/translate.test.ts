import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FIELD, PREFIX_TAG, TYPE_TAG, type Schema } from '../schema/buckets.ts';
import {
  idScript,
  lackingScript,
  seriesScript,
  typesScript,
  type CountStream,
  type PeopleStream,
} from './translate.ts';

const schema: Schema = {
  buckets: {
    made: 'interactions_made',
    received: 'interactions_received',
    share: 'interactions_share',
    total: 'interactions_total',
  },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
};
const fromMs = Date.UTC(2026, 0, 1);
const toMs = Date.UTC(2026, 0, 8);
const stream = (over: Partial<CountStream>): CountStream => ({
  kind: 'counts',
  name: 'A',
  preset: 'made',
  ids: ['123456'],
  types: [],
  fromMs,
  toMs,
  grain: { everyMs: 600_000, offsetMs: 0 },
  ...over,
});

const TAIL = `aggregateWindow(every: 10m, fn: count, timeSrc: "_start", createEmpty: false)
  |> keep(columns: ["_time", "_value", "type"])
  |> yield(name: "A")`;
const RANGE = '|> range(start: 2026-01-01T00:00:00.000Z, stop: 2026-01-08T00:00:00.000Z)';

describe('the script of people', () => {
  const people = (over: Partial<PeopleStream>): PeopleStream => ({
    kind: 'people',
    name: 'A',
    preset: 'received',
    ids: ['88'],
    types: [],
    fromMs,
    toMs,
    timed: true,
    typed: true,
    ...over,
  });

  it.each<[string, Partial<PeopleStream>, string]>([
    [
      'finds counterparts by the beginning of their pair',
      {},
      `from(bucket: "interactions_received")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r.prefix == "88" and r._field == "pair" and r._value =~ /^88:[1-9]/)
  |> keep(columns: ["_time", "_value", "type"])
  |> yield(name: "A")`,
    ],
    [
      'of several ids at once',
      { preset: 'share', ids: ['5f2c9b7a1d4e8a0012ab34cd', '65ba3ac07b1f4e0012345678'], types: ['like'], typed: false },
      `from(bucket: "interactions_share")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and (r.prefix == "5f2c9b" or r.prefix == "65ba3a") and r.type == "like" and r._field == "pair" and r._value =~ /^(?:5f2c9b7a1d4e8a0012ab34cd:|65ba3ac07b1f4e0012345678:)[1-9]/)
  |> keep(columns: ["_time", "_value"])
  |> yield(name: "A")`,
    ],
    [
      'and of everyone the makers',
      { preset: 'everyone', ids: [], timed: false },
      `from(bucket: "interactions_total")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r._field == "made")
  |> keep(columns: ["_value", "type"])
  |> yield(name: "A")`,
    ],
  ])('%s', (_, over, expected) => {
    expect(seriesScript([people(over)], schema).text).toBe(expected);
  });

  it('of two users counts what one made to the other', () => {
    const pair = stream({ preset: 'pair', ids: ['123456'], counterpart: '88' });
    expect(seriesScript([pair], schema).text).toBe(`from(bucket: "interactions_made")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r.prefix == "1234" and r._field == "pair" and r._value == "123456:88")
  |> ${TAIL}`);
  });

  it('of who reads the counterparts of one id', () => {
    const script = idScript({ preset: 'made', id: '88', types: [], fromMs, toMs }, schema);
    expect(script.text).toBe(`from(bucket: "interactions_made")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r.prefix == "88" and r._field == "pair" and r._value =~ /^88:[1-9]/)
  |> keep(columns: ["_value"])`);
  });

  it('compares what is stored with what has a counterpart, none included', () => {
    const { text } = lackingScript({ preset: 'made', ids: ['88'], types: [], fromMs, toMs }, schema);
    expect(text).toContain('r._field == "user" and r._value == 88)');
    expect(text).toContain('r._field == "pair" and r._value =~ /^88:/)');
  });

  it.each(['8/', '88.*', '${x}', ''])('takes no id such as %j', (id) => {
    expect(() => seriesScript([people({ ids: [id] })], schema)).toThrow(RangeError);
    expect(() => idScript({ preset: 'made', id, types: [], fromMs, toMs }, schema)).toThrow(RangeError);
    expect(() => seriesScript([stream({ preset: 'pair', ids: ['88'], counterpart: id })], schema)).toThrow(RangeError);
  });
});

describe('the script of counts', () => {
  it.each<[string, Partial<CountStream>, string]>([
    [
      'finds a user by prefix tag and int field',
      {},
      `from(bucket: "interactions_made")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r.prefix == "1234" and r._field == "user" and r._value == 123456)
  |> ${TAIL}`,
    ],
    [
      'keeps only the types asked for',
      { preset: 'received', ids: ['7'], types: ['like', 'share'] },
      `from(bucket: "interactions_received")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r.prefix == "7" and (r.type == "like" or r.type == "share") and r._field == "user" and r._value == 7)
  |> ${TAIL}`,
    ],
    [
      'compares a share with a string field',
      { preset: 'share', ids: ['5f2c9b7a1d4e8a0012ab34cd'], types: ['like'] },
      `from(bucket: "interactions_share")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r.prefix == "5f2c9b" and r.type == "like" and r._field == "share" and r._value == "5f2c9b7a1d4e8a0012ab34cd")
  |> ${TAIL}`,
    ],
    [
      'counts everyone without touching a prefix',
      { preset: 'everyone', ids: [] },
      `from(bucket: "interactions_total")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r._field == "made")
  |> aggregateWindow(every: 10m, fn: count, timeSrc: "_start", createEmpty: false)
  |> group(columns: ["type"])
  |> aggregateWindow(every: 10m, fn: sum, timeSrc: "_start", createEmpty: false)
  |> keep(columns: ["_time", "_value", "type"])
  |> yield(name: "A")`,
    ],
    [
      'reads ids that need not be told apart in one go',
      { ids: ['123456', '123457', '9223372036854775807'] },
      `from(bucket: "interactions_made")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and (r.prefix == "1234" or r.prefix == "9223") and r._field == "user" and (r._value == 123456 or r._value == 123457 or r._value == 9223372036854775807))
  |> ${TAIL}`,
    ],
    [
      'shifts windows by a positive offset',
      { grain: { everyMs: 86_400_000, offsetMs: 82_800_000 } },
      `from(bucket: "interactions_made")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r.prefix == "1234" and r._field == "user" and r._value == 123456)
  |> aggregateWindow(every: 1d, offset: 23h, fn: count, timeSrc: "_start", createEmpty: false)
  |> keep(columns: ["_time", "_value", "type"])
  |> yield(name: "A")`,
    ],
    [
      'counts the whole range at once',
      { grain: null },
      `from(bucket: "interactions_made")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r.prefix == "1234" and r._field == "user" and r._value == 123456)
  |> count()
  |> keep(columns: ["_value", "type"])
  |> yield(name: "A")`,
    ],
  ])('%s', (_, over, text) => {
    expect(seriesScript([stream(over)], schema).text).toBe(text);
  });

  it('reads each stream for itself', () => {
    const text = seriesScript([stream({}), stream({ name: 'B', ids: ['99'] })], schema).text;
    expect(text.match(/from\(bucket/g)).toHaveLength(2);
    expect(text).toContain('yield(name: "A")\n\nfrom(');
  });

  it('follows the schema in bucket names and prefixes', () => {
    const text = seriesScript([stream({})], {
      ...schema,
      buckets: { ...schema.buckets, made: 'm "quoted" ${x}' },
      userPrefix: { by: 'last', length: 2 },
    }).text;
    expect(text).toContain('from(bucket: "m \\"quoted\\" \\x24{x}")');
    expect(text).toContain('r.prefix == "56"');
  });

  it('names the tags and fields of the schema', () => {
    expect([TYPE_TAG, PREFIX_TAG]).toEqual(['type', 'prefix']);
    expect(FIELD).toEqual({ made: 'user', received: 'user', share: 'share', total: 'made' });
  });

  it('refuses an id that is not of its kind, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), (id) => {
        fc.pre(!/^[1-9][0-9]{0,18}$/.test(id));
        expect(() => seriesScript([stream({ ids: [id] })], schema)).toThrow(RangeError);
        expect(() => seriesScript([stream({ preset: 'share', ids: [id] })], schema)).toThrow(RangeError);
      }),
    );
  });

  it('holds whatever type it is given inside a string literal', () => {
    fc.assert(
      fc.property(fc.string(), (type) => {
        fc.pre(!type.includes('\0'));
        const text = seriesScript([stream({ types: [type] })], schema).text;
        const bare = text.replace(/"(?:[^"\\]|\\.)*"/gs, '""');
        expect(bare).toBe(
          seriesScript([stream({ types: ['like'] })], schema).text.replace(/"(?:[^"\\]|\\.)*"/gs, '""'),
        );
      }),
    );
  });
});

it.each([
  { preset: 'made', field: 'made', none: '0' },
  { preset: 'received', field: 'received', none: '0' },
  { preset: 'share', field: 'share', none: '"-"' },
] as const)('streams the ids of top $preset from the totals that have one', ({ preset, field, none }) => {
  expect(idScript({ preset, types: ['like'], fromMs, toMs }, schema).text).toBe(`from(bucket: "interactions_total")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r.type == "like" and r._field == "${field}" and r._value != ${none})
  |> keep(columns: ["_value"])`);
});

it('finds types by the first point of each series of the totals bucket', () => {
  expect(typesScript({ fromMs, toMs }, schema).text).toBe(`from(bucket: "interactions_total")
  ${RANGE}
  |> filter(fn: (r) => r._measurement == "interaction" and r._field == "made")
  |> first()
  |> keep(columns: ["type"])
  |> group()
  |> distinct(column: "type")`);
});
