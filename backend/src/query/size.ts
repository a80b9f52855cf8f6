import { MAX_SERIES } from '../../../contract/limits.ts';
import { countsPeople } from '../../../contract/query.ts';
import { fieldFor, wholeHours } from './counted.ts';
import type { Plan, PlannedStream, SeriesPlan } from './plan.ts';
import { SLAB_BYTES } from './slabs.ts';

/*
 * How many bytes a query takes at most, from its plan alone. Measured by `make serve-memory`; what is measured there stays below, the
 * collector's slack included.
 */

/** Of a count, and of a value made of it. */
const CELL = 8;
/** Of a window with its four numbers. */
const WINDOW = 128;
/** Labels, legend and field of a series. */
const SERIES = 1_024;
/** Of a query, whatever it asks for: its reader, its part of the connection to InfluxDB, what is sent next of its answer, zipped. */
const QUERY = 262_144;
/** Of a stream of a script, without its ids and types. */
const STREAM = 1_024;
/** Of an id's tests in a script. */
const ID = 128;
/** Copies of a script that are alive at a time: itself, as JSON for InfluxDB, and in the frame's meta. */
const SCRIPTS = 3;
/** Of a ranking's row. */
const ROW = 128;
/** Of an hour's marks and counts, and of its counts by minute: of each of some five types. */
const HOUR = { counts: 1_024, minutes: 6_000 } as const;
/** Where a ranking's table begins; it takes more as it grows. */
export const RANKING_BYTES = 1_048_576;
/** Of a list of types, which are tags: few and short. */
export const TYPES_BYTES = 1_048_576;
/** Of a window as a live stream remembers it, and of one that waits for a subscriber. */
export const LIVE_WINDOW_BYTES = 320;
export const INBOX_WINDOW_BYTES = 64;

/** Whether different ids are counted, in a table whose size no plan knows. */
export const growsTable = (plan: Plan): boolean => plan.kind === 'top' || countsPeople(plan.calc);

/** Series that the plan can have at most; those beyond {@link MAX_SERIES} are counted but not kept. */
function seriesAtMost({ ids, types, groupBy }: Pick<SeriesPlan, 'ids' | 'types' | 'groupBy'>): number {
  const apart = groupBy.has('id') ? Math.max(ids.length, 1) : 1;
  const most = groupBy.has('type') ? (types.length === 0 ? MAX_SERIES : apart * types.length) : apart;
  return Math.min(most, MAX_SERIES);
}

/** Counted hours that streams may read. */
const countedBytes = (streams: readonly PlannedStream[]): number =>
  streams.reduce((sum, stream) => {
    const field = stream.kind === 'counts' ? fieldFor(stream) : undefined;
    return field === undefined ? sum : sum + hoursIn(stream) * HOUR[field];
  }, 0);

const hoursIn = (range: { readonly fromMs: number; readonly toMs: number }): number => {
  const { first, end } = wholeHours(range);
  return Math.max(0, end - first);
};

/**
 * Counts of all series of a reading, its windows and its script.
 * @param inEach windows that the range as asked has
 */
export function readBytes(plan: SeriesPlan, inEach = plan.now.windows.length): number {
  const series = seriesAtMost(plan);
  const readings = [
    { windows: inEach, streams: plan.now.streams },
    ...(plan.compare === undefined
      ? []
      : [{ windows: plan.compare.earlier.windows.length, streams: plan.compare.earlier.streams }]),
  ];
  const typesLength = plan.types.reduce((sum, type) => sum + type.length + 16, 0);
  return readings.reduce(
    (sum, { windows, streams }) =>
      sum +
      countedBytes(streams) +
      windows * (series * CELL + WINDOW) +
      Math.min(SLAB_BYTES, windows * series * CELL) +
      SCRIPTS * (streams.length * (STREAM + typesLength) + plan.ids.length * ID),
    0,
  );
}

/** @returns bytes, from the beginning of the query until its answer has been sent */
export function plannedBytes(plan: Plan): number {
  switch (plan.kind) {
    case 'series': {
      const series = seriesAtMost(plan) * (plan.compare === undefined ? 1 : 2);
      const values = series * plan.now.windows.length * CELL;
      return (
        QUERY +
        (growsTable(plan) ? RANKING_BYTES : 0) +
        readBytes(plan) +
        series * SERIES +
        values +
        Math.min(SLAB_BYTES, values)
      );
    }
    case 'top':
      return QUERY + RANKING_BYTES + plan.n * ROW + (plan.id === undefined ? hoursIn(plan) * HOUR.counts : 0);
    default:
      return plan satisfies never;
  }
}

/** What remains of {@link plannedBytes} once the values are there. */
export const answerBytes = (columns: readonly (Float64Array | readonly string[])[]): number =>
  columns.reduce(
    (sum, column) => sum + SERIES + (column instanceof Float64Array ? column.byteLength : column.length * (ROW - CELL)),
    QUERY,
  );
