import { DateTime, IANAZone } from 'luxon';

/**
 * A second, naive way to the answers of the query core, for tests: it watches the clock of a zone minute by minute and counts events one
 * by one. It shares no code with the backend. Window lengths are whole minutes.
 */
export interface OracleEvent {
  readonly ms: number;
  readonly type: string;
  readonly made: string;
  readonly received?: string;
  readonly share?: string;
}

export type Length = { readonly minutes: number } | { readonly months: number };

export interface OracleWindow {
  readonly startMs: number;
  readonly endMs: number;
  /** Number on the wall clock, and which time it occurs. */
  readonly key: string;
  readonly number: number;
  readonly occurrence: number;
}

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

/** Local minus UTC in ms; zones here change at whole quarters of an hour. */
export function clockOf(zone: string): (ms: number) => number {
  const luxon = IANAZone.create(zone);
  const quarters = new Map<number, number>();
  return (ms) => {
    const quarter = Math.floor(ms / (15 * MINUTE));
    let offset = quarters.get(quarter);
    if (offset === undefined) quarters.set(quarter, (offset = zone === 'UTC' ? 0 : luxon.offset(ms) * MINUTE));
    return offset;
  };
}

function numberOf(local: number, length: Length): number {
  if ('months' in length) {
    const date = new Date(local);
    return Math.floor(((date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth()) / length.months);
  }
  const size = length.minutes * MINUTE;
  // Multiples of weeks begin on Mondays; 1970-01-01 was a Thursday.
  return Math.floor((local + (size % (7 * DAY) === 0 ? 3 * DAY : 0)) / size);
}

/** Windows that overlap [fromMs, toMs). */
export function oracleWindows(fromMs: number, toMs: number, length: Length, zone: string): OracleWindow[] {
  const offset = clockOf(zone);
  const shortest = 'minutes' in length && length.minutes < 60;
  const back = 'months' in length ? length.months * 31 * DAY + 2 * DAY : length.minutes * MINUTE + 2 * DAY;
  const begin = Math.floor((fromMs - back) / MINUTE) * MINUTE;
  const starts: { ms: number; number: number; occurrence: number }[] = [];
  let shown = -Infinity;
  let earlierLocal = -Infinity;
  for (let ms = begin; ; ms += MINUTE) {
    const local = ms + offset(ms);
    const setBack = local < earlierLocal;
    earlierLocal = local;
    const number = shortest ? numberOf(local, length) : Math.max(shown, numberOf(local, length));
    const last = starts.at(-1);
    if (number !== last?.number || (shortest && setBack)) {
      const seen = shortest && starts.some((s) => s.number === number);
      starts.push({ ms, number, occurrence: seen ? 1 : 0 });
      if (ms >= toMs) break;
    }
    shown = number;
  }
  return starts.slice(0, -1).flatMap((start, i) => {
    const endMs = starts[i + 1]?.ms ?? Infinity;
    if (endMs <= fromMs) return [];
    const { number, occurrence } = start;
    return [{ startMs: start.ms, endMs, number, occurrence, key: `${number}/${occurrence}` }];
  });
}

/** The instant that many days before on the wall clock. */
export const daysBefore = (ms: number, days: number, zone: string): number =>
  DateTime.fromMillis(ms, { zone }).minus({ days }).toMillis();
