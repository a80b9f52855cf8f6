import { isAbsentId, type IdKind } from '../../../contract/ids.ts';
import { ROLES, type IdRole } from '../../../contract/roles.ts';
import type { InteractionEvent } from '../event/event.ts';
import {
  FIELD,
  formatOf,
  MEASUREMENT,
  PAIR_FIELD,
  pairOf,
  PART_TAG,
  PREFIX_TAG,
  prefixOf,
  schemeOf,
  TOTAL_FIELD,
  TYPE_TAG,
  type BucketRole,
  type Schema,
} from './buckets.ts';
import { partOf } from './identity.ts';

/** One point before its sub-millisecond digits are known. */
export interface Point {
  readonly role: BucketRole;
  /**
   * Line protocol up to the first space: `interaction,prefix=1234,type=like`, tags in the order of their keys; total: `interaction,type=like`,
   * from {@link Schema.totalsSplitFromMs} on `interaction,part=17,type=like`.
   */
  readonly series: string;
  /**
   * Line protocol's field part: `user=123i,pair="123:456"`, `share="4ff3…",pair="4ff3…:123"`, total:
   * `made=123i,received=456i,share="4ff3…"`; always all of them, with ids as texts where their format is stored as one.
   */
  readonly fields: string;
  /** The event's own millisecond. */
  readonly ms: number;
}

/** Roles of an event's points, in the order of {@link pointsOf}. An id that has been erased is none: everyone's interactions are those that somebody makes. */
export function rolesOf({ actorId, receiverId, shareId }: InteractionEvent): readonly BucketRole[] {
  const received = receiverId !== undefined && !isAbsentId(receiverId);
  const share = shareId !== undefined && !isAbsentId(shareId);
  if (isAbsentId(actorId)) return received ? (share ? RECEIVED_AND_SHARE : RECEIVED) : share ? SHARE : NONE;
  return received ? (share ? ALL : WITHOUT_SHARE) : share ? WITHOUT_RECEIVED : MADE;
}

const ALL: readonly BucketRole[] = ['made', 'received', 'share', 'total'];
const WITHOUT_SHARE: readonly BucketRole[] = ['made', 'received', 'total'];
const WITHOUT_RECEIVED: readonly BucketRole[] = ['made', 'share', 'total'];
const MADE: readonly BucketRole[] = ['made', 'total'];
const RECEIVED_AND_SHARE: readonly BucketRole[] = ['received', 'share'];
const RECEIVED: readonly BucketRole[] = ['received'];
const SHARE: readonly BucketRole[] = ['share'];
const NONE: readonly BucketRole[] = [];

/**
 * The points of an event, one for each of {@link rolesOf}.
 *
 * A point is written whole: an id that the event does not have is `absent` of its format. InfluxDB unites the fields of points that share series and
 * time, so a point without the field would keep that of another event which stood there before, as when a replay exchanges two contending events.
 *
 * Nothing is escaped because nothing can need it: an {@link InteractionEvent} has a type of `a-z 0-9 _` and ids of characters none of which
 * means anything in a text of line protocol; a prefix has hex digits, digits or letters alone. The decoder is the only maker of events.
 */
export const pointsOf = (event: InteractionEvent, schema: Schema): Point[] =>
  rolesOf(event).map((role) => pointOf(role, event, schema));

function pointOf(role: BucketRole, event: InteractionEvent, schema: Schema): Point {
  const { type, eventId, occurredAtMs: ms } = event;
  if (role === 'total') {
    const { actorId, receiverId, shareId } = idsOf(event, schema);
    const fields = `${TOTAL_FIELD.made}=${valueText('user', actorId, schema)},${TOTAL_FIELD.received}=${valueText('user', receiverId, schema)},${TOTAL_FIELD.share}=${valueText('share', shareId, schema)}`;
    const parted = ms >= (schema.totalsSplitFromMs ?? Infinity) ? PARTED + String(partOf(eventId)) : MEASUREMENT;
    return { role, series: parted + TYPED + type, fields, ms };
  }
  const [id, counterpart] = endsOf(role, event, schema);
  return {
    role,
    series: PREFIXED + prefixOf(id, schemeOf(role, schema)) + TYPED + type,
    fields: `${FIELD[role]}=${valueText(ROLES[role].ids, id, schema)}${PAIR}${pairOf(id, counterpart, schema)}"`,
    ms,
  };
}

/** The event's ids, or what stands where it has none. */
function idsOf({ actorId, receiverId, shareId }: InteractionEvent, schema: Pick<Schema, 'ids'>) {
  return {
    actorId,
    receiverId: receiverId ?? formatOf('user', schema).absent,
    shareId: shareId ?? formatOf('share', schema).absent,
  };
}

/** Whom a role's point is about, and the user at the other end. */
function endsOf(role: IdRole, event: InteractionEvent, schema: Pick<Schema, 'ids'>): [id: string, counterpart: string] {
  const { actorId, receiverId, shareId } = idsOf(event, schema);
  switch (role) {
    case 'made':
      return [actorId, receiverId];
    case 'received':
      return [receiverId, actorId];
    case 'share':
      return [shareId, actorId];
    default:
      return role satisfies never;
  }
}

/** How ids of a kind are written as a field's value in line protocol. */
export interface ValueSyntax {
  readonly open: string;
  readonly close: string;
}

export const valueSyntax = (kind: IdKind, schema: Pick<Schema, 'ids'>): ValueSyntax =>
  formatOf(kind, schema).stored === 'int64' ? INT : TEXT;
const INT: ValueSyntax = { open: '', close: 'i' };
const TEXT: ValueSyntax = { open: '"', close: '"' };

/** An id, or `absent` of its format, as a field's value: `123i`, `"4ff3…"`. */
export function valueText(kind: IdKind, id: string, schema: Pick<Schema, 'ids'>): string {
  const { open, close } = valueSyntax(kind, schema);
  return open + id + close;
}

/**
 * The values in an event's point as InfluxDB gives them back, the one that is counted first: the text of {@link Point.fields} without its syntax.
 * Undefined where the event has no point in the bucket.
 */
export function valuesOf(
  role: BucketRole,
  event: InteractionEvent,
  schema: Pick<Schema, 'ids'>,
): readonly [string, ...string[]] | undefined {
  if (!rolesOf(event).includes(role)) return undefined;
  if (role === 'total') {
    const { actorId, receiverId, shareId } = idsOf(event, schema);
    return [actorId, receiverId, shareId];
  }
  const [id, counterpart] = endsOf(role, event, schema);
  return [id, pairOf(id, counterpart, schema)];
}

/** Names of {@link valuesOf}, in the same order. */
export const fieldsOf = (role: BucketRole): readonly [string, ...string[]] =>
  role === 'total' ? [TOTAL_FIELD.made, TOTAL_FIELD.received, TOTAL_FIELD.share] : [FIELD[role], PAIR_FIELD];

/** {@link Point.series} from the tags of a point as InfluxDB gives them; the other way round than {@link pointsOf}. */
export function seriesOf(tags: { readonly type: string; readonly prefix?: string; readonly part?: string }): string {
  const { type, prefix = '', part = '' } = tags;
  return `${prefix !== '' ? PREFIXED + prefix : part !== '' ? PARTED + part : MEASUREMENT}${TYPED}${type}`;
}

/** The tags of a {@link Point.series}: the other way round than {@link seriesOf}. */
export const tagsOf = (series: string): readonly (readonly [tag: string, value: string])[] =>
  series
    .split(',')
    .slice(1)
    .map((tag) => {
      const at = tag.indexOf('=');
      return [tag.slice(0, at), tag.slice(at + 1)];
    });

/* How series and fields begin and go on; EventWriter writes the same. */
export const PREFIXED = `${MEASUREMENT},${PREFIX_TAG}=`;
export const PARTED = `${MEASUREMENT},${PART_TAG}=`;
export const TYPED = `,${TYPE_TAG}=`;
export const PAIR = `,${PAIR_FIELD}="`;

/**
 * A line without its newline; EventWriter writes the same into a request's body.
 * @param offsetNs the point's offset within its millisecond, 0 to 999,999 ns
 */
export function renderLine(point: Point, offsetNs: number): string {
  // Nanoseconds since 1970 exceed 2^53, so the digits are joined as text. The contract begins in 2000: ms never has fewer digits than it needs.
  return `${point.series} ${point.fields} ${point.ms}${String(offsetNs).padStart(6, '0')}`;
}
