import type { IdKind } from './ids.ts';

/** One bucket of InfluxDB: what it holds and what it is called. */
export interface RoleRow {
  /** Whose ids its points carry; undefined where a point is about nobody in particular. */
  readonly ids: IdKind | undefined;
  /** The field that is counted: the full id; of `total` the one that every point has. */
  readonly field: string;
  /**
   * The field of the `total` bucket that repeats this role's id, so that a ranking can stream ids from few series. Without one, ids of the role
   * cannot be ranked.
   */
  readonly totalField: string | undefined;
  /** The environment variable that names the bucket. */
  readonly setting: string;
  /** The bucket's name unless configured otherwise. */
  readonly bucket: string;
  /** What it holds: "Bucket of …". */
  readonly content: string;
}

/**
 * Every bucket. Settings, set-up, checks, metric labels, checkpoints and presets follow from this table; what a point of a role looks like is
 * decided in backend/src/schema/points.ts.
 */
export const ROLES = {
  made: {
    ids: 'user',
    field: 'user',
    totalField: 'made',
    setting: 'USERPULSE_BUCKET_MADE',
    bucket: 'interactions_made',
    content: 'what users make',
  },
  received: {
    ids: 'user',
    field: 'user',
    totalField: 'received',
    setting: 'USERPULSE_BUCKET_RECEIVED',
    bucket: 'interactions_received',
    content: 'what users receive',
  },
  share: {
    ids: 'share',
    field: 'share',
    totalField: 'share',
    setting: 'USERPULSE_BUCKET_SHARE',
    bucket: 'interactions_share',
    content: 'what shares receive',
  },
  total: {
    ids: undefined,
    field: 'made',
    totalField: undefined,
    setting: 'USERPULSE_BUCKET_TOTAL',
    bucket: 'interactions_total',
    content: "everyone's interactions, not tagged by ID",
  },
} as const satisfies Record<string, RoleRow>;

export type BucketRole = keyof typeof ROLES;
export const BUCKET_ROLES = Object.keys(ROLES) as readonly BucketRole[];

/** Roles whose points are about an id. */
export type IdRole = { [R in BucketRole]: (typeof ROLES)[R]['ids'] extends IdKind ? R : never }[BucketRole];
export const ID_ROLES = BUCKET_ROLES.filter((role): role is IdRole => ROLES[role].ids !== undefined);

/** Roles whose ids can be ranked. */
export type RankedRole = { [R in BucketRole]: (typeof ROLES)[R]['totalField'] extends string ? R : never }[BucketRole];
export const RANKED_ROLES = BUCKET_ROLES.filter((role): role is RankedRole => ROLES[role].totalField !== undefined);

/** A value for every role. */
export const byRole = <T>(valueOf: (role: BucketRole) => T): Record<BucketRole, T> =>
  Object.fromEntries(BUCKET_ROLES.map((role) => [role, valueOf(role)])) as Record<BucketRole, T>;

/** The settings that name the buckets, for help texts: `USERPULSE_BUCKET_MADE, _RECEIVED, …`. */
export const BUCKET_SETTINGS_TEXT = BUCKET_ROLES.map((role, i) =>
  i === 0 ? ROLES[role].setting : ROLES[role].setting.replace(/^.*(?=_)/, ''),
).join(', ');
