import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../backend/src/clock.ts';
import type { InteractionEvent } from '../../backend/src/event/event.ts';
import { InfluxPoints } from '../../backend/src/influx/influx-points.ts';
import { InfluxSink } from '../../backend/src/influx/influx-sink.ts';
import { HttpInfluxReader, type InfluxReader } from '../../backend/src/influx/reader.ts';
import { Retention } from '../../backend/src/influx/retention.ts';
import { createQueryService } from '../../backend/src/query/service.ts';
import { overTheWire, type ReadService } from '../../backend/src/query/testing.ts';
import { HourMarks } from '../../backend/src/rollup/hour-marks.ts';
import { markedPoints, markedSink } from '../../backend/src/rollup/marked.ts';
import type { Schema } from '../../backend/src/schema/buckets.ts';
import { baseOffset } from '../../backend/src/schema/identity.ts';
import { pointsOf } from '../../backend/src/schema/points.ts';
import type { QueryFields } from '../../contract/query.ts';
import { linesOf, openInflux, staysOpen } from '../support/open-influx.ts';
import { usePartsEnvironment } from '../support/parts.ts';
import { seeded } from '../support/seeded.ts';

/* Kept hours and joined scripts on a real influxd: the same answers with and without them, whatever happens to the hours. */

beforeAll(() => usePartsEnvironment());

const FROM = Date.parse('2026-03-27T00:00:00Z');
const HOUR = 3_600_000;
const HOURS = 60;
const TYPES = ['like', 'reply', 'share'];
const NEVER = new AbortController().signal;
const logger = pino({ level: 'silent' });
const random = seeded(23);
const SHARE = '5f2c9b7a1d4e8a0012ab3401';

let made = 0;
function event(occurredAtMs: number): InteractionEvent {
  const n = made++;
  const id = (): string => String(1_000 + Math.floor(random() ** 2 * 20));
  return {
    eventId: `kept-${n}`,
    type: TYPES[n % 3]!,
    occurredAtMs,
    actorId: id(),
    receiverId: n % 4 === 0 ? undefined : id(),
    shareId: n % 2 === 1 ? undefined : SHARE,
  };
}

let schema: Schema;
let reader: HttpInfluxReader;
let sink: InfluxSink;
let points: InfluxPoints;
/** Scripts that were sent for the service that keeps. */
const asked: string[] = [];
let keeps: ReadService;
let plain: ReadService;
let options: Omit<Parameters<typeof createQueryService>[0], 'influx'>;
let spy: InfluxReader;

async function write(events: readonly InteractionEvent[], marks = new HourMarks(sink, systemClock)): Promise<void> {
  const to = markedSink(staysOpen(sink), marks);
  for (const each of events)
    for (const [role, lines] of linesOf([each], schema)) expect(await to.write(role, lines, NEVER)).toEqual([]);
}

beforeAll(async () => {
  const influx = await openInflux('kept');
  ({ schema, reader, sink } = influx);
  const { target } = influx;
  points = new InfluxPoints({ target, schema, reader, clock: systemClock, logger });
  spy = {
    rows: (script, ...rest) => {
      asked.push(script.text);
      return reader.rows(script, ...rest);
    },
    bytes: (script, ...rest) => {
      asked.push(script.text);
      return reader.bytes(script, ...rest);
    },
  };
  options = { schema, now: Date.now, logger, retention: new Retention(target, schema.buckets, systemClock) };
  keeps = overTheWire(createQueryService({ ...options, influx: spy, hours: true, joins: true }));
  plain = overTheWire(createQueryService({ ...options, influx: reader }));
  // Each hour has some events, else nobody has marked it.
  const all = Array.from({ length: HOURS * 6 }, (_, n) =>
    event(FROM + (n % HOURS) * HOUR + Math.floor(random() * HOUR)),
  );
  const marks = new HourMarks(sink, systemClock);
  const to = markedSink(staysOpen(sink), marks);
  for (const [role, lines] of linesOf(all, schema)) await to.write(role, lines, NEVER);
  await marks.close(NEVER);
}, 120_000);
afterAll(async () => {
  await reader.close();
  await sink.close();
});
beforeEach(() => void (asked.length = 0));

const QUERIES: readonly Partial<QueryFields>[] = [
  { preset: 'made', ids: ['1000'], every: '10m' },
  { preset: 'made', ids: ['1000'], calc: 'total' },
  { preset: 'made', ids: ['1000', '1001'], every: '1h', types: ['like'] },
  { preset: 'received', ids: ['1000', '1001', '1002'], every: '1h', groupBy: ['type'] },
  { preset: 'received', ids: ['1001'], every: '1d', timezone: 'Asia/Kathmandu' },
  { preset: 'received', ids: ['1000'], every: '1h', compareTo: '1d', calc: 'cumulative' },
  { preset: 'pair', ids: ['1000', '1001'], every: '1h' },
  { preset: 'share', ids: [SHARE], every: '30m' },
  { preset: 'everyone', every: '1h' },
  { preset: 'everyone', calc: 'total' },
];

/** Whole, and with an hour cut at each end. */
const RANGES = [
  { from: FROM + 30 * HOUR, to: FROM + HOURS * HOUR },
  { from: FROM + 27 * HOUR + 17 * 60_000 + 1, to: FROM + 58 * HOUR + 42_007 },
];

/** All panels of a dashboard at once. */
async function answers(service: ReadService, range: (typeof RANGES)[number]) {
  const [{ results }, types] = await Promise.all([
    service.query({
      ...range,
      timezone: 'UTC',
      queries: QUERIES.map((query, n) => ({ refId: `Q${n}`, preset: 'made', ...query })),
    }),
    service.types(range),
  ]);
  return { results, types };
}

async function expectSame(): Promise<void> {
  for (const range of RANGES) expect(await answers(keeps, range)).toEqual(await answers(plain, range));
}

/** Hours of points that are read, of all streams together, but for those of a notice: how many points of a pair lack the other end. */
const hoursRead = (): number =>
  asked
    .filter((script) => !script.includes('yield(name: "stored")'))
    .flatMap((script) => [
      ...script.matchAll(/start: (\S+), stop: (\S+)\)\s+\|> filter\(fn: \(r\) => r\._measurement == "interaction" /g),
    ])
    .reduce((sum, [, from = '', to = '']) => sum + (Date.parse(to) - Date.parse(from)) / HOUR, 0);

describe('answers with kept hours are those without', () => {
  it('when a dashboard is asked for, and again, and then nothing is read but the ends', async () => {
    await expectSame();
    await expectSame();
    asked.length = 0;
    await answers(keeps, RANGES[0]!);
    expect(hoursRead()).toBe(0);
    // Marks alone: one question, or one and then another for those who came while it ran; and the notice.
    expect(asked.length).toBeLessThanOrEqual(3);
    asked.length = 0;
    await answers(keeps, { ...RANGES[1]!, to: RANGES[1]!.to + 30_000 });
    // The ends of everyone and of the pair; those of users and shares are kept as points.
    expect(hoursRead()).toBeLessThan(3);
    expect(asked.length).toBeLessThanOrEqual(5);
  });

  it('when late events come, and what has changed is read again', async () => {
    const marks = new HourMarks(sink, systemClock);
    await write(
      [31, 40, 58].map((hour) => event(FROM + hour * HOUR + 777_000)),
      marks,
    );
    // Their hours are open.
    await expectSame();
    await marks.close(NEVER);
    await expectSame();
    await expectSame();
    asked.length = 0;
    await answers(keeps, RANGES[0]!);
    expect(hoursRead()).toBe(0);
  });

  it('when points of one bucket alone are removed', async () => {
    const marks = new HourMarks(sink, systemClock);
    const gone = { ...event(FROM + 45 * HOUR + 5), actorId: '1000' };
    await write([gone], marks);
    await expectSame();
    const point = pointsOf(gone, schema).find(({ role }) => role === 'made');
    const place = { series: point?.series ?? '', ms: gone.occurredAtMs, offsetNs: baseOffset(gone.eventId) };
    const before = await answers(keeps, RANGES[0]!);
    await markedPoints(points, marks).remove('made', place, NEVER);
    await expectSame();
    await marks.close(NEVER);
    await expectSame();
    expect(await answers(keeps, RANGES[0]!)).not.toEqual(before);
  });

  it('while an hour is being written to', async () => {
    const marks = new HourMarks(sink, systemClock);
    for (const minute of [1, 2, 3]) {
      await write([event(FROM + 50 * HOUR + minute * 60_000)], marks);
      await expectSame();
    }
    await marks.close(NEVER);
    await expectSame();
  });

  it('when nothing may be kept', async () => {
    const request = {
      ...RANGES[0]!,
      timezone: 'UTC',
      queries: [{ refId: 'A', preset: 'made', ids: ['1000'], every: '10m' }],
    };
    const fresh = await keeps.query(request, { fresh: true });
    expect(hoursRead()).toBe(30);
    expect(fresh).toEqual(await plain.query(request));
  });
});

it('a question that fails does so alone, though it shares a script', async () => {
  const elsewhere = { ...schema, buckets: { ...schema.buckets, share: 'kept_is_not_there' } };
  const service = overTheWire(
    createQueryService({ ...options, schema: elsewhere, retention: undefined, influx: spy, joins: true }),
  );
  const { results } = await service.query({
    ...RANGES[0]!,
    timezone: 'UTC',
    queries: [
      { refId: 'A', preset: 'made', ids: ['1000'], every: '1h' },
      { refId: 'B', preset: 'share', ids: [SHARE], every: '1h' },
    ],
  });
  expect(results['B']).toMatchObject({ errorCode: 'influx_not_found' });
  expect(results['A']).toHaveProperty('frames');
  // Together, and then each for itself.
  expect(asked.map((script) => script.split('from(bucket').length - 1)).toEqual([2, 1, 1]);
});
