import type { IdFormats } from '../../../contract/ids.ts';
import { MAX_SERIES, MAX_WINDOWS } from '../../../contract/limits.ts';
import { isTablePreset, type RankedPreset, type SeriesPreset } from '../../../contract/presets.ts';
import {
  countsPeople,
  DEFAULT_TOP,
  incompleteOf,
  isSingle,
  LABELS,
  type Calculation,
  type IncompleteWindows,
  type Label,
  type SavedField,
} from '../../../contract/query.ts';
import { idsApartProblem } from '../../../contract/rules.ts';
import { UserpulseError } from '../errors.ts';
import { MIN_TIME_MS } from '../flux/literals.ts';
import type { CountStream, Grain, PeopleStream } from '../flux/translate.ts';
import { DAY_MS, formatDuration, parseDuration, type Duration } from './duration.ts';
import { chooseWindows, isAuto } from './every.ts';
import type { AskedQuery } from './request.ts';
import { badRequest, parseQuery, type Range } from './validate.ts';
import { sharedWindows, toInstant, toLocal, type Shift, type Window } from './windows.ts';
import { zoneOf, type Zone } from './zone.ts';

/** Part of the plan that is read as one: the range as asked, or the same range earlier. */
export interface Reading extends Range {
  readonly windows: readonly Window[];
  /** One per id where series are told apart by id; else few. */
  readonly streams: readonly PlannedStream[];
}

/** A read of the storage, and what its rows are about. */
export type PlannedStream = (CountStream | PeopleStream) & {
  /** Index of the window that all of its rows lie in; undefined where their time says it. */
  readonly window?: number;
};

export interface SeriesPlan {
  readonly kind: 'series';
  readonly refId: string;
  readonly preset: SeriesPreset;
  /** Of a pair those who make what is counted, one or both. */
  readonly ids: readonly string[];
  /** Of a pair both, in the order asked; else undefined. */
  readonly pair: readonly [string, string] | undefined;
  readonly types: readonly string[];
  readonly calc: Calculation;
  readonly incomplete: IncompleteWindows;
  /** Labels that series are told apart by. */
  readonly groupBy: ReadonlySet<Label>;
  readonly every: Duration;
  readonly now: Reading;
  readonly compare: { readonly text: string; readonly earlier: Reading } | undefined;
  readonly zone: Zone;
}

export interface TopPlan extends Range {
  readonly kind: 'top';
  readonly refId: string;
  readonly of: RankedPreset;
  /** The id whose counterparts are counted; undefined where ids themselves are. */
  readonly id: string | undefined;
  readonly types: readonly string[];
  readonly n: number;
}

export type Plan = SeriesPlan | TopPlan;

/** What the queries of one request have in common. */
export interface PlanContext extends Range {
  /** How ids are written. */
  readonly formats: IdFormats;
  readonly zone: Zone;
  readonly intervalMs: number | undefined;
  readonly maxDataPoints: number | undefined;
}

/**
 * What is to be read and computed for a query. Pure.
 * @throws UserpulseError bad_request, too_many_windows
 */
export function planQuery(asked: AskedQuery, request: PlanContext): Plan {
  const { refId } = asked;
  const {
    preset,
    ids,
    types,
    every,
    calc,
    groupBy: labels,
    compareTo: compareText,
    incomplete,
    of,
    n,
    direction,
    timezone,
    ...saved
  } = parseQuery(asked, request.formats);
  // Fields that decide nothing here. One that should, and is not taken above, does not compile.
  saved satisfies { readonly [K in Exclude<keyof typeof saved, SavedField>]: never };
  const { fromMs, toMs } = request;
  if (isTablePreset(preset)) {
    const id = preset === 'who' ? ids[0] : undefined;
    return { kind: 'top', refId, of: of ?? DEFAULT_TOP.of, id, types, n: n ?? DEFAULT_TOP.n, fromMs, toMs };
  }
  if (preset === 'pair' && countsPeople(calc))
    throw badRequest({
      message: `calc "${calc}" counts different people, and preset "pair" is about two that are known.`,
      hint: 'Use count, rate, cumulative or total.',
    });
  const context = timezone === undefined ? request : { ...request, zone: zoneOf(timezone) };
  const groupBy = new Set(labels ?? LABELS);
  const apart = idsApartProblem(ids, [...groupBy]);
  if (apart !== undefined) throw badRequest(apart);
  const compareTo = compareText === undefined ? undefined : parseDuration(compareText, 'compareTo');
  const [first = '', second = ''] = ids;
  const pair = preset === 'pair' ? ([first, second] as const) : undefined;
  const makers = pair !== undefined && direction !== 'both' ? [first] : ids;
  const least = seriesAtLeast(makers, types, groupBy) * (compareTo === undefined ? 1 : 2);
  if (least > MAX_SERIES) throw tooManySeries(least);

  const single = isSingle(calc) || (isAuto(every) && context.maxDataPoints === 1);
  const choice = single
    ? {
        every: wholeRange(context),
        windows: [{ startMs: fromMs, endMs: toMs, index: 0, occurrence: 0 } satisfies Window],
      }
    : chooseWindows(every, context, context);
  const what = { preset, ids: makers, pair, types, groupBy, calc };
  return {
    kind: 'series',
    refId,
    ...what,
    incomplete: incompleteOf(incomplete, calc),
    every: choice.every,
    zone: context.zone,
    now: { fromMs, toMs, windows: choice.windows, streams: streamsOf(what, '', context, choice.windows, choice.every) },
    compare:
      compareTo === undefined || compareText === undefined
        ? undefined
        : {
            text: compareText,
            earlier: earlierReading(what, single, compareTo, choice.every, choice.windows, context),
          },
  };
}

const wholeRange = (range: Range): Duration => ({ kind: 'ms', ms: range.toMs - range.fromMs });

export const tooManySeries = (count: number): UserpulseError =>
  new UserpulseError(
    'bad_request',
    `The query gives ${count} series, more than the ${MAX_SERIES} that one query may have.`,
    {
      hint: 'Ask for fewer ids or types, or group by fewer labels.',
    },
  );

/** Series that there will be whatever the data. */
function seriesAtLeast(ids: readonly string[], types: readonly string[], groupBy: ReadonlySet<Label>): number {
  return (groupBy.has('id') ? Math.max(ids.length, 1) : 1) * (groupBy.has('type') ? Math.max(types.length, 1) : 1);
}

interface What {
  readonly preset: SeriesPreset;
  readonly ids: readonly string[];
  readonly pair: readonly [string, string] | undefined;
  readonly types: readonly string[];
  readonly groupBy: ReadonlySet<Label>;
  readonly calc: Calculation;
}

/**
 * Ids are values of a field: counts of several cannot be told apart afterwards. So each id has a stream of its own where that matters.
 * Where it does not, a few share one: the storage then tests each value of all their prefixes against each of them, which is cheaper than
 * a stream each for ids with few events, and dearer for many ids with many events (measured on 3 M events: even at 5, threefold at 50).
 * Each stream costs InfluxDB about 0.1 ms to compile, so that a thousand ids share {@link MOST_STREAMS}.
 */
const IDS_PER_STREAM = 5;
const MOST_STREAMS = 40;
/** Windows of everyone that are read one by one, so that no row needs its time; more are read in one go. */
const MOST_WINDOW_STREAMS = 200;

function streamsOf(
  what: What,
  prefix: string,
  range: Range,
  windows: readonly Window[],
  every: Duration,
): PlannedStream[] {
  const { preset, types, pair } = what;
  const { fromMs, toMs } = range;
  if (countsPeople(what.calc) && preset !== 'pair') return peopleStreams({ ...what, preset }, prefix, range, windows);
  const grain = grainOf(windows, range, every);
  const stream = (name: string, ids: readonly string[], counterpart?: string): CountStream => ({
    kind: 'counts',
    name: `${prefix}${name}`,
    preset,
    ids,
    counterpart,
    types,
    fromMs,
    toMs,
    grain,
  });
  if (pair !== undefined)
    return what.ids.map((id) => {
      const to = id === pair[0] ? pair[1] : pair[0];
      return stream(`${id} to ${to}`, [id], to);
    });
  if (what.ids.length === 0) return [stream(preset, [])];
  const size = what.groupBy.has('id') ? 1 : Math.max(IDS_PER_STREAM, Math.ceil(what.ids.length / MOST_STREAMS));
  const streams: CountStream[] = [];
  for (let at = 0; at < what.ids.length; at += size) {
    const ids = what.ids.slice(at, at + size);
    streams.push(stream(ids.join(' + '), ids));
  }
  return streams;
}

/** A person counts once, whichever of several ids it was: those that are not told apart share a stream. */
function peopleStreams(
  { preset, ids, types, groupBy }: What & { readonly preset: PeopleStream['preset'] },
  prefix: string,
  range: Range,
  windows: readonly Window[],
): PlannedStream[] {
  const typed = groupBy.has('type');
  const stream = (name: string, own: readonly string[], within: Range, timed: boolean): PeopleStream => ({
    kind: 'people',
    name: `${prefix}${name}`,
    preset,
    ids: own,
    types,
    fromMs: within.fromMs,
    toMs: within.toMs,
    timed,
    typed,
  });
  const parts = ids.length === 0 ? [[]] : groupBy.has('id') ? ids.map((id) => [id]) : [ids];
  const apart = windows.length === 1 || (ids.length === 0 && windows.length <= MOST_WINDOW_STREAMS);
  return parts.flatMap((own) => {
    const name = own.length === 0 ? preset : own.join(' + ');
    if (!apart) return [stream(name, own, range, true)];
    return windows.flatMap(({ startMs, endMs }, window) => {
      const within = { fromMs: Math.max(startMs, range.fromMs), toMs: Math.min(endMs, range.toMs) };
      if (within.fromMs >= within.toMs) return [];
      return [{ ...stream(`${name} ${window + 1}`, own, within, false), window }];
    });
  });
}

/**
 * The longest UTC windows that divide all of these windows, so that their counts add up exactly. Where all windows are equally long that is
 * their own length, shifted; where a clock change lies between them, most often an hour.
 */
export function grainOf(windows: readonly Window[], range: Range, every: Duration): Grain | null {
  let first: number | undefined;
  let before = 0;
  let everyMs = 0;
  const add = (bound: number): void => {
    if (bound <= range.fromMs || bound >= range.toMs) return;
    // Nearly all are as long as the one before.
    if (first === undefined) first = bound;
    else if (everyMs === 0 || (bound - before) % everyMs !== 0) everyMs = gcd(everyMs, bound - before);
    before = bound;
  };
  for (const { startMs } of windows) add(startMs);
  const last = windows.at(-1);
  if (last !== undefined) add(last.endMs);
  if (first === undefined) return null;
  // One bound alone does not say how long the windows are, and any length that reaches to it will do.
  if (everyMs === 0) everyMs = every.kind === 'ms' ? every.ms : DAY_MS;
  return { everyMs, offsetMs: ((first % everyMs) + everyMs) % everyMs };
}

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** The earlier range may be longer by the hours that its clock repeated. */
const MOST_EARLIER_WINDOWS = 2 * MAX_WINDOWS;

/**
 * The range and windows that much earlier on the wall clock: its window of index i is compared with today's of index i.
 * @param single whether the range as asked is one window
 */
function earlierReading(
  what: What,
  single: boolean,
  compareTo: Duration,
  every: Duration,
  windows: readonly Window[],
  context: PlanContext,
): Reading {
  const { zone } = context;
  const fromLocal = toLocal(zone, context.fromMs);
  const toLocalMs = toLocal(zone, context.toMs);
  const fromEarlier = earlierLocal(fromLocal, compareTo);
  const shift: Shift =
    compareTo.kind === 'months' && every.kind === 'months'
      ? { ms: 0, months: compareTo.months }
      : // Days differ in number from month to month: the first is compared with its namesake, the others follow one by one.
        { ms: fromLocal - fromEarlier, months: 0 };
  const fromMs = toInstant(zone, shift.months > 0 ? fromEarlier : fromLocal - shift.ms);
  const toMs = toInstant(zone, shift.months > 0 ? earlierLocal(toLocalMs, compareTo) : toLocalMs - shift.ms);
  if (fromMs < MIN_TIME_MS)
    throw new UserpulseError('bad_request', 'compareTo leads to times before 1678, which InfluxDB cannot hold.', {
      hint: 'Use a shorter compareTo.',
    });
  if (fromMs >= toMs) return { fromMs, toMs, windows: [], streams: [] };
  const earlier = single
    ? windows.map((window) => ({ ...window, startMs: fromMs, endMs: toMs }))
    : sharedWindows({ fromMs, toMs, every, zone, limit: MOST_EARLIER_WINDOWS, shift });
  if (earlier.length > MOST_EARLIER_WINDOWS) {
    const fit = chooseWindows('auto', { fromMs, toMs, zone }, { intervalMs: undefined, maxDataPoints: MAX_WINDOWS });
    throw new UserpulseError(
      'too_many_windows',
      `The clock of ${zone.name} was set back in the range that compareTo leads to: every "${formatDuration(every)}" gives more than ${MOST_EARLIER_WINDOWS.toLocaleString('en-US')} windows there.`,
      { hint: `Use every "${formatDuration(fit.every)}" or longer, or leave compareTo out.` },
    );
  }
  return { fromMs, toMs, windows: earlier, streams: streamsOf(what, 'compare ', { fromMs, toMs }, earlier, every) };
}

/** A wall-clock time that much earlier; a day that its month does not have becomes the month's last. */
function earlierLocal(localMs: number, by: Duration): number {
  switch (by.kind) {
    case 'ms':
      return localMs - by.ms;
    case 'months': {
      const date = new Date(localMs);
      const day = date.getUTCDate();
      const month = date.getUTCFullYear() * 12 + date.getUTCMonth() - by.months;
      const year = Math.floor(month / 12);
      const lastDay = new Date(Date.UTC(year, month - year * 12 + 1, 0)).getUTCDate();
      return (
        Date.UTC(year, month - year * 12, Math.min(day, lastDay)) + (localMs - Math.floor(localMs / DAY_MS) * DAY_MS)
      );
    }
    default:
      return by satisfies never;
  }
}

export const everyText = (plan: SeriesPlan): string => formatDuration(plan.every);
