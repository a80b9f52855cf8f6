import { DescribeStreamSummaryCommand } from '@aws-sdk/client-kinesis';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { userpulse } from '../support/cli.ts';
import { influxApi, kinesis, parts, s3, temporaryFolder, uniqueName } from '../support/parts.ts';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

const report = z.object({
  buckets: z.array(
    z.object({
      role: z.string(),
      name: z.string(),
      id: z.string(),
      created: z.boolean(),
      retentionSeconds: z.number(),
    }),
  ),
  tokens: z.array(z.object({ use: z.string(), id: z.string(), token: z.string().optional() })),
  replacedTokens: z.array(z.object({ use: z.string(), id: z.string() })),
  stream: z.object({ name: z.string(), created: z.boolean() }),
  archive: z.object({ url: z.string(), created: z.boolean() }),
  checks: z.array(z.object({ name: z.string(), state: z.string() })),
});

/** Settings of an installation that does not exist yet. */
const installation = (archive = `s3://${uniqueName('archive')}/events`): Record<string, string> => {
  const name = uniqueName('setup');
  return {
    USERPULSE_STREAM: name,
    USERPULSE_ARCHIVE: archive,
    USERPULSE_BUCKET_MADE: `${name}-made`,
    USERPULSE_BUCKET_RECEIVED: `${name}-received`,
    USERPULSE_BUCKET_SHARE: `${name}-share`,
    USERPULSE_BUCKET_TOTAL: `${name}-total`,
  };
};

const setup = async (args: readonly string[], env: Record<string, string>): Promise<z.infer<typeof report>> => {
  const end = await userpulse(['setup', '--json', ...args], env);
  expect(end.stderr).toBe('');
  expect(end.code).toBe(0);
  return report.parse(JSON.parse(end.stdout));
};

const tokenOf = (made: z.infer<typeof report>, use: string): string =>
  made.tokens.find((t) => t.use === use)?.token ?? '';

/** What InfluxDB answers to a token that writes to a bucket, and that reads from it. */
const allowed = async (token: string, bucket: string): Promise<{ write: boolean; read: boolean }> => {
  const { url, org } = parts().influx;
  const headers = { authorization: `Token ${token}` };
  const write = await fetch(`${url}/api/v2/write?org=${org}&bucket=${bucket}&precision=ns`, {
    method: 'POST',
    headers,
    body: 'interaction,type=like n=1i 1769817600000000000',
  });
  const read = await fetch(`${url}/api/v2/query?org=${org}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/vnd.flux' },
    body: `from(bucket: "${bucket}") |> range(start: -1m)`,
  });
  return { write: write.status === 204, read: read.status === 200 };
};

describe('userpulse setup', () => {
  it('makes everything with --create, and nothing when run again', async () => {
    const env: Record<string, string> = { ...installation(), USERPULSE_RETENTION: '90d' };
    const first = await setup(['--create', '--shards', '3'], env);
    expect(first.buckets.map((b) => [b.role, b.name, b.created, b.retentionSeconds])).toEqual([
      ['made', env['USERPULSE_BUCKET_MADE'], true, 7_776_000],
      ['received', env['USERPULSE_BUCKET_RECEIVED'], true, 7_776_000],
      ['share', env['USERPULSE_BUCKET_SHARE'], true, 7_776_000],
      ['total', env['USERPULSE_BUCKET_TOTAL'], true, 7_776_000],
    ]);
    expect(first.stream.created).toBe(true);
    expect(first.archive.created).toBe(true);
    expect(first.checks.map((c) => c.state)).toEqual(['ok', 'ok']);
    const { StreamDescriptionSummary } = await kinesis().send(
      new DescribeStreamSummaryCommand({ StreamName: env['USERPULSE_STREAM'] }),
    );
    expect(StreamDescriptionSummary).toMatchObject({ StreamStatus: 'ACTIVE', OpenShardCount: 3 });
    await s3().send(new HeadBucketCommand({ Bucket: new URL(env['USERPULSE_ARCHIVE'] ?? '').hostname }));

    const second = await setup(['--create', '--shards', '3'], env);
    expect(second.buckets.map((b) => [b.id, b.created])).toEqual(first.buckets.map((b) => [b.id, false]));
    expect([second.stream.created, second.archive.created]).toEqual([false, false]);
    expect(second.tokens.map((t) => [t.id, t.token])).toEqual(first.tokens.map((t) => [t.id, undefined]));
  });

  it('makes tokens that may do what their command does, and nothing else', async () => {
    const env = installation();
    const made = await setup(['--create'], env);
    const bucket = env['USERPULSE_BUCKET_MADE'] ?? '';
    expect(await allowed(tokenOf(made, 'ingest'), bucket)).toEqual({ write: true, read: false });
    expect(await allowed(tokenOf(made, 'serve'), bucket)).toEqual({ write: false, read: true });
    expect(await allowed(tokenOf(made, 'start'), bucket)).toEqual({ write: true, read: true });
    const foreign = await setup(['--create'], installation());
    expect(await allowed(tokenOf(foreign, 'start'), bucket)).toEqual({ write: false, read: false });
  });

  it('makes new tokens with --tokens and says which old ones can go', async () => {
    const env = installation();
    const first = await setup(['--create'], env);
    const second = await setup(['--tokens'], env);
    expect(second.replacedTokens.map((t) => t.id)).toEqual(first.tokens.map((t) => t.id));
    expect(tokenOf(second, 'ingest')).not.toBe(tokenOf(first, 'ingest'));
    // The old one works until it is deleted: a running ingest keeps its right.
    const bucket = env['USERPULSE_BUCKET_MADE'] ?? '';
    expect(await allowed(tokenOf(first, 'ingest'), bucket)).toMatchObject({ write: true });
  });

  it('makes tokens anew for buckets that were deleted and made again', async () => {
    const env = installation();
    const first = await setup(['--create'], env);
    await influxApi('DELETE', `/api/v2/buckets/${first.buckets[0]?.id ?? ''}`);
    const second = await setup([], env);
    expect(second.buckets.map((b) => b.created)).toEqual([true, false, false, false]);
    expect(await allowed(tokenOf(second, 'serve'), env['USERPULSE_BUCKET_MADE'] ?? '')).toMatchObject({ read: true });
  });

  it('makes an archive folder', async () => {
    const folder = `${await temporaryFolder('setup')}/archive/events`;
    await setup(['--create'], installation(pathToFileURL(folder).href));
    expect((await stat(folder)).isDirectory()).toBe(true);
  });

  it('prints each token once, and leaves the retention of a bucket as it is', async () => {
    const env = installation();
    const first = await userpulse(['setup', '--create'], { ...env, USERPULSE_RETENTION: '30d' });
    expect(first.code).toBe(0);
    expect(first.stdout).toContain('retention 30 d');
    expect(first.stdout).toMatch(/userpulse ingest +\S{40,}/);
    const second = await userpulse(['setup'], { ...env, USERPULSE_RETENTION: '60d' });
    expect(second.code).toBe(0);
    expect(second.stdout).toContain('retention 30 d');
    expect(second.stdout).toContain('setup does not change existing buckets');
    expect(second.stdout).not.toMatch(/\S{60,}==/);
  });

  it('without --create says that stream and archive are missing, after making the buckets', async () => {
    const env = installation();
    const end = await userpulse(['setup'], env);
    expect(end.code).toBe(1);
    expect(end.stdout).toContain(`created  ${env['USERPULSE_BUCKET_TOTAL'] ?? ''}`);
    expect(end.stderr).toContain('(USERPULSE_STREAM) does not exist');
    expect(end.stderr).toContain('(USERPULSE_ARCHIVE) does not exist');
    expect(end.stderr).toContain('setup --create');
  });

  it('says that it needs an operator token when it gets a narrower one', async () => {
    const env = installation();
    const made = await setup(['--create'], env);
    const end = await userpulse(['setup'], { ...env, INFLUX_TOKEN: tokenOf(made, 'start') });
    expect(end.code).toBe(1);
    expect(end.stderr).toContain('operator token');
    expect(end.stderr).not.toContain(tokenOf(made, 'start'));
  });
});
