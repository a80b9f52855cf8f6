import type { TestProject } from 'vitest/node';
import { startLocalParts } from '../../tools/parts/index.ts';

/** What a test is given of the local parts that {@link setup} has started. */
export interface ProvidedParts {
  readonly influx: { readonly url: string; readonly org: string; readonly token: string };
  readonly kinesis: { readonly endpoint: string };
  readonly s3: { readonly endpoint: string; readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly env: Readonly<Record<string, string>>;
  /** Temporary folder, removed after the run. */
  readonly dir: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    parts: ProvidedParts;
  }
}

/** One set of servers for the whole run. Tests keep apart by names of their own: streams, buckets and folders. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const parts = await startLocalParts({ influx: true, kinesis: true, s3: true, dynamodb: true });
  const { influx, kinesis, s3 } = parts;
  project.provide('parts', {
    influx: { url: influx.url, org: influx.org, token: influx.token },
    kinesis: { endpoint: kinesis.endpoint },
    s3: { endpoint: s3.endpoint, accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
    env: parts.env,
    dir: parts.dir,
  });
  return () => parts.stop();
}
