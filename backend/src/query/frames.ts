import type { FrameField, FrameJson, Notice, TopResult } from '../../../contract/answers.ts';
import { countsPeople, isSingle, type Calculation } from '../../../contract/query.ts';
import type { Series, SeriesKey } from './counts.ts';
import type { Reading, SeriesPlan, TopPlan } from './plan.ts';
import { Slabs } from './slabs.ts';
import { happenedMs, startsOf, type Happened, type Window } from './windows.ts';

/** A series with its values as the query wants them, by window of the range as asked. */
export interface ValueSeries extends SeriesKey {
  /** `compareTo` as it was asked for, where this is the earlier series. */
  readonly compare: string | undefined;
  /** NaN: the earlier day had no such window (its clock jumped over it). It goes out as null. */
  readonly values: Float64Array;
}

/** The values of a field: eight bytes each, and no copies, because there may be a million. NaN stands for null. */
export type Column = Float64Array | readonly string[];

/** A data frame as it is held; render.ts writes it as {@link FrameJson}. */
export interface Frame {
  readonly schema: FrameJson['schema'];
  readonly columns: readonly Column[];
}

/** Interactions per second of the time in which they happened; 0 where no time has passed yet. */
const perSecond = (count: number, lengthMs: number): number => (lengthMs === 0 ? 0 : (count * 1000) / lengthMs);

function filled(slabs: Slabs, valueAt: (index: number) => number): Float64Array {
  const values = slabs.next();
  for (let i = 0; i < values.length; i++) values[i] = valueAt(i);
  return values;
}

/** What each window's count becomes; counts themselves are handed on. `rate` divides by as much of the window as has happened. */
export function calculate(
  calc: Calculation,
  counts: Float64Array,
  windows: readonly Window[],
  happened: Happened,
  slabs: Slabs,
): Float64Array {
  switch (calc) {
    case 'count':
    case 'total':
    case 'unique':
    case 'reach':
      return counts;
    case 'rate':
      return filled(slabs, (i) => {
        const window = windows[i];
        return window === undefined ? 0 : perSecond(counts[i] ?? 0, happenedMs(window, happened));
      });
    case 'cumulative': {
      let sum = 0;
      return filled(slabs, (i) => (sum += counts[i] ?? 0));
    }
    default:
      return calc satisfies never;
  }
}

/**
 * For each window of an earlier reading the first that is compared with the same window of the range as asked: an hour that the clock showed twice
 * then and once now is one, and who came in both came once.
 */
export function groupsOf(windows: readonly Window[], earlier: readonly Window[]): Int32Array {
  const places = placesOf(windows);
  const first = new Map<number, number>();
  return Int32Array.from(earlier, (window, i) => {
    const place = placeOf(places, window);
    if (place === undefined) return i;
    const group = first.get(place) ?? i;
    first.set(place, group);
    return group;
  });
}

/** An earlier reading's counts by the windows of the range as asked. */
interface Matched {
  readonly counts: Float64Array;
  /** How much of the earlier range the windows take that belong to a window, in ms; 0 where the earlier day had none. */
  readonly lengthsMs: Float64Array;
  /** All that had been counted by the end of the window, hours that belong to no window included. */
  readonly sums: Float64Array;
}

/** Where the windows of the range as asked are, by their index: the first, and those of a repeated hour. */
type Places = Readonly<Record<Window['occurrence'], ReadonlyMap<number, number>>>;

/** Once for all series: a map of 11,000 windows takes a megabyte. */
function placesOf(windows: readonly Window[]): Places {
  const places = { 0: new Map<number, number>(), 1: new Map<number, number>() };
  windows.forEach(({ index, occurrence }, i) => places[occurrence].set(index, i));
  return places;
}

const placeOf = (places: Places, { index, occurrence }: Window): number | undefined =>
  places[occurrence].get(index) ?? places[0].get(index);

/**
 * Moves an earlier reading's counts onto the windows of the range as asked: windows of equal index belong together. An hour that the
 * clock showed twice then and once now is counted as one.
 */
function matchWindows(places: Places, length: number, reading: Reading, counts: Float64Array): Matched {
  const { windows: earlier, fromMs, toMs: untilMs } = reading;
  const matched = new Float64Array(length);
  const lengthsMs = new Float64Array(length);
  const sums = new Float64Array(length);
  let sum = 0;
  earlier.forEach((window, i) => {
    sum += counts[i] ?? 0;
    const place = placeOf(places, window);
    if (place === undefined) return;
    matched[place] = (matched[place] ?? 0) + (counts[i] ?? 0);
    lengthsMs[place] = (lengthsMs[place] ?? 0) + happenedMs(window, { fromMs, untilMs });
    sums[place] = sum;
  });
  // In an hour that the earlier day did not have nothing was added.
  for (let i = 1; i < sums.length; i++) if (lengthsMs[i] === 0) sums[i] = sums[i - 1] ?? 0;
  return { counts: matched, lengthsMs, sums };
}

function calculateEarlier(calc: Calculation, { counts, lengthsMs, sums }: Matched, slabs: Slabs): Float64Array {
  switch (calc) {
    case 'count':
    case 'total':
    case 'unique':
    case 'reach':
      return filled(slabs, (i) => (lengthsMs[i] === 0 ? NaN : (counts[i] ?? 0)));
    case 'rate':
      return filled(slabs, (i) => (lengthsMs[i] === 0 ? NaN : perSecond(counts[i] ?? 0, lengthsMs[i] ?? 0)));
    case 'cumulative':
      return filled(slabs, (i) => sums[i] ?? 0);
    default:
      return calc satisfies never;
  }
}

const keyOf = (key: SeriesKey): string => `${key.id ?? ''}/${key.type ?? ''}`;

/**
 * The series of a query with their values: first those of the range as asked, then each one's earlier self, then earlier ones that have
 * no counterpart now.
 */
export function valueSeries(
  plan: SeriesPlan,
  now: readonly Series[],
  earlier: readonly Series[] | undefined,
  nowMs: number,
): ValueSeries[] {
  const happened = happenedOf(plan, nowMs);
  const slabs = new Slabs(plan.now.windows.length);
  const out: ValueSeries[] = now.map(({ id, type, counts }) => ({
    id,
    type,
    compare: undefined,
    values: calculate(plan.calc, counts, plan.now.windows, happened, slabs),
  }));
  if (plan.compare === undefined || earlier === undefined) return out;
  const { text, earlier: reading } = plan.compare;
  const places = placesOf(plan.now.windows);
  const add = (key: SeriesKey, counts: Float64Array): void => {
    const matched = matchWindows(places, plan.now.windows.length, reading, counts);
    out.push({ id: key.id, type: key.type, compare: text, values: calculateEarlier(plan.calc, matched, slabs) });
  };
  const left = new Map(earlier.map((series) => [keyOf(series), series]));
  const none = new Float64Array(reading.windows.length);
  for (const series of now) {
    const same = left.get(keyOf(series));
    left.delete(keyOf(series));
    // Where nothing happened now there is one series without a type; it has no earlier self if something did happen then.
    const placeholder = same === undefined && series.type === undefined && plan.groupBy.has('type');
    if (placeholder && earlier.some((other) => other.id === series.id && other.type !== undefined)) continue;
    add(series, same?.counts ?? none);
  }
  for (const series of left.values()) {
    // An earlier series of zeros without a type says nothing beside those with one.
    if (series.type === undefined && plan.groupBy.has('type')) continue;
    add(series, series.counts);
  }
  return out;
}

/** Of a pair the one to whom the series' interactions were made. */
const counterpartOf = ({ pair }: SeriesPlan, id: string): string | undefined => pair?.find((other) => other !== id);

function labelsOf(plan: SeriesPlan, series: ValueSeries): Record<string, string> {
  const to = series.id === undefined ? undefined : counterpartOf(plan, series.id);
  return {
    ...(series.id === undefined ? {} : { id: series.id }),
    ...(to === undefined ? {} : { to }),
    ...(series.type === undefined ? {} : { type: series.type }),
    ...(series.compare === undefined ? {} : { compare: series.compare }),
  };
}

/** The legend: `123 like`, not `count {id="123", type="like"}`. */
function displayName(plan: SeriesPlan, series: ValueSeries): string {
  const to = series.id === undefined ? undefined : counterpartOf(plan, series.id);
  const id = to === undefined ? series.id : `${series.id ?? ''} → ${to}`;
  const name = [id, series.type].filter((part) => part !== undefined).join(' ');
  return `${name === '' ? (countsPeople(plan.calc) ? 'people' : 'interactions') : name}${series.compare === undefined ? '' : ` (${series.compare} before)`}`;
}

/** A unit of Grafana's, for panels that choose none. */
const UNIT: Readonly<Record<Calculation, string | undefined>> = {
  count: undefined,
  rate: 'suffix:/s',
  cumulative: undefined,
  total: undefined,
  unique: undefined,
  reach: undefined,
};

function valueField(plan: SeriesPlan, series: ValueSeries): FrameField {
  const unit = UNIT[plan.calc];
  return {
    name: plan.calc,
    type: 'number',
    typeInfo: { frame: 'float64', ...(series.values.includes(NaN) ? { nullable: true } : {}) },
    labels: labelsOf(plan, series),
    config: { displayNameFromDS: displayName(plan, series), ...(unit === undefined ? {} : { unit }) },
  };
}

const happenedOf = ({ now: { fromMs, toMs } }: SeriesPlan, nowMs: number): Happened => ({
  fromMs,
  untilMs: Math.max(fromMs, Math.min(toMs, nowMs)),
});

/** Whether the first and the last window are cut by the range, or the last is still running. */
export function partialEnds(plan: SeriesPlan, nowMs: number): { readonly first: boolean; readonly last: boolean } {
  const first = plan.now.windows[0];
  const last = plan.now.windows.at(-1);
  return {
    first: first !== undefined && first.startMs < plan.now.fromMs,
    last: last !== undefined && (last.endMs > plan.now.toMs || last.endMs > nowMs),
  };
}

const NOTHING_WHOLE: Notice = {
  severity: 'warning',
  text: 'No whole window lies in the range, and incomplete ones are hidden: use a shorter window, a longer range, or the total.',
};

/** How many windows at both ends are left out. A running sum begins where the range does, so that its first window is whole. */
function hiddenEnds(
  plan: SeriesPlan,
  partial: ReturnType<typeof partialEnds>,
  nowMs: number,
): { readonly first: number; readonly last: number } {
  const { windows } = plan.now;
  if (plan.incomplete !== 'hide' || isSingle(plan.calc)) return { first: 0, last: 0 };
  const first = partial.first && plan.calc !== 'cumulative' ? 1 : 0;
  // Those that have not begun are no more complete than the one that runs.
  const running = windows.length - windows.findLastIndex((window) => window.endMs <= nowMs) - 1;
  const last = Math.max(partial.last ? 1 : 0, running);
  return { first: Math.min(first, windows.length), last: Math.min(last, windows.length - first) };
}

/** One wide frame: a time field and a number field per series; for `total` one row of numbers, without a time. */
export function seriesFrame(
  plan: SeriesPlan,
  series: readonly ValueSeries[],
  flux: string,
  { nowMs, notices, ageMs }: { readonly nowMs: number; readonly notices: readonly Notice[]; readonly ageMs: number },
): Frame {
  const partial = partialEnds(plan, nowMs);
  const hidden = hiddenEnds(plan, partial, nowMs);
  const whole = (values: Float64Array): Float64Array => values.subarray(hidden.first, values.length - hidden.last);
  const { windows } = plan.now;
  const nothingWhole = windows.length > 0 && windows.length === hidden.first + hidden.last;
  const told = nothingWhole ? [...notices, NOTHING_WHOLE] : notices;
  const meta = {
    typeVersion: [0, 1],
    executedQueryString: flux,
    custom: {
      partial: { first: partial.first && hidden.first === 0, last: partial.last && hidden.last === 0 },
      ...happenedOf(plan, nowMs),
      ...agedBy(ageMs),
    },
    ...(told.length === 0 ? {} : { notices: told }),
  } as const;
  const fields = series.map((one) => valueField(plan, one));
  const values = series.map((one) => whole(one.values));
  if (isSingle(plan.calc))
    return { schema: { refId: plan.refId, meta: { type: 'numeric-wide', ...meta }, fields }, columns: values };
  const time: FrameField = {
    name: 'time',
    type: 'time',
    typeInfo: { frame: 'time.Time' },
    // Tells Grafana how wide a bar is.
    ...(plan.every.kind === 'ms' ? { config: { interval: plan.every.ms } } : {}),
  };
  return {
    schema: {
      refId: plan.refId,
      meta: { type: 'timeseries-wide', ...meta, preferredVisualisationType: 'graph' },
      fields: [time, ...fields],
    },
    columns: [whole(startsOf(windows)), ...values],
  };
}

/** In a frame's meta, where its counts were not read for this request. */
const agedBy = (ageMs: number): { readonly ageMs?: number } => (ageMs > 0 ? { ageMs } : {});

/** What a table shows. */
export interface Ranking {
  readonly top: TopResult['top'];
  /** Different counterparts that were counted, also those behind the first `n`; undefined where ids themselves are ranked. */
  readonly distinct: number | undefined;
  readonly notices: readonly Notice[];
}

export function topFrame(plan: TopPlan, { top, distinct, notices }: Ranking, flux: string, ageMs: number): Frame {
  return {
    schema: {
      refId: plan.refId,
      meta: {
        type: 'table',
        executedQueryString: flux,
        custom: { ...(distinct === undefined ? {} : { distinct }), ...agedBy(ageMs) },
        ...(notices.length === 0 ? {} : { notices }),
        preferredVisualisationType: 'table',
      },
      fields: [
        // Ids may exceed 2^53: they are text.
        // The unit keeps panels from reading the digits as a number and rounding it.
        { name: 'id', type: 'string', typeInfo: { frame: 'string' }, config: { unit: 'string' } },
        { name: 'count', type: 'number', typeInfo: { frame: 'int64' } },
      ],
    },
    columns: [top.map((row) => row.id), Float64Array.from(top, (row) => row.count)],
  };
}
