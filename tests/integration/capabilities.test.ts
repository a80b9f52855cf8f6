import { S3Client } from '@aws-sdk/client-s3';
import S3rver from 's3rver';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { archiveCheck } from '../../backend/src/archive/archive-check.ts';
import { streamCheck } from '../../backend/src/kinesis/stream-check.ts';
import type { CheckResult } from '../../backend/src/check.ts';
import { kinesisClient, listKeys as listObjects, s3Client } from '../../tools/stores.ts';
import { userpulse } from '../support/cli.ts';
import { FaultyProxy, type SeenRequest } from '../support/faulty-proxy.ts';
import {
  createBuckets,
  createS3Bucket,
  createStream,
  kinesis,
  listKeys,
  parts,
  temporaryFolder,
} from '../support/parts.ts';
import { PutRecordCommand } from '@aws-sdk/client-kinesis';

/* What ingest will need of a store is tried, not only whether the store can be reached. */

const go = new AbortController().signal;
const archive = (s3: S3Client, bucket: string): Promise<CheckResult> =>
  archiveCheck(
    { kind: 's3', url: new URL(`s3://${bucket}/events`), s3, endpoint: 'http://s3.test', region: 'us-east-1' },
    'try',
  ).run(go);

describe('an S3 server without conditional writes', () => {
  const bucket = 'archive';
  let server: S3rver;
  let env: Record<string, string> = {};
  let endpoint = '';
  beforeAll(async () => {
    server = new S3rver({
      port: 0,
      address: '127.0.0.1',
      silent: true,
      directory: await temporaryFolder('s3rver'),
      configureBuckets: [{ name: bucket }],
    });
    endpoint = `http://127.0.0.1:${(await server.run()).port}`;
    const buckets = await createBuckets('capabilities');
    env = {
      ...buckets.env,
      USERPULSE_STREAM: await createStream(),
      USERPULSE_ARCHIVE: `s3://${bucket}/events`,
      USERPULSE_CHECKPOINT: pathToFileURL(await temporaryFolder('capabilities')).href,
      USERPULSE_LISTEN: '127.0.0.1:0',
      AWS_ENDPOINT_URL_S3: endpoint,
      // The only ones that s3rver takes.
      AWS_ACCESS_KEY_ID: 'S3RVER',
      AWS_SECRET_ACCESS_KEY: 'S3RVER',
    };
  });
  afterAll(() => server.close());

  it.each(['setup', 'doctor', 'ingest', 'start'])('is found by %s, which says what to do', async (command) => {
    const end = await userpulse([command], env);
    expect(end.code).toBe(1);
    const said = `${end.stdout} ${end.stderr}`.replace(/\s+/g, ' ');
    expect(said).toContain('ignores If-None-Match: a second write in one request replaced the object');
    expect(said).toContain('Use a store that has them');
  });
  it('is left without the object of the check', async () => {
    const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
    const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
    expect(await archive(s3, bucket)).toMatchObject({ state: 'error', code: 'archive_unsupported' });
    expect(await listObjects(s3, bucket, '')).toEqual([]);
  });
});

describe('the check of an archive bucket', () => {
  let proxy: FaultyProxy;
  let s3: S3Client;
  beforeAll(async () => {
    proxy = await FaultyProxy.start(parts().s3.endpoint);
    s3 = s3Client({ ...parts().s3, endpoint: proxy.url });
  });
  let undo: () => void = () => undefined;
  afterEach(() => undo());
  afterAll(async () => {
    s3.destroy();
    await proxy.close();
  });
  /** S3's own form of an error. */
  const refuse = (status: number, code: string, message: string, match: (seen: SeenRequest) => boolean): void => {
    const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
    undo = proxy.add({ kind: code, match, action: { kind: 'answer', status, body } });
  };
  const denied = (match: (seen: SeenRequest) => boolean): void =>
    refuse(403, 'AccessDenied', 'User arn:aws:iam::1:user/x is not authorized', match);

  it('passes on a server that has them, and leaves nothing behind', async () => {
    const bucket = await createS3Bucket();
    const result = await archive(s3, bucket);
    expect(result).toMatchObject({ state: 'ok' });
    expect(result.message).toContain('conditional writes, in one request and in parts');
    expect(await listKeys(bucket)).toEqual([]);
  });

  it('finds that conditional writes are not implemented', async () => {
    refuse(
      501,
      'NotImplemented',
      'A header you provided implies functionality that is not implemented.',
      ({ headers }) => headers['if-none-match'] !== undefined,
    );
    const bucket = await createS3Bucket();
    const result = await archive(s3, bucket);
    expect(result).toMatchObject({ state: 'error', code: 'archive_unsupported' });
    expect(result.message).toContain('cannot write conditionally (If-None-Match): it returned NotImplemented');
    expect(await listKeys(bucket)).toEqual([]);
  });

  it.each<readonly [string, string, (seen: SeenRequest) => boolean]>([
    ['writing', 's3:PutObject', ({ method, path }) => method === 'PUT' && !path.includes('partNumber')],
    ['writing parts', 's3:PutObject', ({ method, path }) => method === 'POST' && path.includes('uploads')],
    [
      'giving parts up',
      's3:AbortMultipartUpload',
      ({ method, path }) => method === 'DELETE' && path.includes('uploadId'),
    ],
    ['reading', 's3:GetObject', ({ method, path }) => method === 'GET' && path.includes('_probe')],
  ])('says that the right to %s is missing', async (_, action, match) => {
    denied(match);
    const result = await archive(s3, await createS3Bucket());
    expect(result).toMatchObject({ state: 'error', code: 'archive_unauthorized' });
    expect(result.message).toContain(action);
  });

  it('passes without the right to delete, which ingest does not need, and names what stays', async () => {
    denied(({ method, path }) => method === 'DELETE' && !path.includes('uploadId'));
    const bucket = await createS3Bucket();
    const result = await archive(s3, bucket);
    expect(result).toMatchObject({ state: 'ok' });
    const [left] = await listKeys(bucket);
    expect(left).toMatch(/^events\/_probe\//);
    expect(result.message).toContain(left);
  });

  it('finds that other bytes come back', async () => {
    undo = proxy.add({
      kind: 'altered',
      match: ({ method, path }) => method === 'GET' && path.includes('_probe'),
      action: { kind: 'answer', status: 200, body: 'other bytes' },
    });
    expect(await archive(s3, await createS3Bucket())).toMatchObject({ state: 'error', code: 'archive_unsupported' });
  });

  it('names the region that the bucket is in, by the answer of a real server', async () => {
    const elsewhere = new S3Client({
      endpoint: parts().s3.endpoint,
      region: 'eu-central-1',
      forcePathStyle: true,
      credentials: { accessKeyId: parts().s3.accessKeyId, secretAccessKey: parts().s3.secretAccessKey },
    });
    const result = await archive(elsewhere, await createS3Bucket());
    expect(result).toMatchObject({ state: 'error', code: 'archive_not_found' });
    expect(result.message).toContain('region us-east-1');
    elsewhere.destroy();
  });
});

describe('the check of a stream', () => {
  it.each(['ListShards', 'GetShardIterator', 'GetRecords'])('fails without the right to %s', async (operation) => {
    const proxy = await FaultyProxy.start(parts().kinesis.endpoint);
    const client = kinesisClient(proxy.url);
    try {
      const stream = await createStream();
      await kinesis().send(new PutRecordCommand({ StreamName: stream, PartitionKey: 'a', Data: Buffer.from('{}') }));
      const target = { stream, endpoint: proxy.url, region: 'us-east-1' };
      expect(await streamCheck(client, target, 'try').run(go)).toMatchObject({ state: 'ok' });
      proxy.add({
        kind: operation,
        match: (seen) => seen.operation === operation,
        action: {
          kind: 'answer',
          status: 400,
          headers: { 'content-type': 'application/x-amz-json-1.1' },
          body: JSON.stringify({
            __type: 'AccessDeniedException',
            message: `not authorized to perform kinesis:${operation}`,
          }),
        },
      });
      const result = await streamCheck(client, target, 'try').run(go);
      expect(result).toMatchObject({ state: 'error', code: 'stream_unauthorized' });
      expect(result.message).toContain(operation);
      // What asks every few seconds uses up no quota of the shard.
      expect(await streamCheck(client, target, 'look').run(go)).toMatchObject({ state: 'ok' });
    } finally {
      client.destroy();
      await proxy.close();
    }
  });
});
