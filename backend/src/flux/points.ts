import { ROLES, type IdRole } from '../../../contract/roles.ts';
import type { IdKind } from '../../../contract/ids.ts';
import {
  FIELD,
  MEASUREMENT,
  PAIR_FIELD,
  pairOf,
  prefixOf,
  schemeOf,
  TOTAL_FIELD,
  type BucketRole,
  type Schema,
} from '../schema/buckets.ts';
import { tagsOf } from '../schema/points.ts';
import { eitherEnd, flux, join, none, string, time, timeNs, type Flux } from './literals.ts';
import { idLiteral } from './predicates.ts';

/* Single points, with all of their tags, for who changes them. */

/**
 * The fields that name an id, of the points of a range: the id itself, both ends of pairs, and the totals' ids. Undefined where a bucket never names
 * one of this kind.
 */
export function namingScript(
  role: BucketRole,
  { kind, id }: { readonly kind: IdKind; readonly id: string },
  range: { readonly fromMs: number; readonly toMs: number },
  schema: Schema,
): Flux | undefined {
  const tests: Flux[] = [];
  const literal = idLiteral(kind, id, schema);
  if (role === 'total') {
    for (const [of, field] of TOTALS) {
      if (ROLES[of].ids === kind) tests.push(flux`r._field == ${string(field)} and r._value == ${literal}`);
    }
  } else {
    const prefix = flux`r.prefix == ${string(prefixOf(id, schemeOf(role, schema)))}`;
    const pair = flux`r._field == ${string(PAIR_FIELD)} and r._value =~ ${eitherEnd(pairOf(id, '', schema), pairOf('', id, schema))}`;
    if (ROLES[role].ids === kind) {
      tests.push(flux`${prefix} and r._field == ${string(FIELD[role])} and r._value == ${literal}`);
    }
    // A counterpart is a user, and may be anybody's.
    if (kind === 'user') tests.push(pair);
    else if (ROLES[role].ids === kind) tests.push(flux`${prefix} and ${pair}`);
  }
  if (tests.length === 0) return undefined;
  const bucket = flux`from(bucket: ${string(schema.buckets[role])})
  |> range(start: ${time(range.fromMs)}, stop: ${time(range.toMs)})`;
  const reads = tests.map(
    (test, n) => flux`${bucket}
  |> filter(fn: (r) => r._measurement == ${string(MEASUREMENT)} and ${test})
  |> drop(columns: ["_start", "_stop", "_measurement"])
  |> yield(name: ${string(String(n))})`,
  );
  return join(
    reads,
    flux`

`,
  );
}

/** A row if a bucket holds any point in a range. Of each series the first is enough, and the storage finds it by itself. */
export function anyScript(
  role: BucketRole,
  range: { readonly fromMs: number; readonly toMs: number },
  schema: Schema,
): Flux {
  return flux`from(bucket: ${string(schema.buckets[role])})
  |> range(start: ${time(range.fromMs)}, stop: ${time(range.toMs)})
  |> filter(fn: (r) => r._measurement == ${string(MEASUREMENT)} and r._field == ${string(FIELD[role])})
  |> first()
  |> keep(columns: ["_time"])
  |> group()
  |> limit(n: 1)`;
}

/** The counted field of every point with the prefix of an id: tables of one series each, ordered by time. */
export function prefixScript(
  role: IdRole,
  id: string,
  range: { readonly fromMs: number; readonly toMs: number },
  schema: Schema,
): Flux {
  return flux`from(bucket: ${string(schema.buckets[role])})
  |> range(start: ${time(range.fromMs)}, stop: ${time(range.toMs)})
  |> filter(fn: (r) => r._measurement == ${string(MEASUREMENT)} and r.prefix == ${string(prefixOf(id, schemeOf(role, schema)))} and r._field == ${string(FIELD[role])})
  |> drop(columns: ["_start", "_stop", "_measurement"])`;
}

const TOTALS = Object.entries(TOTAL_FIELD) as readonly (readonly [keyof typeof TOTAL_FIELD, string])[];

/** A field of the point at each of these places that has one. */
export function placesScript(
  role: BucketRole,
  places: readonly { readonly series: string; readonly ms: number; readonly offsetNs: number }[],
  schema: Schema,
): Flux {
  const reads = places.map(({ series, ms, offsetNs }, n) => {
    const tests = tagsOf(series).map(([tag, value]) => flux` and r[${string(tag)}] == ${string(value)}`);
    return flux`from(bucket: ${string(schema.buckets[role])})
  |> range(start: ${timeNs(ms, offsetNs)}, stop: ${offsetNs === 999_999 ? time(ms + 1) : timeNs(ms, offsetNs + 1)})
  |> filter(fn: (r) => r._measurement == ${string(MEASUREMENT)} and r._field == ${string(FIELD[role])}${join(tests, none)})
  |> drop(columns: ["_start", "_stop", "_measurement"])
  |> yield(name: ${string(String(n))})`;
  });
  return join(
    reads,
    flux`

`,
  );
}
