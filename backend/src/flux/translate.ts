import { isIdPreset, roleOf, type RankedPreset, type SeriesPreset } from '../../../contract/presets.ts';
import { FIELD, MEASUREMENT, TOTAL_FIELD, TYPE_TAG, type BucketRole, type Schema } from '../schema/buckets.ts';
import { fieldsOf } from '../schema/points.ts';
import { duration, flux, join, none, string, time, type Flux } from './literals.ts';
import { anyOf, hasId, idTest } from './predicates.ts';

/**
 * The windows in which InfluxDB itself counts. They are UTC windows of one length, because only those are pushed down into its storage
 * (`readWindow(count)`); the backend adds them up to the windows of a time zone. `null`: one count for the whole range.
 */
export interface Grain {
  readonly everyMs: number;
  /** 0 ≤ offset < every. A negative offset would not be pushed down. */
  readonly offsetMs: number;
}

/** One read of the storage. It counts points per grain and type; the ids are not told apart. */
export interface CountStream {
  /** Name of the stream's results; tells the streams of one query apart. */
  readonly name: string;
  readonly preset: SeriesPreset;
  /** Empty for `everyone`. */
  readonly ids: readonly string[];
  /** Empty: all types. */
  readonly types: readonly string[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly grain: Grain | null;
}

/** Names as in schema/buckets.ts, which the tests hold them to. */
const column = {
  type: flux`r.type`,
  prefix: flux`r.prefix`,
  field: flux`r._field`,
  value: flux`r._value`,
  measurement: flux`r._measurement`,
};
const AND = flux` and `;

/**
 * Counts of one stream: a table per type with `_time` (start of the grain), `_value` (count) and `type`. Grains without events are not
 * in it: the caller fills in zeros. The filter is one conjunction of comparisons, as the storage's predicates need it.
 */
export function countStream(stream: CountStream, schema: Schema): Flux {
  const { preset } = stream;
  const role = roleOf(preset);
  const tests: Flux[] = [flux`${column.measurement} == ${string(MEASUREMENT)}`];
  const ids = isIdPreset(preset) ? idTest(preset, stream.ids, schema) : undefined;
  if (ids !== undefined) tests.push(anyOf(column.prefix, ids.prefixes.map(string)));
  if (stream.types.length > 0) tests.push(anyOf(column.type, stream.types.map(string)));
  tests.push(flux`${column.field} == ${string(FIELD[role])}`);
  if (ids !== undefined) tests.push(anyOf(column.value, ids.literals));

  const count =
    stream.grain === null
      ? flux`  |> count()
  |> keep(columns: ["_value", "type"])`
      : flux`${windows(flux`count`, stream.grain)}${role === 'total' ? unitedParts(stream.grain) : none}
  |> keep(columns: ["_time", "_value", "type"])`;

  return flux`from(bucket: ${string(schema.buckets[role])})
  |> range(start: ${time(stream.fromMs)}, stop: ${time(stream.toMs)})
  |> filter(fn: (r) => ${join(tests, AND)})
${count}
  |> yield(name: ${string(stream.name)})`;
}

const windows = (fn: Flux, { everyMs, offsetMs }: Grain): Flux =>
  flux`  |> aggregateWindow(every: ${duration(everyMs)}${
    offsetMs === 0 ? none : flux`, offset: ${duration(offsetMs)}`
  }, fn: ${fn}, timeSrc: "_start", createEmpty: false)`;

/**
 * Totals may be split into 64 series a type (tag `part`): InfluxDB adds up their counts, because 64 times the rows take longer to send than that.
 * Grouped before they are counted they would not be counted inside the storage.
 */
const unitedParts = (grain: Grain): Flux => flux`
  |> group(columns: [${string(TYPE_TAG)}])
${windows(flux`sum`, grain)}`;

/** The whole script of a query. Each stream reads for itself: a stream used twice would not be pushed down. */
export const countScript = (streams: readonly CountStream[], schema: Schema): Flux =>
  join(
    streams.map((stream) => countStream(stream, schema)),
    flux`

`,
  );

/**
 * Ids of all events in a range that have one, one row each, for counting in the backend. They are read from the totals bucket, whose series are as few as
 * there are types: opening one series per prefix takes far longer than reading the ids.
 */
export function idScript(
  read: {
    readonly preset: RankedPreset;
    readonly types: readonly string[];
    readonly fromMs: number;
    readonly toMs: number;
  },
  schema: Schema,
): Flux {
  const tests: Flux[] = [flux`${column.measurement} == ${string(MEASUREMENT)}`];
  if (read.types.length > 0) tests.push(anyOf(column.type, read.types.map(string)));
  tests.push(flux`${column.field} == ${string(TOTAL_FIELD[read.preset])}`, hasId(column.value, read.preset));
  return flux`from(bucket: ${string(schema.buckets.total)})
  |> range(start: ${time(read.fromMs)}, stop: ${time(read.toMs)})
  |> filter(fn: (r) => ${join(tests, AND)})
  |> keep(columns: ["_value"])`;
}

/** Every field of every point of a bucket in a range, with its tags: tables of one series and field each, ordered by time. */
export function pointsScript(
  role: BucketRole,
  range: { readonly fromMs: number; readonly toMs: number },
  schema: Schema,
): Flux {
  return flux`from(bucket: ${string(schema.buckets[role])})
  |> range(start: ${time(range.fromMs)}, stop: ${time(range.toMs)})
  |> filter(fn: (r) => ${column.measurement} == ${string(MEASUREMENT)} and ${anyOf(column.field, fieldsOf(role).map(string))})
  |> drop(columns: ["_start", "_stop", "_measurement"])`;
}

/**
 * Types that occur in a range: one row each in `_value`. Read from the points: the index of tags (`schema.tagValues`) knows only which types
 * occur in the weeks or days that the range touches. Of each series the first point is enough, and the storage finds it by itself.
 */
export function typesScript(range: { readonly fromMs: number; readonly toMs: number }, schema: Schema): Flux {
  return flux`from(bucket: ${string(schema.buckets.total)})
  |> range(start: ${time(range.fromMs)}, stop: ${time(range.toMs)})
  |> filter(fn: (r) => ${column.measurement} == ${string(MEASUREMENT)} and ${column.field} == ${string(TOTAL_FIELD.made)})
  |> first()
  |> keep(columns: [${string(TYPE_TAG)}])
  |> group()
  |> distinct(column: ${string(TYPE_TAG)})`;
}
