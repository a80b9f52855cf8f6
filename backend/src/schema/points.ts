import type { InteractionEvent } from '../event/event.ts';
import {
  FIELD,
  MEASUREMENT,
  PREFIX_TAG,
  prefixOf,
  schemeOf,
  TOTAL_FIELD,
  TYPE_TAG,
  type BucketRole,
  type IdPreset,
  type Schema,
} from './buckets.ts';

/** One point before its sub-millisecond digits are known. */
export interface Point {
  readonly role: BucketRole;
  /** Line protocol up to the first space: `interaction,prefix=1234,type=like`, tags in the order of their keys; total: `interaction,type=like`. */
  readonly series: string;
  /** Line protocol's field part: `user=123i`, `share="4ff3…"`, total: `made=123i,received=456i,share="4ff3…"`. */
  readonly field: string;
  /** The event's own millisecond. */
  readonly ms: number;
}

/**
 * The points of an event: made and total always, received and share where the event has the id.
 *
 * Nothing is escaped because nothing can need it: an {@link InteractionEvent} has a type of `a-z 0-9 _` and ids of hex digits, none of which
 * means anything in line protocol. The decoder is the only maker of events.
 */
export function pointsOf(event: InteractionEvent, schema: Schema): Point[] {
  const ms = event.occurredAtMs;
  const points: Point[] = [
    { role: 'made', series: idSeries('made', event.actorId, event.type, schema), field: userField(event.actorId), ms },
  ];
  if (event.receiverId !== undefined) {
    const series = idSeries('received', event.receiverId, event.type, schema);
    points.push({ role: 'received', series, field: userField(event.receiverId), ms });
  }
  if (event.shareId !== undefined) {
    const series = idSeries('share', event.shareId, event.type, schema);
    points.push({ role: 'share', series, field: `${FIELD.share}="${event.shareId}"`, ms });
  }
  points.push({ role: 'total', series: `${MEASUREMENT},${TYPE_TAG}=${event.type}`, field: totalFields(event), ms });
  return points;
}

/** A line without its newline. `slot` is the point's place within its millisecond, 0 to 999,999 ns. */
export function renderLine(point: Point, slot: number): string {
  // Nanoseconds since 1970 exceed 2^53, so the digits are joined as text. The contract begins in 2000: ms never has fewer digits than it needs.
  return `${point.series} ${point.field} ${point.ms}${String(slot).padStart(6, '0')}`;
}

const idSeries = (role: IdPreset, id: string, type: string, schema: Schema): string =>
  `${MEASUREMENT},${PREFIX_TAG}=${prefixOf(id, schemeOf(role, schema))},${TYPE_TAG}=${type}`;

const userField = (id: string): string => `${FIELD.made}=${id}i`;

function totalFields(event: InteractionEvent): string {
  const fields = [`${TOTAL_FIELD.made}=${event.actorId}i`];
  if (event.receiverId !== undefined) fields.push(`${TOTAL_FIELD.received}=${event.receiverId}i`);
  if (event.shareId !== undefined) fields.push(`${TOTAL_FIELD.share}="${event.shareId}"`);
  return fields.join(',');
}
