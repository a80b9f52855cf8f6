import { prefixOf, prefixSchemeText, type PrefixScheme } from '../schema/buckets.ts';

/** How a scheme spreads some distinct ids. */
export interface Spread {
  readonly ids: number;
  readonly prefixes: number;
  /** Distinct ids on the fullest prefix. */
  readonly fullest: number;
  /**
   * A query for one id reads the points of one in this many ids: the inverse of the chance that two ids share a prefix, which a sample
   * tells without bias however small it is. At most the number of pairs in the sample.
   */
  readonly readsOneIn: number;
}

export function spreadOf(ids: Iterable<string>, scheme: PrefixScheme): Spread {
  const counts = new Map<string, number>();
  let total = 0;
  for (const id of ids) {
    const prefix = prefixOf(id, scheme);
    counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
    total += 1;
  }
  let pairs = 0;
  let fullest = 0;
  for (const count of counts.values()) {
    pairs += (count * (count - 1)) / 2;
    fullest = Math.max(fullest, count);
  }
  const readsOneIn = total < 2 ? total : (total * (total - 1)) / 2 / Math.max(1, pairs);
  return { ids: total, prefixes: counts.size, fullest, readsOneIn };
}

/** Fewer distinct ids than this say nothing about a scheme. */
export const MIN_IDS = 200;
/** How many times less another scheme must read before a change is worth its trouble. */
const BETTER_BY = 3;
/**
 * Reading one in this many ids is enough: of ten million points that is ten thousand, which add less to a query than Flux itself costs
 * (docs/schemes.md).
 */
export const ENOUGH = 1_000;
/** Digits beyond which the number of series is no longer bounded by much: 10^6 prefixes for each type. */
const LONGEST = 6;

export interface SchemeVerdict {
  readonly current: Spread;
  /** The scheme that these ids would be best served by: the current one, unless another reads several times less. */
  readonly best: PrefixScheme;
  readonly bestSpread: Spread;
  readonly otherIsBetter: boolean;
}

/**
 * Judges a scheme by ids that really occur. Sequential ids of equal length share their leading digits (10,000,000 to 11,000,000 fall on
 * 101 prefixes of first:4, on 10,000 of last:4), so a query reads the points of far more users than it asks for.
 */
export function judgeScheme(ids: ReadonlySet<string>, scheme: PrefixScheme): SchemeVerdict {
  const current = spreadOf(ids, scheme);
  const same: SchemeVerdict = { current, best: scheme, bestSpread: current, otherIsBetter: false };
  if (current.ids < MIN_IDS || current.readsOneIn >= ENOUGH) return same;
  const best = bestScheme(ids, scheme.length);
  const bestSpread = spreadOf(ids, best);
  if (bestSpread.readsOneIn < current.readsOneIn * BETTER_BY) return same;
  return { current, best, bestSpread, otherIsBetter: true };
}

/** The shortest scheme from a length up that reads little enough, or else the one that reads least; of equals the one by the first digits. */
export function bestScheme(ids: ReadonlySet<string>, shortest: number): PrefixScheme {
  let best: { readonly scheme: PrefixScheme; readonly readsOneIn: number } | undefined;
  for (let length = shortest; length <= Math.max(shortest, LONGEST); length++) {
    for (const side of ['first', 'last'] as const) {
      const scheme = { side, length };
      const { readsOneIn } = spreadOf(ids, scheme);
      if (best === undefined || readsOneIn > best.readsOneIn) best = { scheme, readsOneIn };
    }
    if (best !== undefined && best.readsOneIn >= ENOUGH) break;
  }
  if (best === undefined) throw new RangeError(`There is no scheme of length ${shortest}.`);
  return best.scheme;
}

/** `101 prefixes of first:4, so a query for one user reads the points of one in 101` */
export const spreadText = (spread: Spread, scheme: PrefixScheme): string =>
  `${prefixSchemeText(scheme)} puts them on ${spread.prefixes.toLocaleString('en-US')} prefixes, and a query for one user reads the points of one in ${Math.round(spread.readsOneIn).toLocaleString('en-US')}`;

/** The schemes under which every one of these points could have been written; empty where no single one explains them. */
export function schemesThatExplain(
  points: readonly { readonly id: string; readonly prefix: string }[],
): readonly PrefixScheme[] {
  const length = Math.max(0, ...points.map((p) => p.prefix.length));
  if (length === 0) return [];
  return (['first', 'last'] as const)
    .map((side) => ({ side, length }))
    .filter((scheme) => points.every((p) => prefixOf(p.id, scheme) === p.prefix));
}
