import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { testEvents } from '../support/ingest-world.ts';
import { eventually } from '../support/parts.ts';
import type { FaultyWorld } from './faulty-world.ts';
import { isPut, isWrite, KINDS } from './kinds.ts';
import { expectExact, Worlds } from './worlds.ts';

/** What is known to be wrong in comparable software, each as a test that would find it here. */

const worlds = new Worlds();
afterEach(() => worlds.end());

const FIRST_SHARD = 'shardId-000000000000';

async function checkpointed(w: FaultyWorld, shardId = FIRST_SHARD): Promise<string | null> {
  const text = await readFile(join(w.world.checkpointFolder, `${shardId}.json`), 'utf8').catch(() => undefined);
  return text === undefined ? null : (JSON.parse(text) as { sequenceNumber: string | null }).sequenceNumber;
}

async function recordsRead(w: FaultyWorld): Promise<number> {
  return Number(/^userpulse_records_read_total (\d+)/m.exec(await w.process.metrics())?.[1] ?? 0);
}

describe('lifion-kinesis stores a checkpoint before the records are processed; here', () => {
  it.each(['InfluxDB', 'S3'] as const)('no checkpoint passes a record that %s does not hold', async (sink) => {
    const w = await worlds.create({ shards: 1 });
    const proxy = sink === 'InfluxDB' ? w.influx : w.s3;
    w.run();
    await w.process.says('"msg":"ingesting"');
    // Each request is swallowed: the connection stays, and nothing comes back.
    const remove = proxy.add({
      kind: `${sink}: no answer`,
      match: sink === 'InfluxDB' ? isWrite : isPut,
      action: { kind: 'hold', when: 'before', run: () => new Promise(() => undefined) },
    });
    await w.put(300);
    await eventually(async () => (await recordsRead(w)) > 0 && (proxy.injected.get(`${sink}: no answer`) ?? 0) > 0);
    // Longer than a segment stays open.
    await sleep(1_500);
    expect(await checkpointed(w)).toBeNull();
    remove();
    await w.kill();
    await w.drain();
    expect(await checkpointed(w)).not.toBeNull();
    await expectExact(w);
  });
});

describe('Telegraf loses the records that come with no next iterator; here', () => {
  it('the last page of a closed shard counts', async () => {
    const w = await worlds.create({ shards: 1 });
    await w.put(300);
    await w.split();
    await w.put(300);
    w.run();
    await w.drain();
    expect(w.lastPages, 'pages with records and no next iterator').toBeGreaterThan(0);
    await expectExact(w);
  });
});

describe('Redpanda Connect skips closed shards that nobody ever claimed; here', () => {
  it('shards that were split and merged before the first start are read to their end', async () => {
    const w = await worlds.create({ shards: 2 });
    await w.put(200);
    await w.split();
    await w.put(200);
    await w.merge();
    await w.put(200);
    await w.updateShardCount(2);
    await w.put(200);
    w.run();
    await w.drain();
    await expectExact(w);
  });

  it('and so are those that opened and closed while ingest was down', async () => {
    const w = await worlds.create({ shards: 1 });
    await w.put(200);
    w.run();
    await w.drain();
    await w.split();
    await w.put(200);
    await w.merge();
    await w.put(200);
    w.run();
    await w.drain();
    await expectExact(w);
  });
});

describe('influxdb-client-js drops lines when its retry buffer is full; here', () => {
  it.each([
    ['InfluxDB', 'influx'],
    ['S3', 's3'],
  ] as const)('an outage of %s longer than every buffer stops reading, and drops nothing', async (sink, proxy) => {
    const w = await worlds.create({
      shards: 2,
      env: { USERPULSE_BUFFER_MAX_BYTES: '1048576', USERPULSE_ARCHIVE_MAX_BYTES: '65536' },
      traffic: { aggregated: 200, plain: 0.01 },
    });
    w.run();
    await w.process.says('"msg":"ingesting"');
    await w[proxy].down(`${sink}: down`);
    // About four times what may be held.
    await w.put(25_000);
    let before = -1;
    await eventually(
      async () => {
        const now = await recordsRead(w);
        const stopped = now > 0 && now === before;
        before = now;
        return stopped;
      },
      { what: 'the end of reading', intervalMs: 1_500 },
    );
    expect(before, 'records read').toBeLessThan(w.world.records);
    await w[proxy].up();
    await w.drain();
    await expectExact(w);
  });
});

describe('Firehose takes the day of the archive from the clock; here', () => {
  it('an event lies below the UTC day on which it occurred, however late it arrives', async () => {
    const w = await worlds.create({ shards: 1 });
    const instants = ['2012-06-30T23:59:59.999Z', '2012-07-01T00:00:00.000Z', '2014-02-28T12:00:00.000Z'];
    await w.world.put(instants.flatMap((at) => testEvents(5, { occurredAt: Date.parse(at) })));
    w.run();
    await w.drain();
    const days = [...(await w.world.objects()).keys()].map((key) => key.slice(0, 10));
    expect([...new Set(days)].sort()).toEqual(['2012/06/30', '2012/07/01', '2014/02/28']);
    await expectExact(w);
  });
});

describe('Vector and Firehose give objects random names, so that a retry is a duplicate; here', () => {
  it('an object that is written again has the same name and bytes', async () => {
    const w = await worlds.create({ shards: 1 });
    const answered = KINDS.find((kind) => kind.name === 'kill -9: object written, checkpoint not')!;
    const puts = new Map<string, string[]>();
    w.s3.onRequest = (seen) => {
      if (!isPut(seen)) return;
      const { body } = seen;
      const key = seen.path.split('?')[0]!;
      puts.set(key, [...(puts.get(key) ?? []), body.toString('base64')]);
    };
    await w.put(300);
    w.run();
    await answered.inject(w);
    await w.drain();
    const again = [...puts.values()].filter((bodies) => bodies.length > 1);
    expect(again.length, 'objects that were written again').toBeGreaterThan(0);
    for (const bodies of again) expect(new Set(bodies).size).toBe(1);
    await expectExact(w);
  });
});
