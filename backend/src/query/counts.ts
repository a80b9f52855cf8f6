import { MAX_SERIES } from '../../../contract/limits.ts';
import type { CountHandler } from '../influx/count-reader.ts';
import { tooManySeries, type Reading, type SeriesPlan } from './plan.ts';
import { Slabs } from './slabs.ts';
import type { Window } from './windows.ts';

/** Labels of a series; one that the query does not group by is absent. */
export interface SeriesKey {
  readonly id: string | undefined;
  readonly type: string | undefined;
}

/** Counts by window, in the order of the reading's windows. */
export interface Series extends SeriesKey {
  readonly counts: Float64Array;
}

/** Index of the window that holds an instant; windows adjoin. -1 before the first. */
export function windowAt(windows: readonly Window[], ms: number): number {
  let low = 0;
  let high = windows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((windows[middle]?.startMs ?? Infinity) <= ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const holds = (window: Window | undefined, ms: number): boolean =>
  window !== undefined && ms >= window.startMs && ms < window.endMs;

/** Where a series is counted. */
export interface CountedSeries {
  /** By window. */
  readonly values: Float64Array;
  /** Its number among the series of the reading, from 0. */
  readonly ordinal: number;
}

/** Adds up the counts of grains to the counts of windows, series by series. */
export class Counts {
  readonly #plan: SeriesPlan;
  readonly #reading: Reading;
  readonly #byId = new Map<string | undefined, Map<string | undefined, CountedSeries>>();
  readonly #slabs: Slabs;
  #series = 0;
  #scrap: Float64Array | undefined;

  constructor(plan: SeriesPlan, reading: Reading) {
    this.#plan = plan;
    this.#reading = reading;
    this.#slabs = new Slabs(reading.windows.length);
    for (const id of this.#ids()) {
      this.#byId.set(id, new Map());
      // A type that was asked for has a series even where nothing happened.
      if (!plan.groupBy.has('type')) this.#counts(id, undefined);
      else for (const type of plan.types) this.#counts(id, type);
    }
  }

  #ids(): readonly (string | undefined)[] {
    return this.#plan.groupBy.has('id') && this.#plan.ids.length > 0 ? this.#plan.ids : [undefined];
  }

  #counts(id: string | undefined, type: string | undefined): CountedSeries {
    const byType = this.#byId.get(id);
    if (byType === undefined) throw new Error(`A row came for id ${String(id)}, which was not asked for.`);
    const known = byType.get(type);
    if (known !== undefined) return known;
    if (++this.#series > MAX_SERIES * 10) throw tooManySeries(this.#series);
    // More are counted, for the message, but not kept: the query fails, and must not take more memory than was planned.
    const values = this.#series > MAX_SERIES ? this.#unkept() : this.#slabs.next();
    const counted = { values, ordinal: this.#series - 1 };
    byType.set(type, counted);
    return counted;
  }

  /** Series so far, those that are not kept included. */
  get size(): number {
    return this.#series;
  }

  #unkept(): Float64Array {
    return (this.#scrap ??= new Float64Array(this.#reading.windows.length));
  }

  /** The series that rows of this id and type belong to. */
  at(id: string | undefined, type: string): CountedSeries {
    return this.#counts(
      this.#plan.groupBy.has('id') && this.#plan.ids.length > 0 ? id : undefined,
      this.#plan.groupBy.has('type') ? type : undefined,
    );
  }

  /** Takes the counts of the grains of one id and type, which may come in any order. */
  handler(id: string | undefined, type: string): CountHandler {
    const counts = this.at(id, type).values;
    const { windows } = this.#reading;
    let at = 0;
    return (ms, count) => {
      // Grains come in the order of time, so most often the next one lies in this window or the next.
      if (ms !== null && !holds(windows[at], ms) && !holds(windows[++at], ms)) at = Math.max(windowAt(windows, ms), 0);
      counts[at] = (counts[at] ?? 0) + count;
    };
  }

  /** Series in the order of the ids and types asked for; types that were not asked for by name. An id without any gets one of zeros. */
  series(): Series[] {
    const out: Series[] = [];
    for (const [id, byType] of this.#byId) {
      if (byType.size === 0) out.push({ id, type: undefined, counts: this.#slabs.next() });
      const types = [...byType.keys()];
      if (this.#plan.types.length === 0) types.sort();
      for (const type of types) {
        const counted = byType.get(type);
        if (counted !== undefined) out.push({ id, type, counts: counted.values });
      }
    }
    return out;
  }
}
