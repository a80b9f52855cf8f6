import { gunzipSync } from 'node:zlib';
import { InfluxDB } from '@influxdata/influxdb-client';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/**
 * A look into the stores themselves, for demo, tests and benches: what is there is found without any of Userpulse's own code, so that a
 * mistake there cannot hide itself.
 */
export interface InfluxAccess {
  readonly url: string;
  readonly org: string;
  readonly token: string;
}

export interface S3Access {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Runs Flux and returns its rows; a row's columns are as InfluxDB's CSV annotates them. */
export async function queryRows(
  influx: InfluxAccess,
  flux: string,
  timeoutMs = 120_000,
): Promise<Readonly<Record<string, unknown>>[]> {
  const api = new InfluxDB({ url: influx.url, token: influx.token, timeout: timeoutMs }).getQueryApi(influx.org);
  return api.collectRows<Record<string, unknown>>(flux);
}

/**
 * Number of points in a bucket, all series and all times together. A point with several fields counts once: of each series the field that
 * occurs most often is in all of its points.
 */
export async function countPoints(influx: InfluxAccess, bucket: string): Promise<number> {
  const rows = await queryRows(
    influx,
    `from(bucket: ${JSON.stringify(bucket)}) |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)
      |> filter(fn: (r) => r._measurement == "interaction")
      |> count() |> group(columns: ["type", "prefix", "part"]) |> max() |> toFloat() |> group() |> sum()`,
  );
  return rows.reduce((sum, row) => sum + Number(row['_value']), 0);
}

/** Writes line protocol with times in nanoseconds. @throws Error with InfluxDB's own words where it refuses. */
export async function writeLines(influx: InfluxAccess, bucket: string, lines: readonly string[]): Promise<void> {
  const url = new URL('/api/v2/write', influx.url);
  url.search = new URLSearchParams({ org: influx.org, bucket, precision: 'ns' }).toString();
  const answer = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Token ${influx.token}`, 'content-type': 'text/plain; charset=utf-8' },
    body: lines.join('\n'),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`InfluxDB answered ${answer.status} to a write into ${bucket}: ${text}`);
}

export function s3Client(s3: S3Access, region = 'us-east-1'): S3Client {
  return new S3Client({
    endpoint: s3.endpoint,
    region,
    credentials: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
    forcePathStyle: true,
  });
}

/** HTTP/1.1, because a local Kinesis server speaks nothing else on its plain port. */
export function kinesisClient(endpoint: string, region = 'us-east-1'): KinesisClient {
  return new KinesisClient({
    endpoint,
    region,
    credentials: { accessKeyId: 'userpulse', secretAccessKey: 'userpulse' },
    requestHandler: new NodeHttpHandler(),
  });
}

/** All keys below a prefix, in their order. */
export async function listKeys(client: S3Client, bucket: string, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
    );
    for (const object of page.Contents ?? []) if (object.Key !== undefined) keys.push(object.Key);
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return keys;
}

export async function readObject(client: S3Client, bucket: string, key: string): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  if (Body === undefined) throw new Error(`s3://${bucket}/${key} came without a body.`);
  return Buffer.from(await Body.transformToByteArray());
}

/** Lines of an archive object, unzipped; a line is whatever ends with a line feed. */
export async function readArchiveLines(client: S3Client, bucket: string, key: string): Promise<string[]> {
  const text = gunzipSync(await readObject(client, bucket, key)).toString('utf8');
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error(`s3://${bucket}/${key} does not end with a line feed.`);
  return lines;
}
