import type { RankedRole } from '../../../contract/roles.ts';
import { TYPE_TAG, type Schema } from '../schema/buckets.ts';
import { HOUR_MEASUREMENT, HOUR_TOP_MEASUREMENT, topField, type HourField } from '../schema/hour-counts.ts';
import { MARK_FIELD, MARK_MEASUREMENT } from '../schema/hour-marks.ts';
import { flux, none, string, time, type Flux } from './literals.ts';
import { anyOf } from './predicates.ts';

/** Names of the results of {@link hoursScript}. */
export const MARKS = 'marks';
export const HOURS = 'hours';

/** Whole hours. */
interface HourRange {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface HoursAsked extends HourRange {
  /** Absent: marks alone. */
  readonly field?: HourField | undefined;
}

export interface TopsAsked extends HourRange {
  readonly of: RankedRole;
  /** Empty: all. */
  readonly types: readonly string[];
}

/**
 * The marks of a range of hours, and what has been counted of them: a text in `_value` each.
 * @param prefix of the names of its results
 */
export function hoursScript({ field, ...range }: HoursAsked, schema: Schema, prefix = ''): Flux {
  const read = (
    name: string,
    measurement: string,
    of: string,
  ): Flux => flux`${texts(range, measurement, of, none, schema)}
  |> keep(columns: ["_value"])
  |> yield(name: ${string(`${prefix}${name}`)})`;
  const marks = read(MARKS, MARK_MEASUREMENT, MARK_FIELD);
  if (field === undefined) return marks;
  return flux`${marks}

${read(HOURS, HOUR_MEASUREMENT, field)}`;
}

/** The first ids of hours and types: a text in `_value` each, with its type. */
export function topsScript({ of, types, ...range }: TopsAsked, schema: Schema): Flux {
  const typed = types.length === 0 ? none : flux` and ${anyOf(flux`r.type`, types.map(string))}`;
  return flux`${texts(range, HOUR_TOP_MEASUREMENT, topField(of), typed, schema)}
  |> keep(columns: ["_value", ${string(TYPE_TAG)}])`;
}

const texts = ({ fromMs, toMs }: HourRange, measurement: string, field: string, more: Flux, schema: Schema): Flux =>
  flux`from(bucket: ${string(schema.buckets.total)})
  |> range(start: ${time(fromMs)}, stop: ${time(toMs)})
  |> filter(fn: (r) => r._measurement == ${string(measurement)} and r._field == ${string(field)}${more})`;
