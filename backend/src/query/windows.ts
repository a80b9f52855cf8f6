import { DAY_MS, HOUR_MS, WEEK_MS, type Duration } from './duration.ts';
import type { Span, Zone } from './zone.ts';

/**
 * Local wall-clock windows: multiples of their length from 1970-01-01 00:00 local, multiples of 7 days from a Monday, months
 * and years from the first.
 *
 * Where the clock changes:
 * - A window of an hour or more begins the first time the wall clock reaches its start, as in Flux. So each local start occurs once, and
 *   the window that holds the change is longer or shorter; a window that the clock jumps over does not exist.
 * - Windows below an hour follow the clock: those of an hour that is repeated occur twice, one after the other.
 */
export interface Window {
  /** Aligned start in epoch ms, even where the asked range begins later. */
  readonly startMs: number;
  /** Exclusive end in epoch ms; the next window's start. */
  readonly endMs: number;
  /** Number of the window on the local wall clock, counted from 1970: what `compareTo` matches by. */
  readonly index: number;
  /** 0, or 1 for the second window of this index on a day when the clock is set back. */
  readonly occurrence: 0 | 1;
}

/** What has happened of the range as asked. */
export interface Happened {
  readonly fromMs: number;
  /** The end of the range, or now where that is earlier. */
  readonly untilMs: number;
}

/** How much of a window lies in what has happened, in ms. */
export const happenedMs = (window: Pick<Window, 'startMs' | 'endMs'>, { fromMs, untilMs }: Happened): number =>
  Math.max(0, Math.min(window.endMs, untilMs) - Math.max(window.startMs, fromMs));

/** When each begins, in epoch ms. */
export function startsOf(windows: readonly Window[]): Float64Array {
  const starts = new Float64Array(windows.length);
  for (const [at, { startMs }] of windows.entries()) starts[at] = startMs;
  return starts;
}

/** The Monday of the week of 1970-01-01 (a Thursday). */
const MONDAY_MS = -3 * DAY_MS;

/** Wall-clock time of the start of the windows' grid. */
const originOf = (everyMs: number): number => (everyMs % WEEK_MS === 0 ? MONDAY_MS : 0);

/** Where local windows lie on the wall clock, moved back by a shift. */
interface Grid {
  indexOf(localMs: number): number;
  localStart(index: number): number;
  /** Whether a clock that is set back repeats windows. */
  readonly repeats: boolean;
}

/** A shift of whole windows' worth of wall clock, or of months where windows are months. */
export type Shift = { readonly ms: number; readonly months: number };
export const NO_SHIFT: Shift = { ms: 0, months: 0 };

function gridOf(every: Duration, shift: Shift): Grid {
  switch (every.kind) {
    case 'ms': {
      const origin = originOf(every.ms) - shift.ms;
      return {
        indexOf: (local) => Math.floor((local - origin) / every.ms),
        localStart: (index) => index * every.ms + origin,
        repeats: every.ms < HOUR_MS,
      };
    }
    case 'months':
      return {
        indexOf: (local) => Math.floor((monthOf(local + shift.ms) + shift.months) / every.months),
        localStart: (index) => monthStart(index * every.months - shift.months) - shift.ms,
        repeats: false,
      };
    default:
      return every satisfies never;
  }
}

/** Months since 1970-01 of a wall-clock time. */
function monthOf(localMs: number): number {
  const date = new Date(localMs);
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
}

const monthStart = (month: number): number => Date.UTC(1970, month, 1);

/** Wall-clock time of an instant. */
export function toLocal(zone: Zone, ms: number): number {
  return ms + offsetAt(zone.spans(ms, ms + 1), ms);
}

function offsetAt(spans: readonly Span[], ms: number): number {
  const span = spans.find((s) => ms >= s.startMs && ms < s.endMs);
  if (span === undefined) throw new RangeError(`No offset is known at ${ms}.`);
  return span.offsetMs;
}

/** Clocks have been set by up to a day (Samoa, 2011). */
const MOST_SET_MS = 2 * DAY_MS;

/** First instant at which the wall clock shows `localMs` or, where that is jumped over, later. */
export function toInstant(zone: Zone, localMs: number): number {
  for (const span of zone.spans(localMs - MOST_SET_MS, localMs + MOST_SET_MS)) {
    if (localMs - span.offsetMs < span.endMs) return Math.max(localMs - span.offsetMs, span.startMs);
  }
  throw new RangeError(`No offset is known at ${localMs}.`);
}

interface WindowsAsked {
  readonly fromMs: number;
  readonly toMs: number;
  readonly every: Duration;
  readonly zone: Zone;
  readonly limit: number;
  readonly shift?: Shift;
}

/** Windows that were laid out last: the panels of a dashboard have the same ones. The oldest first. */
const recent = new Map<string, readonly Window[]>();
/** Of them, and of each: a hundred bytes or so a window. */
const MOST_RECENT = 8;
const MOST_WINDOWS = 2_000;

/** As {@link localWindows}, of a range that others ask for at the same time. */
export function sharedWindows(asked: WindowsAsked): readonly Window[] {
  const { fromMs, toMs, every, zone, limit, shift = NO_SHIFT } = asked;
  const length = every.kind === 'ms' ? every.ms : `${every.months} months`;
  const key = [fromMs, toMs, length, zone.name, limit, shift.ms, shift.months].join(' ');
  const known = recent.get(key);
  if (known !== undefined) return known;
  const windows = localWindows(asked);
  if (windows.length > MOST_WINDOWS) return windows;
  for (const oldest of recent.keys()) {
    if (recent.size < MOST_RECENT) break;
    recent.delete(oldest);
  }
  recent.set(key, windows);
  return windows;
}

/**
 * The windows that overlap [fromMs, toMs), ascending and adjoining. Stops when there are more than `limit`.
 * @returns at most limit + 1 windows
 */
export function localWindows(asked: WindowsAsked): Window[] {
  const { fromMs, toMs, every, zone, limit, shift = NO_SHIFT } = asked;
  const grid = gridOf(every, shift);
  return grid.repeats
    ? repeatingWindows(grid, fromMs, toMs, zone, limit)
    : growingWindows(grid, fromMs, toMs, zone, limit);
}

/** Windows of an hour or more: a boundary lies where the wall clock first reaches it. */
function growingWindows(grid: Grid, fromMs: number, toMs: number, zone: Zone, limit: number): Window[] {
  const out: Window[] = [];
  // On a repeated hour the wall clock may show an earlier window than the one that is still open: look one window ahead.
  let index = grid.indexOf(toLocal(zone, fromMs)) + 1;
  while (toInstant(zone, grid.localStart(index)) > fromMs) index--;
  while (toInstant(zone, grid.localStart(index + 1)) <= fromMs) index++;
  const lookUp = instants(zone, grid.localStart(index), toMs);
  let startMs = lookUp(grid.localStart(index));
  while (startMs < toMs && out.length <= limit) {
    const endMs = lookUp(grid.localStart(index + 1));
    if (endMs > startMs && endMs > fromMs) out.push({ startMs, endMs, index, occurrence: 0 });
    startMs = endMs;
    index++;
  }
  return out;
}

/** {@link toInstant} for ascending wall-clock times, without looking up the zone each time. */
function instants(zone: Zone, firstLocalMs: number, toMs: number): (localMs: number) => number {
  const spans = zone.spans(firstLocalMs - MOST_SET_MS, toMs + MOST_SET_MS);
  let at = 0;
  return (localMs) => {
    for (let span = spans[at]; span !== undefined; span = spans[++at])
      if (localMs - span.offsetMs < span.endMs) return Math.max(localMs - span.offsetMs, span.startMs);
    // Only the end of a long last window lies beyond what was looked up.
    return toInstant(zone, localMs);
  };
}

/** Windows below an hour: each span of one offset has its own. */
function repeatingWindows(grid: Grid, fromMs: number, toMs: number, zone: Zone, limit: number): Window[] {
  const out: Window[] = [];
  let shownBefore = -Infinity;
  for (const span of zone.spans(fromMs - MOST_SET_MS, toMs)) {
    const first = Math.max(span.startMs, fromMs);
    for (let index = grid.indexOf(first + span.offsetMs); first < span.endMs; index++) {
      const local = grid.localStart(index);
      const startMs = Math.max(local - span.offsetMs, span.startMs);
      if (startMs >= Math.min(toMs, span.endMs)) break;
      const endMs = Math.min(grid.localStart(index + 1) - span.offsetMs, span.endMs);
      const occurrence = local < shownBefore ? 1 : 0;
      const previous = out.at(-1);
      if (previous?.index === index && previous.occurrence === occurrence && previous.endMs === startMs) {
        // The clock was put forward, but not beyond this window's end.
        out[out.length - 1] = { ...previous, endMs };
        continue;
      }
      out.push({ startMs, endMs, index, occurrence });
      if (out.length > limit) return out;
    }
    shownBefore = span.endMs + span.offsetMs;
  }
  return out;
}
