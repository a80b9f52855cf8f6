import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateStreamCommand, waitUntilStreamExists, type KinesisClient } from '@aws-sdk/client-kinesis';
import { CreateBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import { inject } from 'vitest';
import type { BucketNames } from '../../backend/src/schema/buckets.ts';
import { childEnvironment } from '../../tools/parts/index.ts';
import * as stores from '../../tools/stores.ts';
import type { ProvidedParts } from './parts.setup.ts';

let used: ProvidedParts | undefined;
/** The local parts of this run, started once by parts.setup.ts; outside of Vitest those given to {@link useParts}. */
export const parts = (): ProvidedParts => used ?? inject('parts');
export const useParts = (started: ProvidedParts): void => void (used = started);

/** Environment for a child process that works on the local parts, and on nothing else that the user's own environment names. */
export const partsEnv = (extra: Readonly<Record<string, string>> = {}): Record<string, string> =>
  childEnvironment(process.env, { ...parts().env, ...extra });

/** The same for code under test inside this worker: AWS's SDK reads the process's own environment. */
export function usePartsEnvironment(extra: Readonly<Record<string, string>> = {}): void {
  const env = partsEnv(extra);
  for (const name of Object.keys(process.env)) if (!(name in env)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, env);
}

/** A name that no other test uses; fit for a stream, an S3 bucket and an InfluxDB bucket. */
export const uniqueName = (prefix: string): string => `${prefix}-${randomBytes(5).toString('hex')}`;

let kinesisMade: KinesisClient | undefined;
let s3Made: S3Client | undefined;
export const kinesis = (): KinesisClient => (kinesisMade ??= stores.kinesisClient(parts().kinesis.endpoint));
export const s3 = (): S3Client => (s3Made ??= stores.s3Client(parts().s3));

/** Makes a stream and waits until it is active. */
export async function createStream(shards = 1, prefix = 'stream'): Promise<string> {
  const name = uniqueName(prefix);
  await kinesis().send(new CreateStreamCommand({ StreamName: name, ShardCount: shards }));
  await waitUntilStreamExists({ client: kinesis(), maxWaitTime: 30, minDelay: 1, maxDelay: 1 }, { StreamName: name });
  return name;
}

export async function createS3Bucket(prefix = 'archive'): Promise<string> {
  const name = uniqueName(prefix);
  await s3().send(new CreateBucketCommand({ Bucket: name }));
  return name;
}

export interface TestBuckets extends BucketNames {
  /** The settings that name these buckets. */
  readonly env: Readonly<Record<string, string>>;
}

/** Makes four InfluxDB buckets, one for each role, under names of this test's own. */
export async function createBuckets(prefix = 'test'): Promise<TestBuckets> {
  const base = uniqueName(prefix);
  const names = { made: `${base}-made`, received: `${base}-received`, share: `${base}-share`, total: `${base}-total` };
  const orgID = await orgId();
  for (const name of Object.values(names)) {
    await influxApi('POST', '/api/v2/buckets', { orgID, name, retentionRules: [] });
  }
  return {
    ...names,
    env: {
      USERPULSE_BUCKET_MADE: names.made,
      USERPULSE_BUCKET_RECEIVED: names.received,
      USERPULSE_BUCKET_SHARE: names.share,
      USERPULSE_BUCKET_TOTAL: names.total,
    },
  };
}

async function orgId(): Promise<string> {
  const { orgs } = (await influxApi('GET', `/api/v2/orgs?org=${parts().influx.org}`)) as { orgs: { id: string }[] };
  const id = orgs[0]?.id;
  if (id === undefined) throw new Error(`influxd does not know the organisation ${parts().influx.org}.`);
  return id;
}

/** A call of InfluxDB's own API with the operator token. @throws Error with its answer where it refuses. */
export async function influxApi(method: string, path: string, body?: unknown): Promise<unknown> {
  const { url, token } = parts().influx;
  const answer = await fetch(new URL(path, url), {
    method,
    headers: { authorization: `Token ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: InfluxDB answered ${answer.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

export const influxRows = (flux: string): ReturnType<typeof stores.queryRows> => stores.queryRows(parts().influx, flux);
export const influxCount = (bucket: string): Promise<number> => stores.countPoints(parts().influx, bucket);
export const influxWrite = (bucket: string, lines: readonly string[]): Promise<void> =>
  stores.writeLines(parts().influx, bucket, lines);

export const listKeys = (bucket: string, prefix = ''): Promise<string[]> => stores.listKeys(s3(), bucket, prefix);
export const readObject = (bucket: string, key: string): Promise<Buffer> => stores.readObject(s3(), bucket, key);
/** All lines of all objects below a prefix, unzipped, in key order. */
export async function archiveLines(bucket: string, prefix = ''): Promise<string[]> {
  const lines: string[] = [];
  for (const key of await listKeys(bucket, prefix)) {
    for (const line of await stores.readArchiveLines(s3(), bucket, key)) lines.push(line);
  }
  return lines;
}

/** A folder of the test's own, removed after the run. */
export const temporaryFolder = (prefix = 'test'): Promise<string> => mkdtemp(join(parts().dir, `${prefix}-`));

/**
 * Waits until the condition gives something other than `false`, `undefined` or `null`, and returns that. A condition that throws has not
 * come true yet; its last error is the cause when time is up.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  options: { readonly timeoutMs?: number; readonly intervalMs?: number; readonly what?: string } = {},
): Promise<NonNullable<T>> {
  const { timeoutMs = 30_000, intervalMs = 100, what = 'the condition' } = options;
  const deadline = Date.now() + timeoutMs;
  let failure: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== false && value != null) return value;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    if (Date.now() >= deadline) {
      throw new Error(`Waited ${timeoutMs} ms in vain for ${what}.`, failure === undefined ? {} : { cause: failure });
    }
    await sleep(intervalMs);
  }
}
