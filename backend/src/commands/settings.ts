import { BUCKET_ROLES } from '../../../contract/roles.ts';
import { bucketSetting, type BucketSetting, type SettingName } from '../config.ts';

/* Settings that commands use together, in the order in which their problems are reported. */

export const INFLUX_SETTINGS = ['influxHost', 'influxOrg', 'influxToken'] as const satisfies readonly SettingName[];

export const BUCKET_SETTINGS: readonly BucketSetting[] = BUCKET_ROLES.map(bucketSetting);

/** What idFormatsOf reads. */
export const ID_SETTINGS = ['userIdFormat', 'shareIdFormat'] as const satisfies readonly SettingName[];

/** What schemaOf reads. */
export const SCHEMA_SETTINGS = [
  ...BUCKET_SETTINGS,
  ...ID_SETTINGS,
  'userPrefix',
  'sharePrefix',
] as const satisfies readonly SettingName[];
