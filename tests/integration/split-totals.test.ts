import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { S3ArchiveReader } from '../../backend/src/archive/s3-reader.ts';
import { S3ArchiveWriter } from '../../backend/src/archive/s3-writer.ts';
import { readTotalsSplit, splitTotals } from '../../backend/src/archive/totals-split.ts';
import { systemClock } from '../../backend/src/clock.ts';
import { registerReplay } from '../../backend/src/commands/replay.ts';
import type { InteractionEvent } from '../../backend/src/event/event.ts';
import { HttpInfluxReader } from '../../backend/src/influx/reader.ts';
import { createQueryService } from '../../backend/src/query/service.ts';
import { overTheWire, type ReadService } from '../../backend/src/query/testing.ts';
import type { Schema } from '../../backend/src/schema/buckets.ts';
import { baseOffset } from '../../backend/src/schema/identity.ts';
import { pointsOf, renderLine } from '../../backend/src/schema/points.ts';
import { variableSecret } from '../../backend/src/secrets.ts';
import type { QueryFields } from '../../contract/query.ts';
import { runInProcess } from '../support/command.ts';
import { testEvents } from '../support/ingest-world.ts';
import {
  createBuckets,
  createS3Bucket,
  influxCount,
  influxRows,
  influxWrite,
  listKeys,
  parts,
  s3,
  temporaryFolder,
  usePartsEnvironment,
} from '../support/parts.ts';
import { seeded } from '../support/seeded.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';

beforeAll(() => usePartsEnvironment());
const { world } = worldsOfEachTest();

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
      userPrefix: { by: 'first', length: 4 },
      sharePrefix: { by: 'first', length: 6 },
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

describe('the day from which totals are split', () => {
  it('is decided in S3 once, by whichever of several workers is first', async () => {
    const bucket = await createS3Bucket();
    const url = new URL(`s3://${bucket}/some/prefix/`);
    const go = new AbortController().signal;
    const reader = new S3ArchiveReader(
      { kind: 's3', url, s3: s3(), endpoint: parts().s3.endpoint, region: 'us-east-1' },
      systemClock,
    );
    const writer = new S3ArchiveWriter({
      client: s3(),
      codec: 'gzip',
      url,
      clock: systemClock,
      logger: pino({ level: 'silent' }),
      onRetry: () => undefined,
    });
    expect(await readTotalsSplit(reader, go)).toBeUndefined();
    const starts = ['2026-11-26T10:00:00Z', '2026-11-27T10:00:00Z', '2026-11-28T10:00:00Z'];
    const decided = await Promise.all(
      starts.map((now) => splitTotals({ reader, writer }, { nowMs: Date.parse(now), maxAheadMs: 0 }, go)),
    );
    expect(new Set(decided).size).toBe(1);
    expect(await readTotalsSplit(reader, go)).toBe(decided[0]);
    expect(await listKeys(bucket)).toEqual(['some/prefix/_control/totals-split.ndjson.gz']);
  });

  it('holds for one ingest and for a replay, too: nothing is written a second time', async () => {
    const w = await world({ archive: 'file' });
    if (w.archive.kind !== 'file') throw new Error('The archive is a folder.');
    await mkdir(join(w.archive.folder, '_control'), { recursive: true });
    const said = '{"version":1,"from":"2012/07/03"}\n';
    await writeFile(join(w.archive.folder, '_control', 'totals-split.ndjson.gz'), gzipSync(said));
    const sent = [0, 1, 2, 3].flatMap((day) => testEvents(40, { occurredAt: Date.UTC(2012, 6, 1 + day) }));
    await w.put(sent);
    const ingest = w.ingest();
    await w.untilWritten();
    await w.untilArchived();
    await ingest.stop();
    await w.expectExact();
    const days = async (): Promise<string[]> => {
      const rows = await influxRows(`from(bucket: "${w.buckets.total}") |> range(start: 2012-07-01T00:00:00Z)
        |> filter(fn: (r) => r._field == "made")
        |> map(fn: (r) => ({day: string(v: r._time), part: if exists r.part then "split" else "whole"})) |> group()`);
      return [...new Set(rows.map((row) => `${String(row['day']).slice(0, 10)} ${String(row['part'])}`))].sort();
    };
    const expected = ['2012-07-01 whole', '2012-07-02 whole', '2012-07-03 split', '2012-07-04 split'];
    expect(await days()).toEqual(expected);
    const args = ['replay', '--from', '2012/07/01', '--to', '2012/07/04'];
    const replayed = await runInProcess(registerReplay, args, w.env(), { cwd: await temporaryFolder('replay') });
    expect(replayed.error).toBeUndefined();
    expect(await days()).toEqual(expected);
    expect(await influxCount(w.buckets.total)).toBe(sent.length);
    await w.expectExact();
  });
});
