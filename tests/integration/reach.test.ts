import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FrameJson } from '../../contract/answers.ts';
import type { QueryFields } from '../../contract/query.ts';
import type { InteractionEvent } from '../../backend/src/event/event.ts';
import { HttpInfluxReader } from '../../backend/src/influx/reader.ts';
import { createQueryService } from '../../backend/src/query/service.ts';
import { overTheWire, type ReadService } from '../../backend/src/query/testing.ts';
import { identityOf } from '../../backend/src/schema/identity.ts';
import { OffsetTable } from '../../backend/src/schema/offsets.ts';
import { pointsOf, renderLine } from '../../backend/src/schema/points.ts';
import type { BucketRole, Schema } from '../../backend/src/schema/buckets.ts';
import { variableSecret } from '../../backend/src/secrets.ts';
import { findHiggsFile, readHiggsLines } from '../../tools/higgs.ts';
import { createBuckets, influxWrite, parts } from '../support/parts.ts';

/*
 * Different people, pairs and who, on the Higgs file: a week of 563,069 interactions. What is expected is computed here from the lines of the file
 * alone, with sets.
 */

const TYPES = { RT: 'retweet', MT: 'mention', RE: 'reply' } as const;
const FROM = Date.UTC(2012, 6, 1);
const DAY = 86_400_000;
const DAYS = Array.from({ length: 7 }, (_, day) => FROM + day * DAY);
const TO = FROM + 7 * DAY;

/** `actor receiver second type`. Where the file is not at hand, lines of the same form. */
function higgsLines(): readonly string[] {
  const file = findHiggsFile();
  if (file !== undefined) return readHiggsLines(file);
  return Array.from(
    { length: 20_000 },
    (_, n) =>
      `${1000 + (n % 997)} ${n % 2 === 0 ? 88 : 677} ${FROM / 1000 + n * 30} ${['RT', 'MT', 'RE'][n % 3] ?? 'RT'}`,
  );
}

interface Line {
  readonly actor: string;
  readonly receiver: string;
  readonly ms: number;
  readonly type: string;
}
const lines: readonly Line[] = higgsLines().map((line) => {
  const [actor = '', receiver = '', second = '', kind = ''] = line.split(' ');
  return { actor, receiver, ms: Number(second) * 1000, type: TYPES[kind as keyof typeof TYPES] };
});
const inWeek = lines.filter(({ ms }) => ms >= FROM && ms < TO);
const of88 = inWeek.filter(({ receiver }) => receiver === '88');

const people = (some: readonly Line[], other: (line: Line) => string = (line) => line.actor): number =>
  new Set(some.map(other)).size;
const byDay = (some: readonly Line[], other?: (line: Line) => string): number[] =>
  DAYS.map((day) =>
    people(
      some.filter(({ ms }) => ms >= day && ms < day + DAY),
      other,
    ),
  );

let schema: Schema;
let reader: HttpInfluxReader;
let service: ReadService;

beforeAll(async () => {
  schema = {
    buckets: await createBuckets('reach'),
    userPrefix: { by: 'first', length: 4 },
    sharePrefix: { by: 'first', length: 6 },
  };
  const table = new OffsetTable({ capacity: 1 << 18 });
  const batches: Record<BucketRole, string[]> = { made: [], received: [], share: [], total: [] };
  const flush = async (least: number): Promise<void> => {
    for (const [role, batch] of Object.entries(batches) as [BucketRole, string[]][])
      if (batch.length > least) await influxWrite(schema.buckets[role], batch.splice(0));
  };
  for (const [n, { actor, receiver, ms, type }] of lines.entries()) {
    const event: InteractionEvent = {
      eventId: `line-${n}`,
      type,
      occurredAtMs: ms,
      actorId: actor,
      receiverId: receiver,
      // What 88 received lies on one share a day.
      shareId: receiver === '88' ? shareOf(ms) : undefined,
    };
    const identity = identityOf(event);
    for (const point of pointsOf(event, schema))
      batches[point.role].push(renderLine(point, table.assign(point, identity).offsetNs));
    await flush(10_000);
  }
  await flush(0);
  const { url, org, token } = parts().influx;
  reader = new HttpInfluxReader({ host: url, org, token: variableSecret('INFLUX_TOKEN', token), timeoutMs: 60_000 });
  service = overTheWire(
    createQueryService({ influx: reader, schema, now: Date.now, logger: pino({ level: 'silent' }) }),
  );
}, 300_000);
afterAll(() => reader.close());

const shareOf = (ms: number): string =>
  Math.floor(ms / DAY)
    .toString(16)
    .padStart(24, '0');

async function frame(query: Partial<QueryFields>, timezone = 'UTC'): Promise<FrameJson> {
  const { results } = await service.query({ from: FROM, to: TO, timezone, queries: [{ refId: 'A', ...query }] });
  const result = results['A'];
  if (result === undefined || !('frames' in result)) throw new Error(JSON.stringify(result));
  return result.frames[0]!;
}

/** Values by type, or by nothing. */
async function values(query: Partial<QueryFields>, timezone?: string): Promise<Record<string, unknown>> {
  const { schema: shape, data } = await frame(query, timezone);
  return Object.fromEntries(
    shape.fields.flatMap((field, i) =>
      field.type === 'number' ? [[field.labels?.['type'] ?? '', data.values[i]]] : [],
    ),
  );
}

/** What awk finds in the file, with one associative array for each number. */
const BY_AWK = {
  week: { retweet: [14_060], mention: [11_953], reply: [1_071] },
  all: 23_144,
  days: [288, 735, 2_342, 19_108, 1_477, 748, 129],
  active: [2_650, 10_431, 21_153, 185_452, 68_660, 24_972, 11_950],
  activeInWeek: 279_379,
};

it.runIf(findHiggsFile() !== undefined)('the sets of this test hold what awk counts', async () => {
  expect(byDay(of88)).toEqual(BY_AWK.days);
  expect(await values({ ...received, calc: 'reach', groupBy: ['type'] })).toEqual(BY_AWK.week);
  expect(await values({ ...received, calc: 'reach', groupBy: [] })).toEqual({ '': [BY_AWK.all] });
  expect(byDay(inWeek)).toEqual(BY_AWK.active);
  expect(await values({ preset: 'everyone', calc: 'reach', groupBy: [] })).toEqual({ '': [BY_AWK.activeInWeek] });
});

const received: Partial<QueryFields> = { preset: 'received', ids: ['88'] };

describe('different people who interacted with user 88', () => {
  it('are told per day and type, and of all types together', async () => {
    const wanted = Object.fromEntries(
      Object.values(TYPES).map((type) => [type, byDay(of88.filter((line) => line.type === type))]),
    );
    expect(await values({ ...received, calc: 'unique', every: '1d', groupBy: ['type'] })).toEqual(wanted);
    expect(await values({ ...received, calc: 'unique', every: '1d', groupBy: [] })).toEqual({ '': byDay(of88) });
  });

  it('are told for the week, which is not the sum of its days', async () => {
    const wanted = Object.fromEntries(
      Object.values(TYPES).map((type) => [type, [people(of88.filter((line) => line.type === type))]]),
    );
    expect(await values({ ...received, calc: 'reach', groupBy: ['type'] })).toEqual(wanted);
    expect(await values({ ...received, calc: 'reach', groupBy: [] })).toEqual({ '': [people(of88)] });
    const sum = byDay(of88).reduce((all, day) => all + day, 0);
    expect(people(of88)).toBeLessThan(sum);
    expect(people(of88)).toBeLessThan(of88.length);
  });

  it('are told with the day before beside', async () => {
    const shifted = DAYS.map((day) =>
      people(lines.filter(({ receiver, ms }) => receiver === '88' && ms >= day - DAY && ms < day)),
    );
    const { data } = await frame({ ...received, calc: 'unique', every: '1d', groupBy: [], compareTo: '1d' });
    expect(data.values.slice(1)).toEqual([byDay(of88), shifted]);
  });

  it('are the same of the shares on which it received them', async () => {
    const shares = DAYS.map((day) => shareOf(day));
    const wanted = byDay(of88);
    expect(await values({ preset: 'share', ids: shares, calc: 'unique', every: '1d', groupBy: [] })).toEqual({
      '': wanted,
    });
    const { data } = await frame({ preset: 'share', ids: shares, calc: 'reach', groupBy: ['id'] });
    expect(data.values).toEqual(wanted.map((count) => [count]));
  });

  it('are listed, those with the most interactions first', async () => {
    const counts = new Map<string, number>();
    for (const { actor } of of88) counts.set(actor, (counts.get(actor) ?? 0) + 1);
    const wanted = [...counts]
      .map(([id, count]) => ({ id, count }))
      .sort((a, b) => b.count - a.count || Number(a.id) - Number(b.id));
    const answer = await service.who({ of: 'received', id: '88', from: FROM, to: TO, n: 50 });
    expect(answer).toEqual({ who: wanted.slice(0, 50), people: people(of88) });
    const { data, schema: shape } = await frame({ preset: 'who', of: 'received', ids: ['88'], n: 3 });
    expect(data.values).toEqual([wanted.slice(0, 3).map(({ id }) => id), wanted.slice(0, 3).map(({ count }) => count)]);
    expect(shape.meta?.custom).toMatchObject({ distinct: people(of88) });
  });
});

describe('two users', () => {
  it('of whom one interacts with the other most are counted by the hour, one way and both ways', async () => {
    const counts = new Map<string, number>();
    for (const { actor, receiver } of inWeek)
      if (actor !== receiver) counts.set(`${actor} ${receiver}`, (counts.get(`${actor} ${receiver}`) ?? 0) + 1);
    const [most] = [...counts].sort(([, a], [, b]) => b - a);
    const [first = '', second = ''] = most?.[0].split(' ') ?? [];
    const hours = Array.from({ length: 7 * 24 }, (_, hour) => FROM + (hour * DAY) / 24);
    const hourly = (from: string, to: string): number[] =>
      hours.map(
        (hour) =>
          inWeek.filter((l) => l.actor === from && l.receiver === to && l.ms >= hour && l.ms < hour + DAY / 24).length,
      );
    const [there, back] = [hourly(first, second), hourly(second, first)];
    const query: Partial<QueryFields> = { preset: 'pair', ids: [first, second], every: '1h' };
    expect((await frame({ ...query, groupBy: ['id'] })).data.values.slice(1)).toEqual([there]);
    const both = await frame({ ...query, direction: 'both', groupBy: ['id'] });
    expect(both.data.values.slice(1)).toEqual([there, back]);
    expect(both.schema.fields.slice(1).map(({ labels, config }) => [labels, config?.['displayNameFromDS']])).toEqual([
      [{ id: first, to: second }, `${first} → ${second}`],
      [{ id: second, to: first }, `${second} → ${first}`],
    ]);
    expect((await frame({ ...query, direction: 'both', groupBy: [] })).data.values.slice(1)).toEqual([
      there.map((count, hour) => count + (back[hour] ?? 0)),
    ]);
  });
});

describe('active users', () => {
  it('are the different people of each day, and of the week', async () => {
    expect(await values({ preset: 'everyone', calc: 'unique', every: '1d', groupBy: [] })).toEqual({
      '': byDay(inWeek),
    });
    expect(await values({ preset: 'everyone', calc: 'reach', groupBy: [] })).toEqual({ '': [people(inWeek)] });
    const wanted = Object.fromEntries(
      Object.values(TYPES).map((type) => [type, byDay(inWeek.filter((line) => line.type === type))]),
    );
    expect(await values({ preset: 'everyone', calc: 'unique', every: '1d', groupBy: ['type'] })).toEqual(wanted);
  });

  it('are those of the days of a time zone', async () => {
    // Tokyo is nine hours ahead all year.
    const starts = Array.from({ length: 8 }, (_, day) => FROM + (day - 1) * DAY + 15 * 3_600_000);
    const wanted = starts.map((day) => people(inWeek.filter(({ ms }) => ms >= day && ms < day + DAY)));
    expect(await values({ preset: 'everyone', calc: 'unique', every: '1d', groupBy: [] }, 'Asia/Tokyo')).toEqual({
      '': wanted,
    });
  });

  it('are told in many short windows as well', async () => {
    const quarters = Array.from({ length: 7 * 96 }, (_, quarter) => FROM + (quarter * DAY) / 96);
    const sets = quarters.map(() => new Set<string>());
    for (const { ms, actor } of inWeek) sets[Math.floor((ms - FROM) / (DAY / 96))]?.add(actor);
    expect(await values({ preset: 'everyone', calc: 'unique', every: '15m', groupBy: [] })).toEqual({
      '': sets.map(({ size }) => size),
    });
  });
});

it('tells different people live: someone who comes again changes nothing', async () => {
  const stop = new AbortController();
  const user = '987654321';
  const at = Math.floor(Date.now() / DAY) * DAY;
  const point = (person: string, ms: number): string =>
    `interaction,prefix=9876,type=like user=${user}i,pair="${user}:${person}" ${ms}000000`;
  const stream = service.live(
    { preset: 'received', ids: [user], types: [], every: '1d', calc: 'unique', groupBy: ['id'] },
    stop.signal,
  );
  const seen: number[] = [];
  const writes = [[point('5', at)], [point('5', at + 1)], [point('6', at + 2)]];
  for await (const update of stream) {
    if (update.kind !== 'window' || update.window.time !== at) continue;
    expect(update.window).toMatchObject({ id: user, type: '' });
    seen.push(update.window.value);
    if (update.window.value === 2) break;
    await influxWrite(schema.buckets.received, writes.shift() ?? []);
    // Nothing tells that a look has changed nothing, so the third comes at once.
    if (update.window.value === 1) await influxWrite(schema.buckets.received, writes.shift() ?? []);
  }
  stop.abort();
  expect(seen).toEqual([0, 1, 2]);
});
