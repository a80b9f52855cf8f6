import type { IdFormatRow } from '../../../contract/ids.ts';

/*
 * A ranking from lists of first ids, of counted hours and of what was read from points. It is exact, or it is not given: an id that is not on a
 * list may still have occurred there as often as the list's bound says.
 */

export interface IdCount {
  readonly id: string;
  readonly count: number;
}

export interface Candidate {
  readonly id: string;
  /** How often it occurred at least, and at most. */
  readonly least: number;
  readonly most: number;
}

/** Candidates that are looked up one by one at most. */
const mostLookedUp = (n: number): number => 2 * n + 20;
/** Of an id in the sum, in bytes. */
const ID_BYTES = 192;

interface Sum {
  count: number;
  /** Of the lists that the id is on. */
  bounds: number;
}

export class Shortlist {
  readonly #ids = new Map<string, Sum>();
  readonly #memory: (change: number) => void;
  #bounds = 0;

  /** @param memory told how many bytes more are taken; what it throws ends the adding */
  constructor(memory: (change: number) => void = () => undefined) {
    this.#memory = memory;
  }

  /** @param bound no id that is not on the list occurs more often where it comes from */
  add(ids: Iterable<IdCount>, bound: number): void {
    this.#bounds += bound;
    for (const { id, count } of ids) {
      const known = this.#ids.get(id);
      if (known === undefined) {
        this.#memory(ID_BYTES);
        this.#ids.set(id, { count, bounds: bound });
      } else {
        known.count += count;
        known.bounds += bound;
      }
    }
  }

  /**
   * All that can be among the first n.
   * @returns undefined where an id that is on no list could be, or too many would have to be looked up
   */
  candidates(n: number): readonly Candidate[] | undefined {
    const nth = nthGreatest([...this.#ids.values()], n);
    // An id on no list could draw level, and come first by its digits. Where there are fewer than n, it would be among them at once.
    if (this.#bounds >= (nth ?? 1)) return undefined;
    const candidates: Candidate[] = [];
    let lookedUp = 0;
    for (const [id, { count, bounds }] of this.#ids) {
      const most = count + this.#bounds - bounds;
      if (most < (nth ?? 0)) continue;
      candidates.push({ id, least: count, most });
      if (most > count) lookedUp++;
    }
    return lookedUp > mostLookedUp(n) ? undefined : candidates;
  }
}

function nthGreatest(sums: readonly Sum[], n: number): number | undefined {
  const counts = Float64Array.from(sums, ({ count }) => count).sort();
  return counts.at(-n);
}

/** The first n: most first, ties by id ascending: int64 ids as numbers, others as text. */
export function firstOf(counts: readonly IdCount[], n: number, stored: IdFormatRow['stored']): IdCount[] {
  const order = idOrder(stored);
  return counts.toSorted((a, b) => b.count - a.count || order(a.id, b.id)).slice(0, n);
}

/** Ids ascending: int64 ids as numbers, others as text. */
export const idOrder =
  (stored: IdFormatRow['stored']) =>
  (a: string, b: string): number =>
    stored === 'int64' && a.length !== b.length ? a.length - b.length : a < b ? -1 : a > b ? 1 : 0;
