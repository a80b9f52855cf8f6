import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { pathToFileURL } from 'node:url';
import { userpulse } from '../support/cli.ts';
import {
  createBuckets,
  createS3Bucket,
  createStream,
  influxWrite,
  kinesis,
  temporaryFolder,
} from '../support/parts.ts';

const findings = z.object({
  status: z.enum(['ok', 'warning', 'error']),
  checks: z.array(z.object({ name: z.string(), state: z.string(), message: z.string(), hint: z.string() })),
});

const doctor = async (env: Record<string, string>): Promise<z.infer<typeof findings> & { code: number | null }> => {
  const end = await userpulse(['doctor', '--json'], env);
  return { ...findings.parse(JSON.parse(end.stdout)), code: end.code };
};

const installation = async () => {
  const buckets = await createBuckets('doctor');
  const stream = await createStream(2);
  const env: Record<string, string> = {
    ...buckets.env,
    USERPULSE_STREAM: stream,
    USERPULSE_ARCHIVE: `s3://${await createS3Bucket()}/events`,
    USERPULSE_CHECKPOINT: pathToFileURL(await temporaryFolder('doctor')).href,
  };
  return { buckets, stream, env };
};

/** Points of sequential users, under the prefixes of a scheme. */
const sequentialUsers = (prefixOf: (id: string) => string): string[] =>
  Array.from({ length: 2000 }, (_, i) => {
    const id = String(10_000_000 + i * 499);
    const ns = BigInt(Date.now() - 30_000) * 1_000_000n + BigInt(i);
    return `interaction,prefix=${prefixOf(id)},type=like user=${id}i ${ns}`;
  });

describe('userpulse doctor', () => {
  it('finds nothing to mend where there is nothing', async () => {
    const { env } = await installation();
    const { code, status, checks } = await doctor(env);
    expect(checks.map((c) => [c.name, c.state])).toEqual([
      ['influxdb', 'ok'],
      ['buckets', 'ok'],
      ['scheme', 'ok'],
      ['stream', 'ok'],
      ['lag', 'ok'],
      ['archive', 'ok'],
      ['checkpoint', 'ok'],
    ]);
    expect([status, code]).toEqual(['ok', 0]);
  });

  it('warns where the scheme spreads ids badly, and names the better one', async () => {
    const { env, buckets } = await installation();
    await influxWrite(
      buckets.made,
      sequentialUsers((id) => id.slice(0, 4)),
    );
    const { code, status, checks } = await doctor(env);
    const scheme = checks.find((c) => c.name === 'scheme');
    expect(scheme).toMatchObject({ state: 'warning' });
    expect(scheme?.hint).toContain('USERPULSE_USER_PREFIX=last:4');
    expect([status, code]).toEqual(['warning', 0]);
  });

  it('notices data that was written under another scheme', async () => {
    const { env, buckets } = await installation();
    await influxWrite(
      buckets.received,
      sequentialUsers((id) => id.slice(-4)),
    );
    const { code, checks } = await doctor(env);
    const scheme = checks.find((c) => c.name === 'scheme');
    expect(scheme).toMatchObject({ state: 'error' });
    expect(scheme?.message).toContain(buckets.received);
    expect(scheme?.hint).toContain('USERPULSE_USER_PREFIX=last:4');
    expect(code).toBe(1);
  });

  it('shows what no ingest has read yet', async () => {
    const { env, stream } = await installation();
    await kinesis().send(
      new PutRecordsCommand({ StreamName: stream, Records: [{ PartitionKey: 'a', Data: Buffer.from('{}') }] }),
    );
    const lag = (await doctor(env)).checks.find((c) => c.name === 'lag');
    expect(lag?.message).toContain('nothing durable yet');
  });

  it('shows each failure with its way out, and exits 1', async () => {
    const { env } = await installation();
    const end = await userpulse(['doctor'], {
      ...env,
      INFLUX_TOKEN: 'wrong',
      AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1',
      USERPULSE_STREAM: 'no_such_stream',
    });
    expect(end.code).toBe(1);
    expect(end.stdout).toMatch(/^influxdb +ERROR .*$/m);
    expect(end.stdout).toMatch(/^archive +ERROR .*$/m);
    expect(end.stdout).toMatch(/^checkpoint +ok .*$/m);
    expect(end.stdout).toContain('→ Start the S3 server');
    expect(end.stderr).toMatch(/^userpulse: \d of 7 checks failed: influxdb, buckets, stream, lag, archive\.$/m);
  });
});
