import { idKindOf } from '../../../contract/presets.ts';
import type { HourTop } from '../schema/hour-counts.ts';
import { HOUR_MS, type Hour } from '../schema/hour-marks.ts';
import { LEAST_HOURS, uncounted, wholeHours } from './counted.ts';
import {
  COUNTED_ID_BYTES,
  firstOn,
  idsOf,
  MOST_HEAD_POINTS,
  pointsOf,
  type CountedContext,
} from './counted-answers.ts';
import { Shortlist, type AllCounts, type IdCount } from './counted-top.ts';
import { createIdCounter } from './create-id-counter.ts';
import { IdsFrom, type HourIds, type KeptLists } from './kept-lists.ts';
import { MARGIN_HOURS } from './kept-parts.ts';
import type { TopPlan } from './plan.ts';
import { untilAborted } from './shared-answers.ts';
import type { Range } from './validate.ts';

export interface KeptContext extends CountedContext {
  readonly lists: KeptLists;
  readonly seals: NonNullable<CountedContext['seals']>;
}

/** What a ranking is made of where all hours still have the seals that they had at the last look. */
interface Guess {
  /** Of each hour of which something kept is used. */
  readonly seals: ReadonlyMap<Hour, string>;
  readonly lists: readonly HourTop[];
  /** Of the hour that the range begins in, where they are kept. */
  readonly head: HourIds | undefined;
  /** Whose ids are read. */
  readonly ranges: readonly Range[];
}

/**
 * As rankCounted, where everything that it would read of sealed hours is kept: the ids of all other hours, and the look that says whether what is kept
 * is still good, are asked for at once, in one script.
 * @param memory told how many bytes more or less are taken; where this returns undefined, as many as before
 * @returns undefined where something is not kept, or an hour is not what it was: then it must be read
 */
export async function rankKept(
  context: KeptContext,
  plan: TopPlan,
  memory: (change: number) => void,
  signal: AbortSignal,
): Promise<readonly IdCount[] | undefined> {
  const { lists, seals } = context;
  const { of, types, fromMs } = plan;
  const guess = await guessOf(context, plan, signal);
  if (guess === undefined) return undefined;
  let taken = 0;
  const take = (change: number): void => {
    memory(change);
    taken += change;
  };
  const { first, end } = wholeHours(plan);
  // With the hour that the range begins in. In the same turn as the ids, so that both go into one script.
  const seen = seals.look({ first: first - 1, end }).then(
    () => true,
    () => false,
  );
  const ids = await readIds(context, plan, guess.ranges, take, signal);
  const looked = await untilAborted(seen, signal);
  if (!looked || [...guess.seals].some(([hour, seal]) => seals.sealOf(hour) !== seal)) {
    memory(-taken);
    return undefined;
  }
  const list = new Shortlist(take, lists.sum(of, types, guess.lists));
  const beside: AllCounts[] = ids === undefined ? [] : [ids];
  if (guess.head !== undefined) {
    take(guess.head.numbers.size * COUNTED_ID_BYTES);
    beside.push(new IdsFrom(guess.head, fromMs - (first - 1) * HOUR_MS));
  }
  const found = await firstOn(context, plan, list, beside, signal);
  if (found === undefined) memory(-taken);
  return found;
}

async function guessOf(
  { lists, seals, retention, now }: KeptContext,
  plan: TopPlan,
  signal: AbortSignal,
): Promise<Guess | undefined> {
  const { of, types } = plan;
  const { first, end } = wholeHours(plan);
  if (!seals.knows({ first: first - 1, end })) return undefined;
  // What is kept of an hour would outlive it.
  const cutoffMs = retention === undefined ? -Infinity : await retention.cutoffMs('total', now(), signal);
  if (cutoffMs === undefined || first - 1 < Math.ceil(cutoffMs / HOUR_MS) + MARGIN_HOURS) return undefined;

  const used = new Map<Hour, string>();
  const kept: HourTop[] = [];
  const wanted = new Set(types);
  for (let hour = first; hour < end; hour++) {
    const seal = seals.sealOf(hour);
    if (seal === undefined) continue;
    const counts = lists.counts(hour, seal);
    if (counts === undefined) return undefined;
    used.set(hour, seal);
    for (const type of counts.types.keys()) {
      if (wanted.size > 0 && !wanted.has(type)) continue;
      const list = lists.list(of, hour, type, seal);
      if (list === undefined) return undefined;
      kept.push(list);
    }
  }
  const { ranges, hours } = uncounted(plan, [...used.keys()]);
  // Where ranges were joined, what is kept of the hours between them is not used.
  if (hours.length < LEAST_HOURS || hours.length < used.size) return undefined;

  const headSeal = seals.sealOf(first - 1);
  const [range] = ranges;
  const cutsHead = range?.fromMs === plan.fromMs && range.toMs === first * HOUR_MS && plan.fromMs < range.toMs;
  if (!cutsHead || headSeal === undefined) return { seals: used, lists: kept, head: undefined, ranges };
  const counts = lists.counts(first - 1, headSeal);
  if (counts === undefined) return undefined;
  if (pointsOf(counts) > MOST_HEAD_POINTS) return { seals: used, lists: kept, head: undefined, ranges };
  const head = lists.ids(of, first - 1, types, headSeal);
  if (head === undefined) return undefined;
  used.set(first - 1, headSeal);
  return { seals: used, lists: kept, head, ranges: ranges.slice(1) };
}

/** All ids of some ranges, in a script that others may share; undefined where there is none. */
async function readIds(
  { joined, schema }: KeptContext,
  plan: TopPlan,
  ranges: readonly Range[],
  memory: (change: number) => void,
  signal: AbortSignal,
): Promise<Counter | undefined> {
  if (ranges.length === 0) return undefined;
  const hours = ranges.reduce((sum, { fromMs, toMs }) => sum + Math.ceil((toMs - fromMs) / HOUR_MS), 0);
  let taken = 0;
  const take = (change: number): void => {
    memory(change);
    taken += change;
  };
  let counter: Counter | undefined;
  await joined.ask(
    {
      key: `ids ${plan.of} ${hours}`,
      streams: ranges.length,
      script: (prefix) => idsOf(plan, ranges, schema, prefix),
      begin: () => {
        take(-taken);
        const own = (counter = createIdCounter(idKindOf(plan.of), schema, { memory: take }));
        return () => (_, bytes, from, to) => own.add(bytes, from, to);
      },
    },
    signal,
  );
  return counter;
}

type Counter = ReturnType<typeof createIdCounter>;
