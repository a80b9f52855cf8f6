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

/** Ids that are all known, with how often they occur. */
export interface AllCounts {
  /** Ids that occur more often than `least`: at most so many. */
  frequent(most: number, least: number): Frequent;
  /** 0 where it does not occur. */
  countOf(id: string): number;
}

/** The least number from `least` on that at most `most` of the counts exceed. May sort them. */
export function boundOf(counts: Uint32Array, most: number, least = 0): number {
  let above = 0;
  for (const count of counts) if (count > least) above++;
  return above <= most ? least : (counts.sort().at(-1 - most) ?? 0);
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
/** Ids that are told from each other of those that are all known. */
const MOST_FREQUENT = 1_000;
/** An id that is so many times rarer than the first are is not looked at. The fewer are, the more of those on lists have to be. */
const RARE = 16;

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
const NO_SUM: Readonly<Sum> = { count: 0, bounds: 0 };

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
   * @param all beside what was added: of these, every id's count is known
   * @returns undefined where an id that is on no list could be, or too many would have to be looked up
   */
  candidates(n: number, all: readonly AllCounts[] = []): readonly Candidate[] | undefined {
    const countOf = (id: string): number => all.reduce((sum, each) => sum + each.countOf(id), 0);
    const nthAtLeast = this.#nthAtLeast(n, countOf);
    const least = Math.max(0, Math.floor((nthAtLeast - this.#bounds) / (RARE * Math.max(1, all.length))));
    const frequent = all.map((each) => each.frequent(MOST_FREQUENT, least));
    const unlisted = frequent.reduce((sum, { bound }) => sum + bound, 0);

    const found = new Map<string, Candidate>();
    const consider = (id: string, { count, bounds }: Readonly<Sum>): void => {
      if (found.has(id)) return;
      this.#memory(ID_BYTES);
      const own = count + countOf(id);
      found.set(id, { id, least: own, most: own + this.#bounds - bounds });
    };
    for (const { ids } of frequent)
      for (const { id } of ids) consider(id, this.#ids.get(id) ?? this.#before.ids.get(id) ?? NO_SUM);
    // Of all others it is known how often they can occur in what is added to their lists.
    const canBe = ({ count, bounds }: Readonly<Sum>): boolean => count + this.#bounds - bounds + unlisted >= nthAtLeast;
    for (const [id, sum] of this.#ids) if (canBe(sum)) consider(id, sum);
    for (const [id, sum] of this.#before.sorted) {
      // Nor can any that follow.
      if (sum.count + this.#bounds + unlisted < nthAtLeast) break;
      if (canBe(sum) && !this.#ids.has(id)) consider(id, sum);
    }
    const nth = nthGreatest(
      Array.from(found.values(), (each) => each.least),
      n,
    );
    // An id on no list could draw level, and come first by its digits. Where there are fewer than n, it would be among them at once.
    if (this.#bounds + unlisted >= (nth ?? 1)) return undefined;
    const candidates = [...found.values()].filter(({ most }) => most >= (nth ?? 0));
    return candidates.filter((each) => each.least < each.most).length > mostLookedUp(n) ? undefined : candidates;
  }

  /** 0 where there may be fewer than n. */
  #nthAtLeast(n: number, countOf: (id: string) => number): number {
    const counts = Array.from(this.#ids.values(), ({ count }) => count);
    let unchanged = 0;
    for (const [id, { count }] of this.#before.sorted) {
      if (unchanged === n) break;
      if (this.#ids.has(id)) continue;
      counts.push(count + countOf(id));
      unchanged++;
    }
    return nthGreatest(counts, n) ?? 0;
  }
}

function nthGreatest(counts: readonly number[], n: number): number | undefined {
  return Float64Array.from(counts).sort().at(-n);
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
