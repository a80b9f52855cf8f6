import { idKindOf } from '../../../contract/presets.ts';
import type { Flux } from '../flux/literals.ts';
import type { InfluxReader } from '../influx/reader.ts';
import type { Schema } from '../schema/buckets.ts';
import { rankCounted, type CountedContext } from './counted-answers.ts';
import { createIdCounter } from './create-id-counter.ts';
import type { Ranking } from './frames.ts';
import { rankKept } from './kept-rankings.ts';
import type { TopPlan } from './plan.ts';
import type { RankingSizes } from './ranking-size.ts';
import type { Asker } from './shared-answers.ts';
import { growing } from './table-memory.ts';

export type Counterparts = Omit<Ranking, 'notices'>;

export interface RankingReaderOptions {
  readonly influx: InfluxReader;
  readonly schema: Schema;
  /** Whether counts of hours are believed instead of reading their points. */
  readonly hours: boolean;
  readonly counted: CountedContext;
  readonly sizes: RankingSizes;
}

/** Reads rankings: with the help of counted hours where that is exact, or from points. Failures are those of InfluxReader. */
export class RankingReader {
  readonly #o: RankingReaderOptions;

  constructor(options: RankingReaderOptions) {
    this.#o = options;
  }

  /** @param expected bytes that the claim has for its table */
  async read(
    plan: TopPlan,
    script: Flux,
    signal: AbortSignal,
    { claim, fresh }: Pick<Asker, 'claim' | 'fresh'>,
    expected: number,
  ): Promise<Counterparts> {
    return growing(this.#o.sizes, plan, claim, expected, async (memory) => {
      const top =
        this.#o.hours && plan.id === undefined ? await this.#rankCounted(plan, memory, fresh, signal) : undefined;
      if (top !== undefined) return { top, distinct: undefined };
      // At the other end of an interaction is always a user.
      const counter = createIdCounter(plan.id === undefined ? idKindOf(plan.of) : 'user', this.#o.schema, {
        memory,
      });
      await this.#o.influx.bytes(script, (chunk) => counter.push(chunk), signal);
      counter.end();
      return { top: counter.top(plan.n), distinct: plan.id === undefined ? undefined : counter.distinct };
    });
  }

  /** @returns undefined where counted hours do not help; what was taken of the memory is then given back */
  async #rankCounted(
    plan: TopPlan,
    memory: (change: number) => void,
    fresh: boolean,
    signal: AbortSignal,
  ): Promise<Counterparts['top'] | undefined> {
    let taken = 0;
    const take = (change: number): void => {
      memory(change);
      taken += change;
    };
    const { counted } = this.#o;
    const { lists, seals } = counted;
    const kept =
      fresh || lists === undefined || seals === undefined
        ? undefined
        : await rankKept({ ...counted, lists, seals }, plan, take, signal);
    const ranked = kept ?? (await rankCounted(fresh ? { ...counted, lists: undefined } : counted, plan, take, signal));
    if (ranked === undefined) memory(-taken);
    return ranked;
  }
}
