import { prefixOf, type PrefixScheme } from '../schema/buckets.ts';

/** How a scheme spreads some distinct ids. */
export interface Spread {
  readonly ids: number;
  readonly prefixes: number;
  /** Distinct ids on the fullest prefix. */
  readonly fullest: number;
}

export function spreadOf(ids: Iterable<string>, scheme: PrefixScheme): Spread {
  const counts = new Map<string, number>();
  let total = 0;
  for (const id of ids) {
    const prefix = prefixOf(id, scheme);
    counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
    total += 1;
  }
  return { ids: total, prefixes: counts.size, fullest: Math.max(0, ...counts.values()) };
}

/** Fewer distinct ids than this say nothing about a scheme. */
export const MIN_IDS = 200;
/** How many times more prefixes the other side of the id must give before a change is worth its trouble. */
const BETTER_BY = 3;

export interface SchemeVerdict {
  readonly current: Spread;
  /** The same length from the other side of the id. */
  readonly other: PrefixScheme;
  readonly otherSpread: Spread;
  /** Whether the other side would spread these ids much better. */
  readonly otherIsBetter: boolean;
}

/**
 * Judges a scheme by ids that really occur. Sequential ids of equal length share their leading digits (10,000,000 to 11,000,000 fall on
 * 101 prefixes of first:4, on 10,000 of last:4), so a query reads the points of far more users than it asks for.
 */
export function judgeScheme(ids: ReadonlySet<string>, scheme: PrefixScheme): SchemeVerdict {
  const other: PrefixScheme = { side: scheme.side === 'first' ? 'last' : 'first', length: scheme.length };
  const current = spreadOf(ids, scheme);
  const otherSpread = spreadOf(ids, other);
  return {
    current,
    other,
    otherSpread,
    otherIsBetter: current.ids >= MIN_IDS && otherSpread.prefixes >= current.prefixes * BETTER_BY,
  };
}

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
