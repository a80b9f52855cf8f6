/** The three questions. Each has a bucket of its own; its id is the only thing that identifies whom a point is about. */
export const ID_PRESETS = ['made', 'received', 'share'] as const;
export type IdPreset = (typeof ID_PRESETS)[number];
/**
 * A bucket's role. `total` holds every event once, tagged by type only, so that questions about everyone (how many, and who most) read a
 * handful of series instead of one per prefix.
 */
export const BUCKET_ROLES = [...ID_PRESETS, 'total'] as const;
export type BucketRole = (typeof BUCKET_ROLES)[number];

/** Bucket name of each role. */
export type BucketNames = Readonly<Record<BucketRole, string>>;

export const MEASUREMENT = 'interaction';
export const TYPE_TAG = 'type';
export const PREFIX_TAG = 'prefix';
/** The field that is counted: the one field of each role's points, the full id; of `total` the one that every point has. */
export const FIELD: Readonly<Record<BucketRole, string>> = {
  made: 'user',
  received: 'user',
  share: 'share',
  total: 'made',
};

/** Fields of `total`: the event's ids, so that `top` can stream them from few series. The last two are there where the event has the id. */
export const TOTAL_FIELD: Readonly<Record<IdPreset, string>> = {
  made: FIELD.total,
  received: 'received',
  share: 'share',
};

/** Which characters of an id are its prefix. An id shorter than `length` is its own prefix, unpadded. */
export interface PrefixScheme {
  readonly side: 'first' | 'last';
  readonly length: number;
}

/** Everything that writer and reader must agree on. */
export interface Schema {
  readonly buckets: BucketNames;
  readonly userPrefix: PrefixScheme;
  readonly sharePrefix: PrefixScheme;
}

export const prefixSchemeText = (scheme: PrefixScheme): string => `${scheme.side}:${scheme.length}`;

export function prefixOf(id: string, scheme: PrefixScheme): string {
  return scheme.side === 'first' ? id.slice(0, scheme.length) : id.slice(-scheme.length);
}

/** The scheme that a role's ids are tagged by; `total` has none. */
export function schemeOf(role: IdPreset, schema: Schema): PrefixScheme {
  return role === 'share' ? schema.sharePrefix : schema.userPrefix;
}
