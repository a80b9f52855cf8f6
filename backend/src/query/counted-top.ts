import type { IdFormatRow } from '../../../contract/ids.ts';

/*
 * A ranking from lists of first ids, of counted hours and of what was read from points. It is exact, or it is not given: an id that is not on a
 * list may still have occurred there as often as the list's bound says.
 */

export interface IdCount {
  readonly id: string;
  readonly count: number;
}

/** Ids that occur most: at most so many as were asked for. */
export interface Frequent {
  /** In any order. */
  readonly ids: readonly IdCount[];
  /** No other id occurs more often; 0 where there is none. */
  readonly bound: number;
}

/** The least number that at most `most` of the counts exceed. Sorts them. */
export function boundOf(counts: Uint32Array, most: number): number {
  return counts.length <= most ? 0 : (counts.sort().at(-1 - most) ?? 0);
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

/** What lists add up to that many rankings have in common. It does not change. */
export class ListSum {
  readonly ids: ReadonlyMap<string, Readonly<Sum>>;
  /** Of all lists. */
  readonly bounds: number;
  /** All ids, the greatest counts first. */
  readonly sorted: readonly (readonly [string, Readonly<Sum>])[];

  constructor(lists: Iterable<Frequent>) {
    const ids = new Map<string, Sum>();
    let bounds = 0;
    for (const list of lists) {
      bounds += list.bound;
      addList(ids, list);
    }
    this.ids = ids;
    this.bounds = bounds;
    this.sorted = [...ids].sort(([, a], [, b]) => b.count - a.count);
  }

  get bytes(): number {
    return this.sorted.length * ID_BYTES;
  }
}

const NOTHING = new ListSum([]);

/** @param begin called for each id that has no sum yet. @returns what its sum begins with; undefined: nothing */
function addList(
  sums: Map<string, Sum>,
  { ids, bound }: Frequent,
  begin: (id: string) => Readonly<Sum> | undefined = () => undefined,
): void {
  for (const { id, count } of ids) {
    const known = sums.get(id);
    if (known === undefined) {
      const before = begin(id);
      sums.set(id, { count: count + (before?.count ?? 0), bounds: bound + (before?.bounds ?? 0) });
    } else {
      known.count += count;
      known.bounds += bound;
    }
  }
}

export class Shortlist {
  readonly #before: ListSum;
  /** Of the ids that have been added, with what they were before. */
  readonly #ids = new Map<string, Sum>();
  readonly #memory: (change: number) => void;
  #bounds: number;

  /**
   * @param memory told how many bytes more are taken; what it throws ends the adding
   * @param before what it begins with
   */
  constructor(memory: (change: number) => void = () => undefined, before = NOTHING) {
    this.#memory = memory;
    this.#before = before;
    this.#bounds = before.bounds;
    // Whoever keeps it may let go of it meanwhile.
    if (before.bytes > 0) this.#memory(before.bytes);
  }

  add(list: Frequent): void {
    this.#bounds += list.bound;
    addList(this.#ids, list, (id) => {
      this.#memory(ID_BYTES);
      return this.#before.ids.get(id);
    });
  }

  /**
   * All that can be among the first n.
   * @returns undefined where an id that is on no list could be, or too many would have to be looked up
   */
  candidates(n: number): readonly Candidate[] | undefined {
    const nth = nthGreatest([...this.#ids.values(), ...this.#firstUnchanged(n)], n);
    // An id on no list could draw level, and come first by its digits. Where there are fewer than n, it would be among them at once.
    if (this.#bounds >= (nth ?? 1)) return undefined;
    const candidates: Candidate[] = [];
    let lookedUp = 0;
    const consider = (id: string, { count, bounds }: Readonly<Sum>): void => {
      const most = count + this.#bounds - bounds;
      if (most < (nth ?? 0)) return;
      candidates.push({ id, least: count, most });
      if (most > count) lookedUp++;
    };
    for (const [id, sum] of this.#ids) consider(id, sum);
    for (const [id, sum] of this.#before.sorted) {
      // Nor can any that follow.
      if (sum.count + this.#bounds < (nth ?? 0)) break;
      if (!this.#ids.has(id)) consider(id, sum);
    }
    return lookedUp > mostLookedUp(n) ? undefined : candidates;
  }

  /** The greatest of those that nothing was added to. */
  #firstUnchanged(n: number): Readonly<Sum>[] {
    const first: Readonly<Sum>[] = [];
    for (const [id, sum] of this.#before.sorted) {
      if (first.length === n) break;
      if (!this.#ids.has(id)) first.push(sum);
    }
    return first;
  }
}

function nthGreatest(sums: readonly Readonly<Sum>[], n: number): number | undefined {
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
