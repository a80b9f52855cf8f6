import { isAbsentId, type IdKind } from '../../../contract/ids.ts';
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

/**
 * The points of an event: made and total always, received and share where the event has the id. An id that has been erased is none: everyone's
 * interactions are those that somebody makes.
 *
 * A point is written whole: an id that the event does not have is `absent` of its format. InfluxDB unites the fields of points that share series and
 * time, so a point without the field would keep that of another event which stood there before, as when a replay exchanges two contending events.
 *
 * Nothing is escaped because nothing can need it: an {@link InteractionEvent} has a type of `a-z 0-9 _` and ids of characters none of which
 * means anything in a text of line protocol; a prefix has hex digits, digits or letters alone. The decoder is the only maker of events.
 */
export function pointsOf(event: InteractionEvent, schema: Schema): Point[] {
  const ms = event.occurredAtMs;
  const { actorId, receiverId, shareId } = event;
  const noUser = formatOf('user', schema).absent;
  // Every joint of texts, and every push to an array, makes garbage: as few as can be.
  const type = TYPE_SUFFIX + event.type;
  let received: Point | undefined;
  let share: Point | undefined;
  if (receiverId !== undefined && !isAbsentId(receiverId)) {
    const series = PREFIXED + prefixOf(receiverId, schemeOf('received', schema)) + type;
    const id = valueText('user', receiverId, schema);
    received = {
      role: 'received',
      series,
      fields: `${FIELD.received}=${id},${PAIR}${pairOf(receiverId, actorId, schema)}"`,
      ms,
    };
  }
  if (shareId !== undefined && !isAbsentId(shareId)) {
    const series = PREFIXED + prefixOf(shareId, schemeOf('share', schema)) + type;
    const id = valueText('share', shareId, schema);
    share = { role: 'share', series, fields: `${FIELD.share}=${id},${PAIR}${pairOf(shareId, actorId, schema)}"`, ms };
  }
  if (isAbsentId(actorId)) return [received, share].filter((point) => point !== undefined);
  const maker = valueText('user', actorId, schema);
  const receiver = valueText('user', receiverId ?? noUser, schema);
  const shared = valueText('share', shareId ?? formatOf('share', schema).absent, schema);
  const totals = `${TOTAL_FIELD.made}=${maker},${TOTAL_FIELD.received}=${receiver},${TOTAL_FIELD.share}=${shared}`;
  const series = PREFIXED + prefixOf(actorId, schemeOf('made', schema)) + type;
  const pair = pairOf(actorId, receiverId ?? noUser, schema);
  const made: Point = { role: 'made', series, fields: `${FIELD.made}=${maker},${PAIR}${pair}"`, ms };
  const parted = ms >= (schema.totalsSplitFromMs ?? Infinity) ? PARTED + String(partOf(event.eventId)) : MEASUREMENT;
  const total: Point = { role: 'total', series: parted + type, fields: totals, ms };
  if (received === undefined) return share === undefined ? [made, total] : [made, share, total];
  return share === undefined ? [made, received, total] : [made, received, share, total];
}

/** An id, or `absent` of its format, as a field's value in line protocol: `123i`, `"4ff3…"`. */
export const valueText = (kind: IdKind, id: string, schema: Pick<Schema, 'ids'>): string =>
  formatOf(kind, schema).stored === 'int64' ? `${id}i` : `"${id}"`;

/**
 * The values in an event's point as InfluxDB gives them back, the one that is counted first: the text of {@link Point.fields} without its syntax.
 * Undefined where the event has no point in the bucket.
 */
export function valuesOf(
  role: BucketRole,
  event: InteractionEvent,
  schema: Pick<Schema, 'ids'>,
): readonly [string, ...string[]] | undefined {
  const { actorId, receiverId, shareId } = event;
  const noUser = formatOf('user', schema).absent;
  switch (role) {
    case 'made':
      if (isAbsentId(actorId)) return undefined;
      return [actorId, pairOf(actorId, receiverId ?? noUser, schema)];
    case 'received':
      return receiverId === undefined || isAbsentId(receiverId)
        ? undefined
        : [receiverId, pairOf(receiverId, actorId, schema)];
    case 'share':
      return shareId === undefined || isAbsentId(shareId) ? undefined : [shareId, pairOf(shareId, actorId, schema)];
    case 'total':
      if (isAbsentId(actorId)) return undefined;
      return [actorId, receiverId ?? noUser, shareId ?? formatOf('share', schema).absent];
    default:
      return role satisfies never;
  }
}

/** Names of {@link valuesOf}, in the same order. */
export const fieldsOf = (role: BucketRole): readonly [string, ...string[]] =>
  role === 'total' ? [TOTAL_FIELD.made, TOTAL_FIELD.received, TOTAL_FIELD.share] : [FIELD[role], PAIR_FIELD];

/** {@link Point.series} from the tags of a point as InfluxDB gives them; the other way round than {@link pointsOf}. */
export function seriesOf(tags: { readonly type: string; readonly prefix?: string; readonly part?: string }): string {
  const { type, prefix = '', part = '' } = tags;
  return `${prefix !== '' ? PREFIXED + prefix : part !== '' ? PARTED + part : MEASUREMENT}${TYPE_SUFFIX}${type}`;
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

const PREFIXED = `${MEASUREMENT},${PREFIX_TAG}=`;
const PARTED = `${MEASUREMENT},${PART_TAG}=`;
const TYPE_SUFFIX = `,${TYPE_TAG}=`;
const PAIR = `${PAIR_FIELD}="`;

/**
 * A line without its newline; LineBlock.pushPoint writes the same into a request's body.
 * @param offsetNs the point's offset within its millisecond, 0 to 999,999 ns
 */
export function renderLine(point: Point, offsetNs: number): string {
  // Nanoseconds since 1970 exceed 2^53, so the digits are joined as text. The contract begins in 2000: ms never has fewer digits than it needs.
  return `${point.series} ${point.fields} ${point.ms}${String(offsetNs).padStart(6, '0')}`;
}
