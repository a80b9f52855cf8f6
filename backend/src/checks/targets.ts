import type { S3Client } from '@aws-sdk/client-s3';
import { byRole } from '../../../contract/roles.ts';
import { bucketSetting, type BucketSetting, type Config, type Environment } from '../config.ts';
import type { BucketNames, Schema } from '../schema/buckets.ts';
import type { ArchiveTarget } from '../archive/archive-check.ts';
import type { InfluxTarget } from '../influx/api.ts';
import { shownUrl } from '../secrets.ts';
import type { StreamTarget } from '../kinesis/stream-check.ts';

/* Where each dependency is, from the configuration: in one place, so that every command names the same things. */

export const influxTarget = (config: Config<'influxHost' | 'influxOrg' | 'influxToken'>): InfluxTarget => ({
  host: config.influxHost,
  org: config.influxOrg,
  token: config.influxToken,
});

export const bucketNames = (config: Config<BucketSetting>): BucketNames =>
  byRole((role) => config[bucketSetting(role)]);

export const schemaOf = (config: Config<BucketSetting | 'userPrefix' | 'sharePrefix'>): Schema => ({
  buckets: bucketNames(config),
  userPrefix: config.userPrefix,
  sharePrefix: config.sharePrefix,
});

const set = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/**
 * The endpoint that the AWS SDK uses for a service, by its own rule: the service's variable, then the common one. For messages, so without
 * the parts that may hold credentials.
 */
export function awsEndpoint(env: Environment, service: 'KINESIS' | 'S3'): string | undefined {
  const endpoint = set(env[`AWS_ENDPOINT_URL_${service}`]) ?? set(env['AWS_ENDPOINT_URL']);
  return endpoint === undefined ? undefined : shownUrl(endpoint);
}

const awsRegion = (env: Environment): string | undefined => set(env['AWS_REGION']);

export const streamTarget = (config: Config<'stream'>, env: Environment): StreamTarget => ({
  stream: config.stream,
  endpoint: awsEndpoint(env, 'KINESIS'),
  region: awsRegion(env),
});

/** `createS3` is called only for an S3 archive, so that a folder needs no AWS settings. */
export function archiveTarget(config: Config<'archive'>, env: Environment, createS3: () => S3Client): ArchiveTarget {
  return config.archive.protocol === 's3:'
    ? {
        kind: 's3',
        url: config.archive,
        s3: createS3(),
        endpoint: awsEndpoint(env, 'S3'),
        region: awsRegion(env),
      }
    : { kind: 'file', url: config.archive };
}
