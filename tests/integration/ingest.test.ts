import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import {
  DescribeStreamSummaryCommand,
  ListShardsCommand,
  MergeShardsCommand,
  SplitShardCommand,
  type Shard,
} from '@aws-sdk/client-kinesis';
import { describe, expect, it } from 'vitest';
import { testEvents, type TestEvent } from '../support/ingest-world.ts';
import { eventually, influxWrite, kinesis, temporaryFolder } from '../support/parts.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';

const { world, endsWithTest } = worldsOfEachTest();

const CLEAN = { code: 0, signal: null };

describe('userpulse ingest', () => {
  it('brings plain and KPL-aggregated events, repeated and same-millisecond ones into buckets and archive, each exactly once', async () => {
    const w = await world({ shards: 2 });
    const plain = testEvents(120);
    await w.put(plain);
    await w.put(plain.slice(0, 10));
    await w.putAggregated(testEvents(1500), 300);
    await w.putAggregated(testEvents(1500, { occurredAt: 1_341_100_972_000, actorId: '88', type: 'like' }), 500);
    const ingest = w.ingest();
    await w.untilWritten();
    await w.untilArchived();
    expect(await ingest.stop()).toEqual(CLEAN);
    await w.expectExact();
  });

  it('writes on SIGTERM what it has read, ends with 0, and goes on exactly where it stopped', async () => {
    const w = await world({ env: { USERPULSE_ARCHIVE_MAX_AGE_MS: '3600000' } });
    for (let run = 0; run < 2; run++) {
      await w.put(testEvents(50));
      const ingest = w.ingest();
      await w.untilWritten();
      expect(await ingest.stop()).toEqual(CLEAN);
      expect(ingest.log).toContain('Everything that was read is written.');
    }
    await w.expectExact();
  });

  it('is exact after kill -9 at any moment', async () => {
    const w = await world({ shards: 2, archive: 's3', env: { USERPULSE_ARCHIVE_MAX_AGE_MS: '150' } });
    for (let kill = 0; kill < 4; kill++) {
      await w.putAggregated(testEvents(2000), 50);
      const ingest = w.ingest();
      await ingest.says('Reading a shard');
      // Somewhere between the first read and the last checkpoint.
      await eventually(() => w.hasCheckpoint(), { intervalMs: 1, what: 'a checkpoint' });
      ingest.kill('SIGKILL');
      expect(await ingest.exit).toEqual({ code: null, signal: 'SIGKILL' });
    }
    const last = w.ingest();
    await w.untilWritten();
    await w.untilArchived();
    expect(await last.stop()).toEqual(CLEAN);
    await w.expectExact();
  });

  it('reads parents before children through a split and a merge, and every shard to its end', async () => {
    const w = await world({ shards: 1 });
    await w.put(testEvents(60));
    const shards = async (): Promise<Shard[]> => {
      await eventually(async () => {
        const { StreamDescriptionSummary: s } = await kinesis().send(
          new DescribeStreamSummaryCommand({ StreamName: w.stream }),
        );
        return s?.StreamStatus === 'ACTIVE';
      });
      return (await kinesis().send(new ListShardsCommand({ StreamName: w.stream }))).Shards ?? [];
    };
    const split = async (): Promise<void> => {
      await shards();
      await kinesis().send(
        new SplitShardCommand({
          StreamName: w.stream,
          ShardToSplit: 'shardId-000000000000',
          NewStartingHashKey: String(2n ** 127n),
        }),
      );
      await shards();
    };
    await split();
    await w.put(testEvents(60));
    const ingest = w.ingest();
    await w.untilWritten();
    await kinesis().send(
      new MergeShardsCommand({
        StreamName: w.stream,
        ShardToMerge: 'shardId-000000000001',
        AdjacentShardToMerge: 'shardId-000000000002',
      }),
    );
    await shards();
    await w.put(testEvents(60));
    await w.untilWritten();
    await w.untilArchived();
    expect(await ingest.stop()).toEqual(CLEAN);
    await w.expectExact();
    const started = [...ingest.log.matchAll(/"shardId":"shardId-00000000000(\d)","after"/g)].map((m) => m[1]);
    expect(started[0]).toBe('0');
    expect(started.at(-1)).toBe('3');
    expect([...started].sort()).toEqual(['0', '1', '2', '3']);
    const ended = [...ingest.log.matchAll(/"shardId":"shardId-00000000000(\d)","msg":"A shard is read/g)].map(
      (m) => m[1],
    );
    expect([...ended].sort()).toEqual(['0', '1', '2']);
  });

  it('sends what is no event to the dead letters with its reason, and nothing else', async () => {
    const w = await world();
    const good = testEvents(40);
    const broken = (fields: object): Buffer => Buffer.from(JSON.stringify({ ...testEvents(1)[0]!, ...fields }));
    const poison = [
      Buffer.from('{"eventId":'),
      Buffer.from('[]'),
      Buffer.from([0xff, 0xfe, 0x00]),
      Buffer.from('   '),
      broken({ actorId: '0' }),
      broken({ actorId: '-5' }),
      broken({ actorId: '9223372036854775808' }),
      broken({ shareId: 'ABCDEF' }),
      broken({ occurredAt: '1970-01-01T00:00:00Z' }),
      broken({ occurredAt: Date.now() + 365 * 86_400_000 }),
      broken({ type: 'LIKE' }),
      broken({ receiverId: undefined, shareId: undefined }),
      Buffer.concat([Buffer.from([0xf3, 0x89, 0x9a, 0xc2]), Buffer.from('no frame follows')]),
      Buffer.from('x'.repeat(1_000_000)),
    ];
    await w.put(good.slice(0, 20));
    await w.putPoison(poison);
    await w.put(good.slice(20));
    const ingest = w.ingest();
    await w.untilArchived();
    const metrics = await ingest.metrics();
    expect(await ingest.stop()).toEqual(CLEAN);
    await w.expectExact();
    expect(metrics).toContain('userpulse_rejected_total{code="not_json"}');
    expect(metrics).toContain('userpulse_records_read_total 54');
    for (const line of await w.storedLines('rejected')) {
      expect(JSON.parse(line)).toMatchObject({
        code: expect.stringMatching(/^[a-z_0-9]+$/),
        reason: expect.stringMatching(/./),
        shardId: 'shardId-000000000000',
        sequenceNumber: expect.stringMatching(/^\d+$/),
      });
    }
  });

  it('keeps the rest when InfluxDB refuses some points for good: those events become dead letters', async () => {
    const w = await world();
    // A field of another type in the same shard group: every int in that week is refused, in this bucket only.
    await influxWrite(w.buckets.received, [`interaction,prefix=1,type=like user="text" 1425470400000000000`]);
    const refused = testEvents(3, { occurredAt: 1_425_470_401_000 });
    const unharmed: TestEvent[] = testEvents(300);
    await w.put([...unharmed.slice(0, 100), ...refused, ...unharmed.slice(100)]);
    const ingest = w.ingest();
    await w.untilArchived();
    expect(await ingest.stop()).toEqual(CLEAN);
    const stored = await w.storedPoints('received');
    expect(stored.filter((p) => !p.includes(' text '))).toEqual(
      w.expectedPoints('received').filter((p) => !p.endsWith(' 1425470401000')),
    );
    expect(await w.storedPoints('made')).toEqual(w.expectedPoints('made'));
    const letters = (await w.storedLines('rejected')).map((line) => JSON.parse(line) as Record<string, string>);
    expect(letters.map((l) => Buffer.from(l['data']!, 'base64').toString()).sort()).toEqual(
      refused.map((e) => JSON.stringify(e)).sort(),
    );
    expect(letters.map((l) => l['code'])).toEqual(['influx_refused', 'influx_refused', 'influx_refused']);
    expect(letters[0]!['reason']).toMatch(/^received: .*field type conflict/);
    expect(await w.storedLines('archive')).toEqual(unharmed.map((e) => JSON.stringify(e)).sort());
  });

  it('writes the same keys and bytes to S3 and to files', async () => {
    const inFiles = await world({ archive: 'file', env: { USERPULSE_ARCHIVE_MAX_AGE_MS: '3600000' } });
    await inFiles.put(testEvents(30));
    await inFiles.putAggregated(testEvents(3000, { occurredAt: 1_341_273_772_000 }), 500);
    await inFiles.putPoison([Buffer.from('no json')]);
    const inS3 = endsWithTest(await inFiles.sibling('s3', { USERPULSE_ARCHIVE_MAX_AGE_MS: '3600000' }));
    for (const w of [inFiles, inS3]) {
      const ingest = w.ingest();
      await w.untilWritten();
      await eventually(async () => (await ingest.metrics()).includes('userpulse_records_read_total 37'));
      expect(await ingest.stop()).toEqual(CLEAN);
      await w.expectExact();
    }
    const files = await inFiles.objects();
    const objects = await inS3.objects();
    expect([...objects.keys()].sort()).toEqual([...files.keys()].sort());
    for (const [key, content] of files) expect(objects.get(key)!.equals(content), key).toBe(true);
    for (const key of files.keys()) {
      expect(key).toMatch(/^(_rejected\/)?\d{4}\/\d\d\/\d\d\/shardId-000000000000-\d+-\d+\.ndjson\.gz$/);
    }
  });

  it('refuses a checkpoint folder that another ingest uses, and takes it over when that one is gone', async () => {
    const w = await world();
    const first = w.ingest();
    await first.says('"msg":"ingesting"');
    const second = w.ingest();
    expect((await second.exit).code).toBe(1);
    expect(second.log).toMatch(/USERPULSE_CHECKPOINT.* is in use by another ingest: process \d+ on host/);
    first.kill('SIGKILL');
    await first.exit;
    const third = w.ingest();
    await third.says('"msg":"ingesting"');
    expect(await third.stop()).toEqual(CLEAN);
  });

  it.each(['file', 's3'] as const)(
    'refuses an older checkpoint that was put back, before any line is doubled (%s)',
    async (archive) => {
      const w = await world({ archive });
      const run = async (count: number): Promise<void> => {
        await w.put(testEvents(count));
        const ingest = w.ingest();
        await w.untilArchived();
        expect(await ingest.stop()).toEqual(CLEAN);
      };
      await run(300);
      const copy = await temporaryFolder('checkpoint');
      await cp(w.checkpointFolder, copy, { recursive: true });
      await run(400);
      await w.expectExact();
      const newest = await temporaryFolder('checkpoint');
      await cp(w.checkpointFolder, newest, { recursive: true });
      const putBack = async (from: string): Promise<void> => {
        await rm(w.checkpointFolder, { recursive: true });
        await cp(from, w.checkpointFolder, { recursive: true });
      };
      await putBack(copy);
      await w.put(testEvents(10));
      const refused = w.ingest();
      await w.untilWritten();
      await refused.stop();
      expect(refused.log).toMatch(/The archive holds records of shardId-0+ that lie behind the checkpoint/);
      expect(refused.log).toContain('Put the newest checkpoint back.');
      // As it says.
      await putBack(newest);
      const ingest = w.ingest();
      await w.untilArchived();
      expect(await ingest.stop()).toEqual(CLEAN);
      await w.expectExact();
    },
  );

  it('refuses a damaged checkpoint in words, instead of starting from the beginning', async () => {
    const w = await world();
    await w.put(testEvents(5));
    const first = w.ingest();
    await w.untilArchived();
    await first.stop();
    const file = join(w.checkpointFolder, 'shardId-000000000000.json');
    const whole = await readFile(file);
    await writeFile(file, whole.subarray(0, whole.length >> 1));
    const second = w.ingest();
    expect((await second.exit).code).toBe(1);
    expect(second.log).toContain('it is damaged, or was written by a newer version');
  });

  it('outlives an outage of InfluxDB: it says so, waits as it is asked to, and catches up', async () => {
    const w = await world();
    const upstream = new URL(w.env()['INFLUX_HOST']!);
    let down = false;
    let refused = 0;
    // In front of InfluxDB: answers 503 while "down", hands on everything else.
    const proxy = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (down && request.url?.startsWith('/api/v2/write') === true) {
          refused++;
          response.writeHead(503, { 'retry-after': '1' }).end('{"code":"unavailable","message":"busy"}');
          return;
        }
        void fetch(new URL(request.url ?? '/', upstream), {
          method: request.method ?? 'GET',
          headers: {
            authorization: request.headers.authorization ?? '',
            ...(request.headers['content-encoding'] === undefined
              ? {}
              : { 'content-encoding': request.headers['content-encoding'] }),
          },
          ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
        }).then(async (answer) => {
          response
            .writeHead(answer.status, { 'content-type': 'application/json' })
            .end(Buffer.from(await answer.arrayBuffer()));
        });
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = proxy.address();
    try {
      if (address === null || typeof address === 'string') throw new Error('no port');
      await w.put(testEvents(30));
      const ingest = w.ingest({ INFLUX_HOST: `http://127.0.0.1:${address.port}` });
      await w.untilWritten();
      down = true;
      await w.put(testEvents(30));
      await ingest.says('asks to slow down (503): busy');
      await eventually(() => refused >= 3);
      expect(await ingest.metrics()).toContain('userpulse_retries_total{target="influxdb",reason="throttled"}');
      down = false;
      await w.untilWritten();
      await w.untilArchived();
      expect(await ingest.stop()).toEqual(CLEAN);
      await w.expectExact();
    } finally {
      proxy.close();
      proxy.closeAllConnections();
    }
  });

  it.each([
    ['INFLUX_TOKEN', 'wrong', 'INFLUX_TOKEN'],
    ['USERPULSE_BUCKET_SHARE', 'no-such-bucket', 'USERPULSE_BUCKET_SHARE'],
    ['INFLUX_HOST', 'http://127.0.0.1:9', 'INFLUX_HOST'],
    ['USERPULSE_STREAM', 'no-such-stream', 'USERPULSE_STREAM'],
    ['USERPULSE_ARCHIVE', 's3://no-such-bucket-here/raw', 'USERPULSE_ARCHIVE'],
  ])('ends with 1 and one message that names the setting when %s is wrong', async (setting, value, named) => {
    const w = await world();
    const ingest = w.ingest({ [setting]: value, USERPULSE_START_DEADLINE_MS: '0' });
    expect((await ingest.exit).code).toBe(1);
    const messages = ingest.log.split('\n').filter((line) => line.startsWith('userpulse: '));
    expect(messages).toHaveLength(1);
    expect(messages[0]).toContain(named);
  });
});
