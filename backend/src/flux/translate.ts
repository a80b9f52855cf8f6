import { roleOf, type IdPreset, type RankedPreset, type SeriesPreset } from '../../../contract/presets.ts';
import { FIELD, MEASUREMENT, TOTAL_FIELD, TYPE_TAG, type BucketRole, type Schema } from '../schema/buckets.ts';
import { fieldsOf } from '../schema/points.ts';
import { duration, flux, join, none, string, time, type Flux } from './literals.ts';
import { anyOf, counterpartTest, hasId, idTest, pairTest, type IdTest } from './predicates.ts';

/**
 * The windows in which InfluxDB itself counts. They are UTC windows of one length, because only those are pushed down into its storage
 * (`readWindow(count)`); the backend adds them up to the windows of a time zone. `null`: one count for the whole range.
 */
export interface Grain {
  readonly everyMs: number;
  /** 0 ≤ offset < every. A negative offset would not be pushed down. */
  readonly offsetMs: number;
}

interface StreamBase {
  /** Name of the stream's results; tells the streams of one query apart. */
  readonly name: string;
  /** Empty: all types. */
  readonly types: readonly string[];
  readonly fromMs: number;
  readonly toMs: number;
}

/** One read of the storage. It counts points per grain and type; the ids are not told apart. */
export interface CountStream extends StreamBase {
  readonly kind: 'counts';
  readonly preset: SeriesPreset;
  /** Empty for `everyone`. */
  readonly ids: readonly string[];
  /** For `pair`: the user to whom those of `ids` made something. */
  readonly counterpart?: string | undefined;
  readonly grain: Grain | null;
}

/** One read of the storage that gives the people who took part in each interaction, one row each. */
export interface PeopleStream extends StreamBase {
  readonly kind: 'people';
  readonly preset: Exclude<SeriesPreset, 'pair'>;
  /** Empty for `everyone`. */
  readonly ids: readonly string[];
  /** Whether rows have their time. It triples how long InfluxDB takes to write them, and is not needed where the stream is one window. */
  readonly timed: boolean;
  /** Whether rows have their type. */
  readonly typed: boolean;
}

export type Stream = CountStream | PeopleStream;

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
 * in it: the caller fills in zeros.
 */
export function countStream(stream: CountStream, schema: Schema): Flux {
  const { preset } = stream;
  const role = roleOf(preset);

  const count =
    stream.grain === null
      ? flux`  |> count()
  |> keep(columns: ["_value", "type"])`
      : flux`${windows(flux`count`, stream.grain)}${role === 'total' ? unitedParts(stream.grain) : none}
  |> keep(columns: ["_time", "_value", "type"])`;

  return flux`${points(schema.buckets[role], stream, countTest(stream, schema))}
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

/** How points are found. */
type PointTest = Omit<IdTest, 'value'> & { readonly value?: IdTest['value'] };

function countTest({ preset, ids, counterpart }: CountStream, schema: Schema): PointTest {
  switch (preset) {
    case 'everyone':
      return { prefixes: [], field: FIELD.total };
    case 'pair':
      if (counterpart === undefined) throw new RangeError('A pair needs a counterpart.');
      return pairTest('made', ids, counterpart, schema);
    default:
      return idTest(preset, ids, schema);
  }
}

/** One conjunction of comparisons, as the storage's predicates need it. */
function points(bucket: string, { types, fromMs, toMs }: Omit<StreamBase, 'name'>, test: PointTest): Flux {
  const tests: Flux[] = [flux`${column.measurement} == ${string(MEASUREMENT)}`];
  if (test.prefixes.length > 0) tests.push(anyOf(column.prefix, test.prefixes.map(string)));
  if (types.length > 0) tests.push(anyOf(column.type, types.map(string)));
  tests.push(flux`${column.field} == ${string(test.field)}`);
  if (test.value !== undefined) tests.push(test.value(column.value));
  return flux`from(bucket: ${string(bucket)})
  |> range(start: ${time(fromMs)}, stop: ${time(toMs)})
  |> filter(fn: (r) => ${join(tests, AND)})`;
}

/**
 * Who took part, a row for each interaction. Of an id its counterparts, as `id:counterpart`; of everyone the makers. InfluxDB's own `distinct`
 * over windows takes many times as long as counting the rows here (docs/adr/0018-counterparts.md).
 */
export function peopleStream(stream: PeopleStream, schema: Schema): Flux {
  const { preset, ids, timed, typed } = stream;
  const test = preset === 'everyone' ? { prefixes: [], field: FIELD.total } : counterpartTest(preset, ids, schema);
  const kept = [...(timed ? ['_time'] : []), '_value', ...(typed ? [TYPE_TAG] : [])];
  return flux`${points(schema.buckets[roleOf(preset)], stream, test)}
  |> keep(columns: [${join(kept.map(string), flux`, `)}])
  |> yield(name: ${string(stream.name)})`;
}

/** The points of some ids, a row for each with its time, its id and its type: few enough of them are cheaper so than counted id by id. */
export const idRowsStream = (
  stream: {
    readonly name: string;
    readonly preset: IdPreset;
    readonly ids: readonly string[];
    readonly fromMs: number;
    readonly toMs: number;
  },
  schema: Schema,
): Flux => flux`${points(schema.buckets[stream.preset], { ...stream, types: [] }, idTest(stream.preset, stream.ids, schema))}
  |> keep(columns: ["_time", "_value", ${string(TYPE_TAG)}])
  |> yield(name: ${string(stream.name)})`;

/**
 * The whole script of a query. Each stream reads for itself: a stream used twice would not be pushed down.
 * @param prefix of the names of its results
 */
export const seriesScript = (streams: readonly Stream[], schema: Schema, prefix = ''): Flux =>
  join(
    streams.map((each) => {
      const stream = prefix === '' ? each : { ...each, name: `${prefix}${each.name}` };
      return stream.kind === 'counts' ? countStream(stream, schema) : peopleStream(stream, schema);
    }),
    flux`

`,
  );

/**
 * Ids of all events in a range that have one, one row each, for counting in the backend. They are read from the totals bucket, whose series are as few as
 * there are types: opening one series per prefix takes far longer than reading the ids. With an id: its counterparts instead, as `id:counterpart`.
 */
export function idScript(
  read: {
    readonly preset: RankedPreset;
    readonly id?: string | undefined;
    readonly types: readonly string[];
    readonly fromMs: number;
    readonly toMs: number;
    /** Whether rows have their type. */
    readonly typed?: boolean;
    /** Whether rows have their time. */
    readonly timed?: boolean;
  },
  schema: Schema,
): Flux {
  const { preset, id, typed = false, timed = false } = read;
  const test: PointTest =
    id === undefined
      ? { prefixes: [], field: TOTAL_FIELD[preset], value: (value) => hasId(value, preset, schema) }
      : counterpartTest(preset, [id], schema);
  return flux`${points(schema.buckets[id === undefined ? 'total' : preset], read, test)}
  |> keep(columns: [${join([...(timed ? ['_time'] : []), '_value', ...(typed ? [TYPE_TAG] : [])].map(string), flux`, `)}])`;
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

/** Names of the two counts of {@link lackingScript}. */
export const STORED = 'stored';
export const PAIRED = 'paired';

/** How many points of some ids there are in a range, and how many of them have a counterpart's field. */
export function lackingScript(
  read: {
    readonly preset: IdPreset;
    readonly ids: readonly string[];
    readonly types: readonly string[];
    readonly fromMs: number;
    readonly toMs: number;
  },
  schema: Schema,
): Flux {
  const { preset, ids } = read;
  const count = (name: string, test: IdTest): Flux => flux`${points(schema.buckets[preset], read, test)}
  |> count()
  |> keep(columns: ["_value"])
  |> yield(name: ${string(name)})`;
  return flux`${count(STORED, idTest(preset, ids, schema))}

${count(PAIRED, counterpartTest(preset, ids, schema, 'any'))}`;
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
