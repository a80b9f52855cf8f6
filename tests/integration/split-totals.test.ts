import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InteractionEvent } from '../../backend/src/event/event.ts';
import { HttpInfluxReader } from '../../backend/src/influx/reader.ts';
import { createQueryService } from '../../backend/src/query/service.ts';
import { overTheWire, type ReadService } from '../../backend/src/query/testing.ts';
import type { Schema } from '../../backend/src/schema/buckets.ts';
import { baseOffset } from '../../backend/src/schema/identity.ts';
import { pointsOf, renderLine } from '../../backend/src/schema/points.ts';
import { variableSecret } from '../../backend/src/secrets.ts';
import type { QueryFields } from '../../contract/query.ts';
import { createBuckets, influxCount, influxWrite, parts } from '../support/parts.ts';
import { seeded } from '../support/seeded.ts';

const FROM = Date.parse('2026-03-27T00:00:00Z');
const DAYS = 4;
const TYPES = ['like', 'reply', 'share'];
const random = seeded(7);
const events = Array.from({ length: 3_000 }, (_, n): InteractionEvent => ({
  eventId: `split-${n}`,
  type: TYPES[Math.floor(random() ** 2 * 3)]!,
  occurredAtMs: FROM + Math.floor(random() * DAYS * 86_400_000),
  actorId: String(1 + Math.floor(random() ** 3 * 50)),
  receiverId: n % 3 === 0 ? undefined : String(100 + Math.floor(random() ** 3 * 50)),
  shareId: n % 3 === 1 ? undefined : `5f2c9b7a1d4e8a0012ab34${String(n % 10).padStart(2, '0')}`,
}));

let reader: HttpInfluxReader;
/** The same events: none split, all split, those of the last two days split. */
const services: { readonly name: string; readonly bucket: string; readonly service: ReadService }[] = [];
beforeAll(async () => {
  const { url, org, token } = parts().influx;
  reader = new HttpInfluxReader({ host: url, org, token: variableSecret('INFLUX_TOKEN', token), timeoutMs: 30_000 });
  const cases = { none: undefined, all: FROM, some: FROM + 2 * 86_400_000 };
  for (const [name, totalsSplitFromMs] of Object.entries(cases)) {
    const schema: Schema = {
      buckets: await createBuckets('split'),
      userPrefix: { side: 'first', length: 4 },
      sharePrefix: { side: 'first', length: 6 },
      totalsSplitFromMs,
    };
    const totals = events.flatMap((event) =>
      pointsOf(event, schema)
        .filter(({ role }) => role === 'total')
        .map((point) => renderLine(point, baseOffset(event.eventId))),
    );
    await influxWrite(schema.buckets.total, totals);
    const options = { influx: reader, schema, now: Date.now, logger: pino({ level: 'silent' }) };
    services.push({ name, bucket: schema.buckets.total, service: overTheWire(createQueryService(options)) });
  }
});
afterAll(() => reader.close());

const SHAPES: readonly Partial<QueryFields>[] = [
  { every: '10m' },
  { every: '1h', types: ['like', 'share'] },
  { every: '7h', groupBy: [] },
  { every: '1d', timezone: 'Europe/Paris' },
  { every: '1mo', timezone: 'America/New_York' },
  { every: '1h', calc: 'cumulative', timezone: 'Asia/Kathmandu' },
  { calc: 'total' },
  { every: '1h', compareTo: '1d' },
];

describe('split totals, and those that are split in part, answer as whole ones do', () => {
  it.each(SHAPES)('%j', async (shape) => {
    const answers = [];
    for (const { service } of services) {
      const { results } = await service.query({
        // Neither begins nor ends with a window.
        from: '2026-03-27T01:02:03.456Z',
        to: '2026-03-30T22:33:44.555Z',
        queries: [{ refId: 'A', preset: 'everyone', ...shape }],
      });
      const result = results['A']!;
      if ('error' in result) throw new Error(result.error);
      const [frame] = result.frames;
      answers.push({ fields: frame!.schema.fields, values: frame!.data.values });
    }
    expect(answers[0]!.values.flat().some((value) => typeof value === 'number' && value > 0)).toBe(true);
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it.each(['made', 'received', 'share'] as const)('a ranking of %s', async (of) => {
    const range = { from: FROM, to: FROM + DAYS * 86_400_000 };
    const tops = await Promise.all(services.map(({ service }) => service.top({ of, n: 20, ...range })));
    expect(tops[0]!.top.length).toBeGreaterThan(5);
    for (const { top } of tops) expect(top).toEqual(tops[0]!.top);
  });

  it('the list of types, and the number of points', async () => {
    for (const { service, bucket } of services) {
      expect(await service.types({ from: FROM, to: FROM + 86_400_000 })).toEqual(TYPES);
      expect(await influxCount(bucket)).toBe(events.length);
    }
  });
});
