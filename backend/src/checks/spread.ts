import { counted, formatNumber } from '../format.ts';
import type { IdFormatRow } from '../../../contract/ids.ts';
import { PREFIX_BY } from '../../../contract/prefix.ts';
import { prefixOf, prefixSchemeText, type PrefixScheme } from '../schema/buckets.ts';

/** How a scheme spreads a set of distinct ids. */
export interface Spread {
  readonly ids: number;
  readonly prefixes: number;
  /** Distinct ids on the fullest prefix. */
  readonly fullest: number;
  /**
   * A query for one id reads the points of one in this many ids: the inverse of the probability that two ids share a prefix, which a sample of
   * any size estimates without bias. At most the number of pairs in the sample.
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

/** With fewer distinct ids than this, a scheme is not judged. */
export const MIN_IDS = 200;
/** How many times less another scheme must read to be worth a change. */
const BETTER_BY = 3;
/**
 * Reading one in this many ids is enough: of ten million points that is ten thousand, which add less to a query than Flux itself costs
 * (docs/schemes.md).
 */
export const ENOUGH = 1_000;
/** Longer prefixes hardly bound the number of series: 10^6 prefixes for each type. */
const LONGEST = 6;

export interface SchemeVerdict {
  readonly current: Spread;
  /** The best scheme for these ids: the current one, unless another reads several times less. */
  readonly best: PrefixScheme;
  readonly bestSpread: Spread;
  readonly otherIsBetter: boolean;
}

/**
 * Judges a scheme by ids that occur. Sequential ids of equal length share their leading digits (10,000,000 to 11,000,000 have 101 prefixes
 * of first:4, but 10,000 of last:4), so that a query reads the points of many other users.
 */
export function judgeScheme(ids: ReadonlySet<string>, scheme: PrefixScheme, format: IdFormatRow): SchemeVerdict {
  const current = spreadOf(ids, scheme);
  const same: SchemeVerdict = { current, best: scheme, bestSpread: current, otherIsBetter: false };
  if (current.ids < MIN_IDS || current.readsOneIn >= ENOUGH) return same;
  const best = bestScheme(ids, scheme.length, format);
  const bestSpread = spreadOf(ids, best);
  if (bestSpread.readsOneIn < current.readsOneIn * BETTER_BY) return same;
  return { current, best, bestSpread, otherIsBetter: true };
}

/** The shortest scheme of at least a length that reads little enough, else the one that reads least; of equals, the one by first digits. */
export function bestScheme(ids: ReadonlySet<string>, shortest: number, { prefixes }: IdFormatRow): PrefixScheme {
  const candidates = ENDS.some((by) => prefixes[by] !== undefined) ? ENDS : (['hash'] as const);
  let best: { readonly scheme: PrefixScheme; readonly readsOneIn: number } | undefined;
  for (let length = shortest; length <= Math.max(shortest, LONGEST); length++) {
    for (const by of candidates) {
      if (length > Math.max(shortest, prefixes[by] ?? 0)) continue;
      const scheme = { by, length };
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
  `${prefixSchemeText(scheme)} puts them on ${counted(spread.prefixes, 'prefix', 'prefixes')}, and a query for one user reads the points of one in ${formatNumber(Math.round(spread.readsOneIn))}`;

/** Of schemes that suit a format, those whose prefixes people can read come first. */
const ENDS = ['first', 'last'] as const;

/** The schemes with which all of these points could have been written; empty where no single one explains them. */
export function schemesThatExplain(
  points: readonly { readonly id: string; readonly prefix: string }[],
): readonly PrefixScheme[] {
  const length = Math.max(0, ...points.map((p) => p.prefix.length));
  if (length === 0) return [];
  return PREFIX_BY.map((by) => ({ by, length })).filter((scheme) =>
    points.every((p) => prefixOf(p.id, scheme) === p.prefix),
  );
}
