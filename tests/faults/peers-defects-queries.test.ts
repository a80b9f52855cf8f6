import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { healthResponse, queryResponse } from '../../backend/src/http/schemas.ts';
import { UserpulseServer } from '../support/cli.ts';
import { createBuckets, eventually, influxWrite, parts, type TestBuckets } from '../support/parts.ts';
import { FaultyProxy } from '../support/faulty-proxy.ts';

/**
 * What is known to be wrong in Grafana's InfluxDB data source, each as a test that would find it in Userpulse's answers. How the plugin turns a
 * variable of several values into a list is tested beside it: src/query/interpolate.test.ts.
 */

const DAY = Date.parse('2026-01-31T00:00:00Z');
const RANGE = { from: '2026-01-31T00:00:00Z', to: '2026-02-01T00:00:00Z' };
const USERS = Array.from({ length: 60 }, (_, n) => String(12_340_000 + n));

let server: UserpulseServer;
let buckets: TestBuckets;
beforeAll(async () => {
  buckets = await createBuckets('peers');
  const types = ['like', 'reply', 'share'];
  await influxWrite(
    buckets.made,
    USERS.flatMap((user, n) =>
      types.map(
        (type) => `interaction,prefix=1234,type=${type} user=${user}i ${DAY + 3_600_000}${String(n).padStart(6, '0')}`,
      ),
    ),
  );
  server = await UserpulseServer.start('serve', buckets.env);
});
afterAll(() => server.stop());

async function ask(query: object) {
  const results = await server.query({ ...RANGE, queries: [{ refId: 'A', every: '1h', ...query }] });
  const answer = queryResponse.parse({ results }).results['A'];
  if (answer === undefined) throw new Error('The query was not answered.');
  return answer;
}

/** Names that a panel's legend shows. */
const legends = (answer: Awaited<ReturnType<typeof ask>>): unknown[] =>
  (answer.frames[0]?.schema.fields ?? [])
    .slice(1)
    .map((field) => z.object({ displayNameFromDS: z.string() }).parse(field['config']).displayNameFromDS);

describe("Grafana's InfluxDB data source", () => {
  it('sends a variable of several values to Flux as "{a,b}"; here several ids are several series, and "{a,b}" is refused in words', async () => {
    const two = await ask({ preset: 'made', ids: USERS.slice(0, 2), types: ['like', 'reply'], groupBy: ['id'] });
    expect(legends(two)).toEqual(USERS.slice(0, 2));
    expect(JSON.stringify(two.frames[0]?.schema.meta)).not.toContain('{1234');
    const braces = await ask({ preset: 'made', ids: [`{${USERS.slice(0, 2).join(',')}}`] });
    expect(braces).toMatchObject({
      status: 400,
      errorCode: 'bad_request',
      error: expect.stringContaining('{12340000'),
    });
  });

  it('has legends such as "_value {_field=…, _measurement=…}"; here they name the id and the type', async () => {
    const answer = await ask({ preset: 'made', ids: [USERS[0]] });
    expect(legends(answer)).toEqual([`${USERS[0]} like`, `${USERS[0]} reply`, `${USERS[0]} share`]);
    for (const field of answer.frames[0]!.schema.fields.slice(1)) {
      expect(Object.keys(field.labels ?? {}).sort()).toEqual(['id', 'type']);
    }
  });

  it('cuts series off; here more than can be shown is refused with the reason, and up to then all are there', async () => {
    const all = await ask({ preset: 'made', ids: USERS.slice(0, 33) });
    expect(legends(all)).toHaveLength(99);
    const more = await ask({ preset: 'made', ids: USERS.slice(0, 34) });
    expect(more).toMatchObject({ status: 400, error: expect.stringMatching(/102 series, more than the 100/) });
  });

  it('leaves empty windows out; here they are 0', async () => {
    const answer = await ask({ preset: 'made', ids: [USERS[0]], types: ['like'] });
    expect(answer.frames[0]?.data.values[0]).toHaveLength(24);
    expect(answer.frames[0]?.data.values[1]).toEqual(Array.from({ length: 24 }, (_, hour) => (hour === 1 ? 1 : 0)));
  });

  it('has a health check that says only "error"; here it says what is wrong, where, and what to do', async () => {
    const influx = await FaultyProxy.start(parts().influx.url);
    const lost = await UserpulseServer.start('serve', { ...buckets.env, INFLUX_HOST: influx.url });
    try {
      await influx.down('InfluxDB: down');
      const check = await eventually(async () => {
        const { checks } = healthResponse.parse(await lost.json('/v1/health'));
        return checks.find(({ name, state }) => name === 'influxdb' && state !== 'ok');
      });
      expect(JSON.stringify(check)).toContain(`InfluxDB at ${influx.url} (INFLUX_HOST) cannot be reached`);
      expect(JSON.stringify(check)).toContain('Start InfluxDB, or set INFLUX_HOST to its address.');
    } finally {
      await lost.stop();
      await influx.close();
    }
  });
});
