import type { IdKind } from '../../../contract/ids.ts';
import { byRole, RANKED_ROLES, ROLES, type BucketRole, type IdRole, type RankedRole } from '../../../contract/roles.ts';
import type { PrefixScheme } from '../../../contract/prefix.ts';
import { ERASED } from '../event/event.ts';

/** Everything that writer and reader of InfluxDB must agree on. The buckets and their fields are those of contract/roles.ts. */
export { prefixOf, prefixSchemeText, type PrefixScheme } from '../../../contract/prefix.ts';
export { BUCKET_ROLES, type BucketRole } from '../../../contract/roles.ts';

/** Bucket name of each role. */
export type BucketNames = Readonly<Record<BucketRole, string>>;

export const MEASUREMENT = 'interaction';
export const TYPE_TAG = 'type';
export const PREFIX_TAG = 'prefix';
/** Tag of split totals; see {@link Schema.totalsSplitFromMs}. */
export const PART_TAG = 'part';

/** The field of each role's points that is counted. */
export const FIELD: Readonly<Record<BucketRole, string>> = byRole((role) => ROLES[role].field);

/** Fields of `total`: the event's ids, or {@link NO_ID}, so that `top` can stream them from few series. */
export const TOTAL_FIELD = Object.fromEntries(RANKED_ROLES.map((role) => [role, ROLES[role].totalField])) as Readonly<
  Record<RankedRole, string>
>;

/**
 * What a field of `total` holds where the event has no such id: no id can be this. Not an empty text: influxd 2.7.12 answers the first empty text
 * of a result with the value of the row behind it.
 */
export const NO_ID: Readonly<Record<IdKind, string>> = ERASED;

/** Field of the points that are about an id: the id and its counterpart, as {@link pairOf} joins them. */
export const PAIR_FIELD = 'pair';

/**
 * The id of a point and the user at the other end: whom an interaction was made to, or who made it. {@link NO_ID} where it was made to a share
 * alone. Both in one text, because a predicate can test only one field of a point: InfluxDB's storage finds the counterparts of an id by the
 * beginning of the text, and the interactions of two people by the whole of it.
 */
export const pairOf = (id: string, counterpart: string): string => `${id}${PAIR_SEPARATOR}${counterpart}`;
/** No id has it. */
export const PAIR_SEPARATOR = ':';

export interface Schema {
  readonly buckets: BucketNames;
  readonly userPrefix: PrefixScheme;
  readonly sharePrefix: PrefixScheme;
  /**
   * Totals of events that occurred from then on (ms) have the tag `part`; absent: none has. It depends on the event alone, so whoever writes an
   * event, and however often, gives it the same series. Writers read it from the archive (archive/totals-split.ts); readers need not know it.
   */
  readonly totalsSplitFromMs?: number | undefined;
}

/** The scheme that a role's ids are tagged by; `total` has none. */
export const schemeOf = (role: IdRole, schema: Schema): PrefixScheme => schemeOfKind(ROLES[role].ids, schema);

export function schemeOfKind(kind: IdKind, schema: Schema): PrefixScheme {
  switch (kind) {
    case 'user':
      return schema.userPrefix;
    case 'share':
      return schema.sharePrefix;
    default:
      return kind satisfies never;
  }
}
