import { randomBytes } from 'node:crypto';
import { CopyObjectCommand, ListMultipartUploadsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../backend/src/clock.ts';
import type { ArchiveObject } from '../../backend/src/archive/archive-writer.ts';
import { S3ArchiveWriter } from '../../backend/src/archive/s3-writer.ts';
import { CODECS } from '../../backend/src/archive/codecs.ts';
import { s3Client } from '../../tools/stores.ts';
import { FaultyProxy } from '../support/faulty-proxy.ts';
import { createS3Bucket, listKeys, parts, readObject, s3 } from '../support/parts.ts';

const go = new AbortController().signal;
const archive = (bucket: string) =>
  new S3ArchiveWriter({
    client: s3(),
    codec: 'gzip',
    url: new URL(`s3://${bucket}/some/prefix/`),
    clock: systemClock,
    logger: pino({ level: 'silent' }),
    onRetry: () => undefined,
  });
const KEY = '2012/07/01/shardId-000000000000-1-2.ndjson.gz';
async function object(...lines: string[]): Promise<ArchiveObject> {
  const gzip = CODECS.gzip.encoder();
  for (const line of lines) gzip.append(Buffer.from(line));
  const { chunks, bytes, contentSha256 } = await gzip.finish();
  return { key: KEY, codec: 'gzip', chunks, bytes, contentSha256 };
}
/** More than one part: bytes that do not compress. */
const large = (seed: string) =>
  object(...Array.from({ length: 24 }, () => seed + randomBytes(1024 * 1024).toString('base64')));

describe('S3ArchiveWriter', () => {
  it.each([
    ['a small object in one request', () => object('a', 'b')],
    ['a large object in parts', () => large('a')],
  ])('writes %s, and takes a second write of it for done', async (_, make) => {
    const bucket = await createS3Bucket();
    const one = await make();
    await archive(bucket).put(one, go);
    await archive(bucket).put(one, go);
    expect(await listKeys(bucket)).toEqual([`some/prefix/${KEY}`]);
    expect((await readObject(bucket, `some/prefix/${KEY}`)).equals(Buffer.concat(one.chunks))).toBe(true);
  });

  it.each([
    ['small', () => object('b')],
    ['large', () => large('b')],
  ])('never replaces other content by a %s object, and leaves no parts behind', async (_, make) => {
    const bucket = await createS3Bucket();
    const first = await object('a');
    await archive(bucket).put(first, go);
    await expect(archive(bucket).put(await make(), go)).rejects.toMatchObject({ code: 'archive_conflict' });
    expect((await readObject(bucket, `some/prefix/${KEY}`)).equals(Buffer.concat(first.chunks))).toBe(true);
    const { Uploads } = await s3().send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    expect(Uploads ?? []).toEqual([]);
  });

  it('lists what begins with a prefix, however many there are', async () => {
    const bucket = await createS3Bucket();
    const one = await object('a');
    const keys = Array.from({ length: 1_100 }, (_, n) => `2012/07/01/shardId-000000000007-${n}-${n}.ndjson.gz`);
    for (let at = 0; at < keys.length; at += 50)
      await Promise.all(keys.slice(at, at + 50).map((key) => archive(bucket).put({ ...one, key }, go)));
    await archive(bucket).put({ ...one, key: '2012/07/01/shardId-000000000008-1-2.ndjson.gz' }, go);
    expect([...(await archive(bucket).keysBelow('2012/07/01/shardId-000000000007-', go))].sort()).toEqual(keys.sort());
    expect(await archive(bucket).keysBelow('2012/07/02/', go)).toEqual([]);
  });

  it('compares the content itself where the object does not say what it holds', async () => {
    const bucket = await createS3Bucket();
    const Key = `some/prefix/${KEY}`;
    await archive(bucket).put(await object('a'), go);
    // A copy made by someone else's tool, without our metadata.
    await s3().send(
      new CopyObjectCommand({ Bucket: bucket, Key, CopySource: `${bucket}/${Key}`, MetadataDirective: 'REPLACE' }),
    );
    await archive(bucket).put(await object('a'), go);
    await expect(archive(bucket).put(await object('b'), go)).rejects.toMatchObject({ code: 'archive_conflict' });
  });

  it('writes again what S3 has acknowledged and not stored', async () => {
    const bucket = await createS3Bucket();
    const proxy = await FaultyProxy.start(parts().s3.endpoint);
    const reasons: string[] = [];
    const one = await object('a', 'b');
    proxy.add({
      kind: '200 and not stored',
      match: ({ method }) => method === 'PUT',
      action: { kind: 'answer', status: 200, body: '' },
      times: 2,
    });
    const writer = new S3ArchiveWriter({
      client: s3Client({ ...parts().s3, endpoint: proxy.url }),
      codec: 'gzip',
      url: new URL(`s3://${bucket}/some/prefix/`),
      clock: systemClock,
      logger: pino({ level: 'silent' }),
      onRetry: (reason) => reasons.push(reason),
    });
    await writer.put(one, go);
    expect(reasons).toEqual(['not_stored', 'not_stored']);
    expect((await readObject(bucket, `some/prefix/${KEY}`)).equals(Buffer.concat(one.chunks))).toBe(true);
    await proxy.close();
  });

  it('gives up where the store does not know conditional writes: asking again teaches it nothing', async () => {
    const bucket = await createS3Bucket();
    const proxy = await FaultyProxy.start(parts().s3.endpoint);
    proxy.add({
      kind: '501',
      match: ({ headers }) => headers['if-none-match'] !== undefined,
      action: { kind: 'answer', status: 501, body: '<Error><Code>NotImplemented</Code></Error>' },
    });
    const writer = new S3ArchiveWriter({
      client: s3Client({ ...parts().s3, endpoint: proxy.url }),
      codec: 'gzip',
      url: new URL(`s3://${bucket}/some/prefix/`),
      clock: systemClock,
      logger: pino({ level: 'silent' }),
      onRetry: () => undefined,
    });
    await expect(writer.put(await object('a'), go)).rejects.toMatchObject({ code: 'archive_unsupported' });
    await proxy.close();
  });

  it.each([
    ['other lines', async () => Buffer.concat((await object('b')).chunks)],
    ['half of the bytes', async () => Buffer.concat((await object('a')).chunks).subarray(0, 12)],
  ])('does not believe metadata where the store holds %s', async (_, bytes) => {
    const bucket = await createS3Bucket();
    const one = await object('a');
    await s3().send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: `some/prefix/${KEY}`,
        Body: await bytes(),
        Metadata: { 'content-sha256': one.contentSha256 },
      }),
    );
    await expect(archive(bucket).put(one, go)).rejects.toMatchObject({ code: 'archive_conflict' });
  });
});
