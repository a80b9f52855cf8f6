import { ROLES, type IdRole } from '../../../contract/roles.ts';
import type { Replacement, Subject } from '../erasure/erase-event.ts';
import type { PointPlace } from '../influx/stored-points.ts';
import {
  FIELD,
  PAIR_FIELD,
  pairOf,
  pairSeparator,
  prefixOf,
  schemeOf,
  TOTAL_FIELD,
  TYPE_TAG,
  type BucketRole,
  type Schema,
} from '../schema/buckets.ts';
import { seriesOf, tagsOf, valueText } from '../schema/points.ts';

/** A point that names the subject, with those of its fields that do. */
export interface NamingPoint extends PointPlace {
  readonly fields: ReadonlyMap<string, string>;
}

/** What becomes of a point that names the subject. */
export type PointChange =
  /** It is about the subject, and goes. `moved`: the point that takes its place, about the pseudonym, at the same time. */
  | { readonly kind: 'remove'; readonly moved: MovedPoint | undefined }
  /** It is somebody else's, and stays where it is, with these fields instead: line protocol. */
  | { readonly kind: 'rewrite'; readonly fields: string };

export interface MovedPoint {
  readonly series: string;
  readonly fields: string;
}

export interface Erasure {
  readonly subject: Subject;
  readonly replacement: Replacement;
  /** What takes the place of the id: see replacementOf. */
  readonly text: string;
  readonly schema: Schema;
}

/** Pure. */
export function changeOf(role: BucketRole, point: NamingPoint, erasure: Erasure): PointChange {
  return role === 'total' ? totalChange(point, erasure) : idChange(role, point, erasure);
}

/** Everyone's interactions are those that somebody makes: a total goes with its maker, and stays without the other ids. */
function totalChange({ fields }: NamingPoint, { subject, replacement, text, schema }: Erasure): PointChange {
  const named = Object.values(TOTAL_FIELD).filter((field) => fields.get(field) === subject.id);
  if (replacement === 'nobody' && named.includes(TOTAL_FIELD.made)) return { kind: 'remove', moved: undefined };
  return { kind: 'rewrite', fields: named.map((field) => `${field}=${valueText(subject.kind, text, schema)}`).join() };
}

function idChange(role: IdRole, { series, fields }: NamingPoint, erasure: Erasure): PointChange {
  const { subject, replacement, text, schema } = erasure;
  const pair = fields.get(PAIR_FIELD);
  const [id, counterpart] = pair?.split(pairSeparator(schema)) ?? [];
  const isAbout = ROLES[role].ids === subject.kind && (fields.get(FIELD[role]) ?? id) === subject.id;
  // A share is nobody's counterpart.
  const other = subject.kind === 'user' && counterpart === subject.id ? text : counterpart;
  if (!isAbout) return { kind: 'rewrite', fields: `${PAIR_FIELD}="${pairOf(id ?? '', other ?? '', schema)}"` };
  if (replacement === 'nobody') return { kind: 'remove', moved: undefined };
  const type = new Map(tagsOf(series)).get(TYPE_TAG) ?? '';
  const value = `${FIELD[role]}=${valueText(subject.kind, text, schema)}`;
  const moved: MovedPoint = {
    series: seriesOf({ type, prefix: prefixOf(text, schemeOf(role, schema)) }),
    // Points of version 0.1 have no pair.
    fields: other === undefined ? value : `${value},${PAIR_FIELD}="${pairOf(text, other, schema)}"`,
  };
  return moved.series === series ? { kind: 'rewrite', fields: moved.fields } : { kind: 'remove', moved };
}
