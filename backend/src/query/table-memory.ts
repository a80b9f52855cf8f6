import type { Claim } from './budget.ts';
import type { Plan } from './plan.ts';
import type { RankingSizes } from './ranking-size.ts';

/**
 * Fills a table, which grows as ids come, beyond what was expected of it where it must.
 * @param sizes told how large it became, or that it was refused
 * @param expected bytes that the claim has for it
 * @param work is given what to tell how many bytes more or less the table takes; that throws as {@link Claim.grow}
 * @throws what the work throws
 */
export async function growing<T>(
  sizes: RankingSizes,
  plan: Plan,
  claim: Claim,
  expected: number,
  work: (memory: (change: number) => void) => Promise<T>,
): Promise<T> {
  let [table, most, reserved] = [0, 0, expected];
  const memory = (change: number): void => {
    if (table + change > reserved) {
      try {
        claim.grow(table + change - reserved);
      } catch (error) {
        sizes.wasRefused(plan, table);
        throw error;
      }
      reserved = table + change;
    }
    table += change;
    most = Math.max(most, table);
  };
  try {
    const done = await work(memory);
    sizes.was(plan, most);
    return done;
  } finally {
    // What was planned goes back with the rest of the query.
    claim.shrink(reserved - expected);
  }
}
