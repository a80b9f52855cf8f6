import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerRollup } from '../../backend/src/commands/rollup.ts';
import { systemClock } from '../../backend/src/clock.ts';
import type { InteractionEvent } from '../../backend/src/event/event.ts';
import { InfluxSink } from '../../backend/src/influx/influx-sink.ts';
import { HttpInfluxReader, type InfluxReader } from '../../backend/src/influx/reader.ts';
import { createQueryService } from '../../backend/src/query/service.ts';
import { overTheWire, type ReadService } from '../../backend/src/query/testing.ts';
import { InfluxHours } from '../../backend/src/rollup/counted-hours.ts';
import { HourMarks } from '../../backend/src/rollup/hour-marks.ts';
import { markedSink } from '../../backend/src/rollup/marked.ts';
import { Recounter } from '../../backend/src/rollup/recounter.ts';
import type { Schema } from '../../backend/src/schema/buckets.ts';
import { hourOf } from '../../backend/src/schema/hour-marks.ts';
import { pointsOf } from '../../backend/src/schema/points.ts';
import type { QueryFields } from '../../contract/query.ts';
import { runInProcess } from '../support/command.ts';
import { linesOf, openInflux, staysOpen } from '../support/open-influx.ts';
import { influxWrite, parts, temporaryFolder, usePartsEnvironment } from '../support/parts.ts';
import { seeded } from '../support/seeded.ts';

/* Counted hours on a real influxd: the same answers with and without them, whatever happens to the hours. */

beforeAll(() => usePartsEnvironment());

const FROM = Date.parse('2026-03-27T00:00:00Z');
const HOUR = 3_600_000;
const HOURS = 72;
const TYPES = ['like', 'reply', 'share'];
const NEVER = new AbortController().signal;
const logger = pino({ level: 'silent' });
const random = seeded(11);

let made = 0;
/** Few ids occur often, and some not in every hour. */
function event(occurredAtMs: number): InteractionEvent {
  const n = made++;
  const id = (): string => String(1 + Math.floor(random() ** 4 * 900));
  return {
    eventId: `hour-${n}`,
    type: TYPES[Math.floor(random() ** 2 * 3)]!,
    occurredAtMs,
    actorId: id(),
    receiverId: n % 3 === 0 ? undefined : id(),
    shareId:
      n % 3 === 1 ? undefined : `5f2c9b7a1d4e8a0012ab34${String(Math.floor(random() ** 3 * 30)).padStart(2, '0')}`,
  };
}

let schema: Schema;
let reader: HttpInfluxReader;
let sink: InfluxSink;
let recounter: Recounter;
/** Scripts that were sent for the service with hours. */
const asked: string[] = [];
let withHours: ReadService;
let without: ReadService;

async function write(events: readonly InteractionEvent[], marked: boolean): Promise<void> {
  const marks = new HourMarks(sink, systemClock);
  const to = marked ? markedSink(staysOpen(sink), marks) : staysOpen(sink);
  for (const [role, lines] of linesOf(events, schema)) expect(await to.write(role, lines, NEVER)).toEqual([]);
  await marks.close(NEVER);
}

beforeAll(async () => {
  ({ schema, reader, sink } = await openInflux('hours'));
  const spy: InfluxReader = {
    rows: (...given) => reader.rows(...given),
    bytes: (script, ...rest) => {
      asked.push(script.text);
      return reader.bytes(script, ...rest);
    },
  };
  const options = { schema, now: Date.now, logger };
  withHours = overTheWire(createQueryService({ ...options, influx: spy, hours: true }));
  without = overTheWire(createQueryService({ ...options, influx: reader }));
  recounter = new Recounter({
    hours: new InfluxHours(reader, sink, schema),
    clock: { now: Date.now, sleep: () => Promise.resolve() },
    logger,
  });
  await write(
    Array.from({ length: 6_000 }, () => event(FROM + Math.floor(random() * HOURS * HOUR))),
    true,
  );
  // More different ids than a list holds, so that those of other hours are not on it.
  const crowd = Array.from({ length: 2_000 }, (_, n) => ({
    ...event(FROM + 40 * HOUR + n * 1_000),
    type: 'like',
    actorId: String(10_000 + n),
  }));
  await write(crowd, true);
  await recounter.look(NEVER);
}, 120_000);
afterAll(async () => {
  await reader.close();
  await sink.close();
});

const SHAPES: readonly Partial<QueryFields>[] = [
  { every: '10m' },
  { every: '1m', types: ['reply'] },
  { every: '1h', types: ['like', 'share'] },
  { every: '7h', groupBy: [] },
  { every: '1d', timezone: 'Europe/Paris' },
  { every: '1d', timezone: 'Asia/Kathmandu' },
  { every: '1h', calc: 'cumulative' },
  { every: '1h', calc: 'rate' },
  { calc: 'total' },
  { calc: 'total', types: ['like', 'never'] },
  { every: '1h', compareTo: '1d' },
  { preset: 'top', of: 'made', n: 10 },
  { preset: 'top', of: 'received', n: 3, types: ['like'] },
  { preset: 'top', of: 'share', n: 5 },
  { preset: 'top', of: 'received', n: 1_000 },
];

/** Whole, and with an hour cut at each end. */
const RANGES = [
  { from: FROM, to: FROM + HOURS * HOUR },
  { from: FROM + 17 * 60_000 + 1, to: FROM + 60 * HOUR + 42_000 },
];

async function answer(service: ReadService, query: Partial<QueryFields>, range: (typeof RANGES)[number]) {
  const { results } = await service.query({
    ...range,
    timezone: 'UTC',
    queries: [{ refId: 'A', preset: 'everyone', ...query }],
  });
  const result = results['A'];
  if (result === undefined || !('frames' in result)) throw new Error(JSON.stringify(result));
  const [frame] = result.frames;
  return { fields: frame?.schema.fields, values: frame?.data.values };
}

async function expectSame(): Promise<void> {
  for (const range of RANGES)
    for (const query of SHAPES)
      expect(await answer(withHours, query, range), JSON.stringify({ query, range })).toEqual(
        await answer(without, query, range),
      );
}

/** Ranges of points that are read, as hours since the first: `from-to`. */
const readFromPoints = (): string[] =>
  asked.flatMap((script) =>
    [
      ...script.matchAll(
        /range\(start: (\S+), stop: (\S+)\)\s+\|> filter\(fn: \(r\) => r\._measurement == "interaction" /g,
      ),
    ].map(([, from = '', to = '']) => `${(Date.parse(from) - FROM) / HOUR}-${(Date.parse(to) - FROM) / HOUR}`),
  );

describe('answers with counted hours are those without', () => {
  it('where every hour is counted, and read nothing else', async () => {
    await expectSame();
    asked.length = 0;
    await answer(withHours, { every: '1h' }, RANGES[0]!);
    await answer(withHours, { every: '10m' }, RANGES[0]!);
    expect(readFromPoints()).toEqual([]);
    asked.length = 0;
    await answer(withHours, { preset: 'top', of: 'made', n: 3 }, { from: FROM + HOUR / 2, to: FROM + 70 * HOUR });
    // Whoever is not on the list of every hour, in the bucket of made. The ids of the hour that is cut are kept: another range cut it, too.
    expect(new Set(readFromPoints())).toEqual(new Set(['0.5-70']));
    asked.length = 0;
    await answer(withHours, { preset: 'top', of: 'made', n: 3 }, { from: FROM + 1.5 * HOUR, to: FROM + 69.25 * HOUR });
    // That hour whole, so that it is kept, and the end.
    expect(new Set(readFromPoints())).toEqual(new Set(['1-2', '69-69.25', '1.5-69.25']));
  });

  it('where late events come to counted hours, before and after these are counted again', async () => {
    const late = [5, 5, 6, 30, 71].map((hour) => event(FROM + hour * HOUR + 1_234_567));
    await write(late, true);
    // Once: what was read of them is kept then.
    asked.length = 0;
    await answer(withHours, { every: '1h' }, RANGES[0]!);
    expect(readFromPoints()).toEqual(['5-7', '30-31', '71-72']);
    await expectSame();
    await recounter.look(NEVER);
    await expectSame();
    asked.length = 0;
    await answer(withHours, { every: '1h' }, RANGES[0]!);
    expect(readFromPoints()).toEqual([]);
  });

  it('where an event is written again', async () => {
    const again = event(FROM + 8 * HOUR);
    await write([again], true);
    await write([again], true);
    await recounter.look(NEVER);
    await write([again], true);
    await recounter.look(NEVER);
    await expectSame();
  });

  it('while an hour is being written to', async () => {
    const marks = new HourMarks(sink, systemClock);
    const hour = hourOf(FROM + 10 * HOUR);
    await marks.during([hour], NEVER, async () => {
      await recounter.look(NEVER);
      await write([event(FROM + 10 * HOUR + 5)], false);
      await expectSame();
    });
    // Its writer may come again.
    await recounter.look(NEVER);
    await expectSame();
    await marks.close(NEVER);
  });

  it('after days were counted by hand that nobody had marked', async () => {
    const total = pointsOf(event(FROM + 20 * HOUR), schema).find(({ role }) => role === 'total');
    await influxWrite(schema.buckets.total, [`${total?.series} ${total?.fields} ${total?.ms}000042`]);
    const foreign = await answer(withHours, { calc: 'total', groupBy: [] }, RANGES[0]!);
    expect(foreign).not.toEqual(await answer(without, { calc: 'total', groupBy: [] }, RANGES[0]!));
    const { url, org, token } = parts().influx;
    const done = await runInProcess(
      registerRollup,
      ['rollup', '--from', '2026/03/27', '--to', '2026-03-29'],
      {
        INFLUX_HOST: url,
        INFLUX_ORG: org,
        INFLUX_TOKEN: token,
        ...Object.fromEntries(
          Object.entries(schema.buckets).map(([role, name]) => [`USERPULSE_BUCKET_${role.toUpperCase()}`, name]),
        ),
      },
      { cwd: await temporaryFolder() },
    );
    expect(done.stdout).toBe('Counted 72 hours.\n');
    await expectSame();
  });
});
