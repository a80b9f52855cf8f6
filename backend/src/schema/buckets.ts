import {
  DEFAULT_ID_FORMATS,
  idFormatOf,
  type IdFormatRow,
  type IdFormats,
  type IdKind,
} from '../../../contract/ids.ts';
import { byRole, RANKED_ROLES, ROLES, type BucketRole, type IdRole, type RankedRole } from '../../../contract/roles.ts';
import type { PrefixScheme } from '../../../contract/prefix.ts';

/** Everything that writer and reader of InfluxDB must agree on. The buckets and their fields are those of contract/roles.ts. */
export { prefixOf, prefixSchemeText, type PrefixScheme } from '../../../contract/prefix.ts';
export { BUCKET_ROLES, type BucketRole } from '../../../contract/roles.ts';

/** The value of a role. As `values[role]`, which V8 looks up by the role's text: for what is asked a few times for every event. */
export function ofRole<T>(values: Readonly<Record<BucketRole, T>>, role: BucketRole): T {
  switch (role) {
    case 'made':
      return values.made;
    case 'received':
      return values.received;
    case 'share':
      return values.share;
    case 'total':
      return values.total;
    default:
      return role satisfies never;
  }
}

/** Bucket name of each role. */
export type BucketNames = Readonly<Record<BucketRole, string>>;

export const MEASUREMENT = 'interaction';
export const TYPE_TAG = 'type';
export const PREFIX_TAG = 'prefix';
/** Tag of split totals; see {@link Schema.totalsSplitFromMs}. */
export const PART_TAG = 'part';

/** The field of each role's points that is counted. */
export const FIELD: Readonly<Record<BucketRole, string>> = byRole((role) => ROLES[role].field);

/** Fields of `total`: the event's ids, or `absent` of their format, so that `top` can stream them from few series. */
export const TOTAL_FIELD = Object.fromEntries(RANKED_ROLES.map((role) => [role, ROLES[role].totalField])) as Readonly<
  Record<RankedRole, string>
>;

/** Field of the points that are about an id: the id and its counterpart, as {@link pairOf} joins them. */
export const PAIR_FIELD = 'pair';

/**
 * The id of a point and the user at the other end: whom an interaction was made to, or who made it. `absent` of the user's format where it was made to a share
 * alone. Both in one text, because a predicate can test only one field of a point: InfluxDB's storage finds the counterparts of an id by the
 * beginning of the text, and the interactions of two people by the whole of it.
 */
export const pairOf = (id: string, counterpart: string, schema: Pick<Schema, 'ids'>): string =>
  `${id}${pairSeparator(schema)}${counterpart}`;

/** Neither end has it: text ids may hold a colon, but no white space. */
export const pairSeparator = ({ ids }: Pick<Schema, 'ids'>): ':' | ' ' =>
  ids?.user === 'text' || ids?.share === 'text' ? ' ' : ':';

export interface Schema {
  readonly buckets: BucketNames;
  /** Absent: the defaults. */
  readonly ids?: IdFormats | undefined;
  readonly userPrefix: PrefixScheme;
  readonly sharePrefix: PrefixScheme;
  /**
   * Totals of events that occurred from then on (ms) have the tag `part`; absent: none has. It depends on the event alone, so whoever writes an
   * event, and however often, gives it the same series. Writers read it from the archive (archive/totals-split.ts); readers need not know it.
   */
  readonly totalsSplitFromMs?: number | undefined;
}

export const formatsOf = ({ ids }: Pick<Schema, 'ids'>): IdFormats => ids ?? DEFAULT_ID_FORMATS;

/**
 * How ids of a kind are written and stored. Where an event has none, a field of `total` or a pair holds `absent` of the format. Not an empty text:
 * influxd 2.7.12 answers the first empty text of a result with the value of the row behind it.
 */
export const formatOf = (kind: IdKind, schema: Pick<Schema, 'ids'>): IdFormatRow => idFormatOf(kind, formatsOf(schema));

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
