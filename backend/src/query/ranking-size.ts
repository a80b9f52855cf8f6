import type { TopPlan } from './plan.ts';

/**
 * What tables of ids have taken lately, because no plan can say how many different ids there will be: by what is ranked, and by the length of
 * the range, each to the next power of two. Rankings whose size is known wait for room like any other query, instead of being refused half-way.
 */
export class RankingSizes {
  readonly #most: number;
  readonly #bytes = new Map<string, number>();

  /** @param most what is expected at most, in bytes: a table may turn out smaller next time, which only a try can show */
  constructor(most: number) {
    this.#most = most;
  }

  /** In bytes; 0 where nothing is known. */
  expected(plan: TopPlan): number {
    return this.#bytes.get(keyOf(plan)) ?? 0;
  }

  /** @param bytes that a table took when it was whole */
  was(plan: TopPlan, bytes: number): void {
    this.#bytes.set(keyOf(plan), Math.min(bytes, this.#most));
  }

  /** @param bytes that a table had when it was refused more */
  wasRefused(plan: TopPlan, bytes: number): void {
    this.was(plan, Math.max(this.expected(plan), bytes * 2));
  }
}

const keyOf = ({ of, fromMs, toMs }: TopPlan): string => `${of}/${Math.ceil(Math.log2(toMs - fromMs))}`;
