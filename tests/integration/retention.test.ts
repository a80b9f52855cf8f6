import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { systemClock } from '../../backend/src/clock.ts';
import { InfluxSink } from '../../backend/src/influx/influx-sink.ts';
import { Retention } from '../../backend/src/influx/retention.ts';
import { LineBlock } from '../../backend/src/schema/line-block.ts';
import { createBuckets, influxApi, influxCount, parts, uniqueName } from '../support/parts.ts';
import { variableSecret } from '../../backend/src/secrets.ts';

const HOUR_MS = 3_600_000;

/** A bucket that keeps points for an hour, with a token that may only write it, as `setup` makes one for ingest. */
async function bucketOfAnHour(): Promise<{ readonly name: string; readonly writeToken: string }> {
  const { orgs } = z
    .object({ orgs: z.array(z.object({ id: z.string() })) })
    .parse(await influxApi('GET', `/api/v2/orgs?org=${parts().influx.org}`));
  const orgID = orgs[0]!.id;
  const name = uniqueName('hour');
  const { id } = z.object({ id: z.string() }).parse(
    await influxApi('POST', '/api/v2/buckets', {
      orgID,
      name,
      retentionRules: [{ type: 'expire', everySeconds: HOUR_MS / 1000 }],
    }),
  );
  const { token: writeToken } = z.object({ token: z.string() }).parse(
    await influxApi('POST', '/api/v2/authorizations', {
      orgID,
      permissions: [{ action: 'write', resource: { type: 'buckets', id, orgID } }],
    }),
  );
  return { name, writeToken };
}

const line = (field: string, ageMs: number, n: number): string =>
  `interaction,type=like,prefix=1 user=${field} ${BigInt(Date.now() - ageMs) * 1_000_000n + BigInt(n)}`;
const go = new AbortController().signal;

it('knows from InfluxDB how long it keeps points', async () => {
  const { name } = await bucketOfAnHour();
  const [forever] = await createBuckets('forever').then(({ made }) => [made]);
  const { url: host, org, token } = parts().influx;
  const retention = new Retention(
    { host, org, token: variableSecret('INFLUX_TOKEN', token) },
    { made: name, received: forever!, share: name, total: 'no such bucket' },
    systemClock,
  );
  // A minute's margin: InfluxDB's clock moves on.
  expect(await retention.cutoffMs('made', 10 * HOUR_MS, go)).toBe(9 * HOUR_MS + 60_000);
  expect(await retention.cutoffMs('received', 10 * HOUR_MS, go)).toBe(-Infinity);
  expect(await retention.cutoffMs('total', 10 * HOUR_MS, go)).toBeUndefined();
});

describe.each(['a token that may read the bucket', 'a token that may only write it'])('with %s', (kind) => {
  async function sinkOf(): Promise<{ sink: InfluxSink; bucket: string; expired: number[] }> {
    const { name, writeToken } = await bucketOfAnHour();
    const expired: number[] = [];
    const sink = new InfluxSink({
      target: {
        host: parts().influx.url,
        org: parts().influx.org,
        token: variableSecret('INFLUX_TOKEN', kind.includes('only') ? writeToken : parts().influx.token),
      },
      buckets: { made: name, received: name, share: name, total: name },
      clock: systemClock,
      logger: pino({ level: 'silent' }),
      connections: 2,
      onRetry: () => undefined,
      onAnswer: () => undefined,
      onExpired: (_, points) => expired.push(points),
    });
    return { sink, bucket: name, expired };
  }
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

  it('counts points older than the retention as expired, and refuses none of them', async () => {
    const { sink, bucket, expired } = await sinkOf();
    const lines = Array.from({ length: 1_200 }, (_, n) => line(`${n}i`, 2 * HOUR_MS, n));
    expect(await sink.write('made', LineBlock.of(lines), go)).toEqual([]);
    expect(sum(expired)).toBe(1_200);
    expect(await influxCount(bucket)).toBe(0);
    await sink.close();
  });

  it('tells an expired point, a wrong field type and a good point of one batch apart', async () => {
    const { sink, bucket, expired } = await sinkOf();
    expect(await sink.write('made', LineBlock.of([line('1i', 0, 0)]), go)).toEqual([]);
    const batch = [line('2i', 2 * HOUR_MS, 1), line('"text"', 0, 2), line('3i', 0, 3), line('4i', 2 * HOUR_MS, 4)];
    const refusals = await sink.write('made', LineBlock.of(batch), go);
    expect(refusals.map((refusal) => refusal.index)).toEqual([1]);
    expect(refusals[0]!.reason).toMatch(/type/);
    expect(sum(expired)).toBe(2);
    expect(await influxCount(bucket)).toBe(2);
    await sink.close();
  });
});
