import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDynalite, type DynamoDB } from './dynalite.ts';
import { startInfluxd, type Influx } from './influxd.ts';
import { findInfluxd } from './influxd-build.ts';
import { startKinesis, type Kinesis } from './kinesis.ts';
import { createProgress, type Progress } from '../progress.ts';
import { findVersitygw, startVersitygw, type S3 } from './versitygw.ts';

export type { DynamoDB, Influx, Kinesis, S3 };

export const LOCAL_REGION = 'us-east-1';

export interface PartsRequest {
  readonly influx?: boolean;
  readonly kinesis?: boolean;
  readonly s3?: boolean;
  readonly dynamodb?: boolean;
}

export interface LocalParts<R extends PartsRequest = PartsRequest> {
  readonly influx: R['influx'] extends true ? Influx : Influx | undefined;
  readonly kinesis: R['kinesis'] extends true ? Kinesis : Kinesis | undefined;
  readonly s3: R['s3'] extends true ? S3 : S3 | undefined;
  readonly dynamodb: R['dynamodb'] extends true ? DynamoDB : DynamoDB | undefined;
  /** The parts that run, as the variables that userpulse and the AWS SDK read. */
  readonly env: Readonly<Record<string, string>>;
  /** Temporary folder of these parts; callers may put their own files there. Removed at the end. */
  readonly dir: string;
  /** Stops every part, waits for its end, and removes {@link LocalParts.dir}. May be called more than once. */
  stop(): Promise<void>;
}

/**
 * Starts real servers on free loopback ports with their data in one temporary folder, each healthy before this returns. Nothing is left
 * running or lying about after `stop()`, nor when this process ends in any other way.
 */
export async function startLocalParts<const R extends PartsRequest>(
  request: R,
  log: Progress = createProgress(process.stderr),
): Promise<LocalParts<R>> {
  // Programs first, one after the other: a build wants the whole machine.
  const influxd = request.influx === true ? await findInfluxd(log) : undefined;
  const versitygw = request.s3 === true ? await findVersitygw(log) : undefined;

  const dir = await mkdtemp(join(await realpath(tmpdir()), 'userpulse-'));
  const absent = Promise.resolve(undefined);
  const [influx, kinesis, s3, dynamodb] = await Promise.allSettled([
    influxd === undefined ? absent : startInfluxd(influxd, dir),
    request.kinesis === true ? startKinesis(dir, LOCAL_REGION) : absent,
    versitygw === undefined ? absent : startVersitygw(versitygw, dir, LOCAL_REGION),
    request.dynamodb === true ? startDynalite(dir) : absent,
  ]);
  const stop = async (): Promise<void> => {
    await Promise.all(
      [influx, kinesis, s3, dynamodb].map(async (p) => {
        if (p.status === 'fulfilled') await p.value?.server.stop();
      }),
    );
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  };
  if (
    influx.status === 'rejected' ||
    kinesis.status === 'rejected' ||
    s3.status === 'rejected' ||
    dynamodb.status === 'rejected'
  ) {
    await stop();
    const reasons = [influx, kinesis, s3, dynamodb].flatMap((p) =>
      p.status === 'rejected' ? [p.reason as unknown] : [],
    );
    throw reasons.length === 1 ? reasons[0] : new AggregateError(reasons, 'Several local servers did not start.');
  }
  const parts = { influx: influx.value, kinesis: kinesis.value, s3: s3.value, dynamodb: dynamodb.value };
  // What was asked for has been started: the request's type says which parts are there.
  return { ...parts, env: variables(parts), dir, stop } as LocalParts<R>;
}

function variables(parts: {
  influx: Influx | undefined;
  kinesis: Kinesis | undefined;
  s3: S3 | undefined;
  dynamodb: DynamoDB | undefined;
}) {
  const env: Record<string, string> = {
    AWS_REGION: LOCAL_REGION,
    AWS_ACCESS_KEY_ID: parts.s3?.accessKeyId ?? 'userpulse',
    AWS_SECRET_ACCESS_KEY: parts.s3?.secretAccessKey ?? 'userpulse',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  if (parts.kinesis !== undefined) env['AWS_ENDPOINT_URL_KINESIS'] = parts.kinesis.endpoint;
  if (parts.s3 !== undefined) env['AWS_ENDPOINT_URL_S3'] = parts.s3.endpoint;
  if (parts.dynamodb !== undefined) env['AWS_ENDPOINT_URL_DYNAMODB'] = parts.dynamodb.endpoint;
  if (parts.influx !== undefined) {
    env['INFLUX_HOST'] = parts.influx.url;
    env['INFLUX_ORG'] = parts.influx.org;
    env['INFLUX_TOKEN'] = parts.influx.token;
  }
  return env;
}

/** `base` without any setting that would lead a child to other servers or credentials, and with `env` instead. */
export function childEnvironment(
  base: Readonly<Record<string, string | undefined>>,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(base)) {
    if (value !== undefined && !/^(AWS|INFLUX|INFLUXD|USERPULSE)_/.test(name)) out[name] = value;
  }
  return { ...out, ...env };
}
