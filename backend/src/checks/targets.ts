import { createS3Client } from '../archive/s3.ts';
import type { AwsPlaces } from '../aws/places.ts';
import type { IdFormats } from '../../../contract/ids.ts';
import { byRole } from '../../../contract/roles.ts';
import { bucketSetting, type BucketSetting, type Config } from '../config.ts';
import type { BucketNames, Schema } from '../schema/buckets.ts';
import type { ArchiveTarget } from '../archive/archive-check.ts';
import type { InfluxTarget } from '../influx/api.ts';
import type { StreamTarget } from '../kinesis/stream-check.ts';

/* Where each dependency is, from the configuration: in one place, so that every command names the same things. */

export const influxTarget = (config: Config<'influxHost' | 'influxOrg' | 'influxToken'>): InfluxTarget => ({
  host: config.influxHost,
  org: config.influxOrg,
  token: config.influxToken,
});

export const bucketNames = (config: Config<BucketSetting>): BucketNames =>
  byRole((role) => config[bucketSetting(role)]);

export const idFormatsOf = (config: Config<'userIdFormat' | 'shareIdFormat'>): IdFormats => ({
  user: config.userIdFormat,
  share: config.shareIdFormat,
});

export const schemaOf = (
  config: Config<BucketSetting | 'userIdFormat' | 'shareIdFormat' | 'userPrefix' | 'sharePrefix'>,
): Schema => ({
  ids: idFormatsOf(config),
  buckets: bucketNames(config),
  userPrefix: config.userPrefix,
  sharePrefix: config.sharePrefix,
});

export const streamTarget = (
  config: Config<'stream'> & Partial<Config<'read' | 'consumer'>>,
  aws: AwsPlaces,
): StreamTarget => ({
  stream: config.stream,
  endpoint: aws.endpoints.kinesis,
  region: aws.region,
  consumer: config.read === 'fanout' ? config.consumer : undefined,
});

/** The archive's bucket may lie in another region than the stream. A folder needs no AWS settings. */
export function archiveTarget(
  config: Config<'archive' | 'archiveRegion'>,
  aws: AwsPlaces,
  options: { readonly maxAttempts?: number } = {},
): ArchiveTarget {
  if (config.archive.protocol !== 's3:') return { kind: 'file', url: config.archive };
  const endpoint = aws.endpoints.s3;
  const region = config.archiveRegion;
  return {
    kind: 's3',
    url: config.archive,
    s3: createS3Client({ ...options, customEndpoint: endpoint !== undefined, region }),
    endpoint,
    region: region ?? aws.region,
  };
}
