import type { Plan } from './plan.ts';

/**
 * What tables of ids have taken lately, because no plan can say how many different ids there will be: by what is counted, and by the length of
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
  expected(plan: Plan): number {
    return this.#bytes.get(keyOf(plan)) ?? 0;
  }

  /** @param bytes that a table took when it was whole */
  was(plan: Plan, bytes: number): void {
    this.#bytes.set(keyOf(plan), Math.min(bytes, this.#most));
  }

  /** @param bytes that a table had when it was refused more */
  wasRefused(plan: Plan, bytes: number): void {
    this.was(plan, Math.max(this.expected(plan), bytes * 2));
  }
}

function keyOf(plan: Plan): string {
  const [what, { fromMs, toMs }] =
    plan.kind === 'top'
      ? [`${plan.of}/${plan.id === undefined ? 'ids' : 'counterparts'}`, plan]
      : [`${plan.preset}/${plan.calc}/${plan.now.windows.length}`, plan.now];
  return `${what}/${Math.ceil(Math.log2(toMs - fromMs))}`;
}
