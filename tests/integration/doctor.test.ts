import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { userpulse } from '../support/cli.ts';
import {
  createBuckets,
  createS3Bucket,
  createStream,
  influxWrite,
  kinesis,
  parts,
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
      ['hours', 'ok'],
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
    expect(end.stderr).toMatch(/^userpulse: \d of 8 checks failed: influxdb, buckets, stream, lag, archive\.$/m);
  });

  it('goes where the AWS configuration file says, and shows it', async () => {
    const { env } = await installation();
    const file = join(await temporaryFolder('aws'), 'config');
    const config = (s3: string): string =>
      `[default]\nregion = us-east-1\nservices = local\n[services local]\nkinesis =\n  endpoint_url = ${parts().kinesis.endpoint}\ns3 =\n  endpoint_url = ${s3}\n`;
    const places = {
      AWS_CONFIG_FILE: file,
      AWS_REGION: '',
      AWS_ENDPOINT_URL_KINESIS: '',
      AWS_ENDPOINT_URL_S3: '',
    };
    await writeFile(file, config(parts().s3.endpoint));
    expect(await doctor({ ...env, ...places })).toMatchObject({ status: 'ok', code: 0 });
    await writeFile(file, config('http://127.0.0.1:1'));
    const archive = (await doctor({ ...env, ...places })).checks.find((c) => c.name === 'archive');
    expect(archive?.message).toContain('S3 at http://127.0.0.1:1');
  });

  it('finds an archive in another region than the stream with USERPULSE_ARCHIVE_REGION, and says so without', async () => {
    const { env } = await installation();
    const archive = async (extra: Record<string, string>) =>
      (await doctor({ ...env, AWS_REGION: 'eu-central-1', ...extra })).checks.find((c) => c.name === 'archive');
    const wrong = await archive({});
    expect(wrong).toMatchObject({ state: 'error' });
    expect(wrong?.hint).toContain('Set USERPULSE_ARCHIVE_REGION=us-east-1');
    expect(await archive({ USERPULSE_ARCHIVE_REGION: 'us-east-1' })).toMatchObject({ state: 'ok' });
  });
});
