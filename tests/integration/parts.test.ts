import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  ListShardsCommand,
  PutRecordCommand,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, it, vi } from 'vitest';
import { createKinesisClient } from '../../backend/src/kinesis/client.ts';
import { KinesisSource } from '../../backend/src/kinesis/stream-source.ts';
import { startLocalParts, type PartsRequest } from '../../tools/parts/index.ts';
import type { Progress } from '../../tools/progress.ts';
import {
  archiveLines,
  createBuckets,
  createS3Bucket,
  createStream,
  eventually,
  influxCount,
  influxRows,
  influxWrite,
  kinesis,
  readObject,
  s3,
  usePartsEnvironment,
} from '../support/parts.ts';
import { gzipSync } from 'node:zlib';

const silent: Progress = { line: () => undefined, status: () => undefined };

const runs = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('the S3 server', () => {
  it('refuses a conditional PUT of a key that exists, and keeps what was there', async () => {
    const Bucket = await createS3Bucket();
    const put = (text: string) => s3().send(new PutObjectCommand({ Bucket, Key: 'a/b', Body: text, IfNoneMatch: '*' }));
    await put('first');
    await expect(put('second')).rejects.toMatchObject({
      name: 'PreconditionFailed',
      $metadata: { httpStatusCode: 412 },
    });
    expect((await readObject(Bucket, 'a/b')).toString()).toBe('first');
  });

  it('gives back zipped lines in key order', async () => {
    const Bucket = await createS3Bucket();
    for (const [Key, text] of Object.entries({ '2/b': 'three\n', '1/a': 'one\ntwo\n' })) {
      await s3().send(new PutObjectCommand({ Bucket, Key, Body: gzipSync(text) }));
    }
    expect(await archiveLines(Bucket)).toEqual(['one', 'two', 'three']);
  });
});

describe('influxd', () => {
  it('stores points and answers Flux', async () => {
    const buckets = await createBuckets();
    await influxWrite(buckets.made, [
      'interaction,type=like,prefix=1234 user=123456i 1341100972000000001',
      'interaction,type=like,prefix=1234 user=123457i 1341100972000000002',
      'interaction,type=reply,prefix=1234 user=123456i 1341100972000000003',
    ]);
    expect(await influxCount(buckets.made)).toBe(3);
    expect(await influxCount(buckets.received)).toBe(0);
    const rows = await influxRows(
      `from(bucket: "${buckets.made}") |> range(start: 2012-07-01T00:00:00Z, stop: 2012-07-02T00:00:00Z)
        |> filter(fn: (r) => r._measurement == "interaction" and r.prefix == "1234" and r.type == "like" and r._field == "user" and r._value == 123456)
        |> count()`,
    );
    expect(rows.map((r) => r['_value'])).toEqual([1]);
  });

  it('refuses a point that contradicts the field type, in words', async () => {
    const buckets = await createBuckets();
    await influxWrite(buckets.made, ['interaction,type=like user=1i 1341100972000000000']);
    await expect(influxWrite(buckets.made, ['interaction,type=like user="x" 1341100972000000001'])).rejects.toThrow(
      /422.*field type conflict/,
    );
  });
});

describe('the Kinesis server', () => {
  it('gives back records in order, shard by shard', async () => {
    const StreamName = await createStream(2);
    const sent = Array.from({ length: 20 }, (_, i) => `record ${i}`);
    const answer = await kinesis().send(
      new PutRecordsCommand({
        StreamName,
        Records: sent.map((text, i) => ({ Data: Buffer.from(text), PartitionKey: `key ${i}` })),
      }),
    );
    expect(answer.FailedRecordCount).toBe(0);
    const { Shards = [] } = await kinesis().send(new ListShardsCommand({ StreamName }));
    expect(Shards).toHaveLength(2);
    const read: string[] = [];
    for (const { ShardId } of Shards) {
      const { ShardIterator } = await kinesis().send(
        new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' }),
      );
      const { Records = [] } = await kinesis().send(new GetRecordsCommand({ ShardIterator }));
      const sequence = Records.map((r) => BigInt(r.SequenceNumber ?? '0'));
      expect(sequence).toEqual(sequence.toSorted((a, b) => (a < b ? -1 : 1)));
      read.push(...Records.map((r) => Buffer.from(r.Data ?? []).toString()));
    }
    expect(read.toSorted()).toEqual(sent.toSorted());
  });

  it('gives the same records in CBOR and in JSON', async () => {
    const stream = await createStream();
    const sent = ['one', 'é'.repeat(500)].map((text) => Buffer.from(text));
    for (const [n, Data] of sent.entries()) {
      await kinesis().send(new PutRecordCommand({ StreamName: stream, Data, PartitionKey: `ключ ${n}` }));
    }
    usePartsEnvironment();
    const onJson = vi.fn();
    const client = createKinesisClient({ maxAttempts: 1, onJson });
    const go = new AbortController().signal;
    const source = new KinesisSource(client, stream);
    const [shard] = await source.listShards(go);
    const iterator = await source.iterator(shard?.shardId ?? '', { kind: 'trim_horizon' }, go);
    const { records, next } = await source.records(iterator, 10, go);
    const { Records = [] } = await kinesis().send(new GetRecordsCommand({ ShardIterator: iterator }));
    client.destroy();
    expect(onJson).not.toHaveBeenCalled();
    expect(next).toBeTypeOf('string');
    const read = [...records];
    expect(read.map(({ data }) => Buffer.from(data))).toEqual(sent);
    expect(read.map(({ data, ...others }) => ({ ...others, data: Buffer.from(data) }))).toEqual(
      Records.map((record) => ({
        data: Buffer.from(record.Data ?? []),
        partitionKey: record.PartitionKey,
        sequenceNumber: record.SequenceNumber,
        approximateArrivalMs: record.ApproximateArrivalTimestamp?.getTime(),
      })),
    );
  });
});

describe('local parts', () => {
  it('leave no process and no folder when they are stopped', async () => {
    const request = { influx: true, kinesis: true, s3: true } as const satisfies PartsRequest;
    const parts = await startLocalParts(request, silent);
    const servers = [parts.influx.server, parts.kinesis.server, parts.s3.server];
    const pids = servers.map((s) => s.pid ?? 0);
    expect(pids.every(runs)).toBe(true);
    await parts.stop();
    expect(pids.filter(runs)).toEqual([]);
    expect(existsSync(parts.dir)).toBe(false);
  });

  it('start again on the same port and data after kill -9', async () => {
    const parts = await startLocalParts({ influx: true }, silent);
    try {
      const { server, token, org } = parts.influx;
      const before = server.pid;
      server.kill('SIGKILL');
      await server.ended();
      await expect(fetch(`${parts.influx.url}/health`)).rejects.toThrow();
      await server.start();
      expect(server.pid).not.toBe(before);
      const answer = await fetch(`${parts.influx.url}/api/v2/buckets?org=${org}`, {
        headers: { authorization: `Token ${token}` },
      });
      expect(answer.status).toBe(200);
    } finally {
      await parts.stop();
    }
  });

  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'leave no process and no folder when their starter ends by %s',
    async (signal) => {
      const starter = spawn(
        process.execPath,
        ['--import', 'tsx', new URL('../support/start-parts.ts', import.meta.url).pathname],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const line = await new Promise<string>((resolve) =>
        createInterface({ input: starter.stdout }).once('line', resolve),
      );
      const { pids, dir } = JSON.parse(line) as { pids: number[]; dir: string };
      expect(pids.length).toBe(2);
      expect(pids.every(runs)).toBe(true);
      starter.kill(signal);
      await eventually(() => !pids.some(runs) && !existsSync(dir), { what: 'the servers to end' });
    },
  );

  it('say why when a server cannot start', async () => {
    const before = process.env['INFLUXD'];
    process.env['INFLUXD'] = '/nowhere/influxd';
    try {
      await expect(startLocalParts({ influx: true }, silent)).rejects.toThrow(/INFLUXD names \/nowhere\/influxd/);
      process.env['INFLUXD'] = '/bin/false';
      await expect(startLocalParts({ influx: true, kinesis: true }, silent)).rejects.toThrow(
        /influxd ended before it was ready \(exit code 1\)/,
      );
    } finally {
      if (before === undefined) delete process.env['INFLUXD'];
      else process.env['INFLUXD'] = before;
    }
  });
});
