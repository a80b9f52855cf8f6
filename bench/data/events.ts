import { seededRandom, weighted } from '../../backend/src/produce/random.ts';

/** Some events over some time, evenly spread. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
  readonly events: number;
}

/** What events a store is filled with: everything about them follows from this. */
export interface Recipe {
  /** Up to 9,000,000 users, whose ids have seven digits. */
  readonly users: number;
  readonly stretches: readonly Stretch[];
}

export interface BenchEvent {
  readonly ms: number;
  /** Nanoseconds within the millisecond, as good as random, as event ids make them. */
  readonly offsetNs: number;
  readonly type: string;
  readonly actor: number;
  readonly receiver: number;
  /** Absent for a type that is about no post. */
  readonly share: string | undefined;
}

/** Counts up when the same recipe gives other events or other lines, so that cached stores are filled anew. */
export const GENERATOR_VERSION = 2;

export const TYPES = ['view', 'like', 'comment', 'share', 'follow'] as const;
const WEIGHTS = [8, 4, 2, 1, 1];

const SMALLEST_ID = 1_000_000;
const IDS = 9_000_000;

/** The user of a rank from 0, the busiest: spread over all seven-digit ids, so that rank says nothing about prefix. */
export function userOfRank(rank: number, users: number): number {
  // A prime that divides neither the number of ranks nor that of ids.
  const place = (rank * 7_368_787) % users;
  return SMALLEST_ID + Math.floor((place * IDS) / users);
}

/** A rank by Zipf's law with exponent 1, from a uniform number: the inverse of its continuous form. */
export const zipfRank = (uniform: number, users: number): number =>
  Math.min(users - 1, Math.floor((users + 1) ** uniform) - 1);

/** Shares are created one every two seconds, the first before the first event. */
const SHARE_EVERY_MS = 2_000;
/** Attention to a share decays with this mean age. */
const SHARE_AGE_MS = 12 * 3_600_000;

/** The share that was created last before an instant: a BSON ObjectId, whose first eight hex digits are its second. */
export function shareBefore(ms: number): string {
  const index = Math.floor(ms / SHARE_EVERY_MS);
  const second = (index * SHARE_EVERY_MS) / 1000;
  const rest = Math.imul(index, 0x9e3779b1) >>> 0;
  return `${second.toString(16).padStart(8, '0')}65ba3ac0${rest.toString(16).padStart(8, '0')}`;
}

/** Who and what is asked about, drawn as events draw them: the more often something occurs, the more often it is asked about. */
export function idsToAsk(recipe: Recipe, count: number): { readonly users: string[]; readonly shares: string[] } {
  const random = seededRandom(7);
  const { users } = recipe;
  const [busiest] = recipe.stretches.toSorted((a, b) => b.events - a.events);
  if (busiest === undefined) throw new RangeError('A recipe needs a stretch.');
  const { fromMs, toMs } = busiest;
  return {
    users: Array.from({ length: count }, () => String(userOfRank(zipfRank(random(), users), users))),
    shares: Array.from({ length: count }, () => drawShare(fromMs + random() * (toMs - fromMs), random)),
  };
}

/** A share that gets attention at an instant: most are young, and a third of the attention goes to one in 500. */
function drawShare(ms: number, random: () => number): string {
  const createdMs = ms + SHARE_AGE_MS * Math.log(1 - random());
  return shareBefore(random() < 1 / 3 ? createdMs - (createdMs % (500 * SHARE_EVERY_MS)) : createdMs);
}

/** The events of a recipe in the order of their time, in batches whose array is used again for the next. */
export function* events(recipe: Recipe, batchSize: number): Generator<readonly BenchEvent[], void, void> {
  const { users } = recipe;
  const random = seededRandom(users);
  const type = weighted(WEIGHTS, random);
  const user = (): number => userOfRank(zipfRank(random(), users), users);
  let batch: BenchEvent[] = [];
  let number = 0;
  for (const { fromMs, toMs, events: count } of recipe.stretches) {
    const step = (toMs - fromMs) / count;
    for (let i = 0; i < count; i++) {
      const ms = Math.floor(fromMs + (i + random()) * step);
      const name = TYPES[type()] ?? 'view';
      const actor = user();
      const receiver = user();
      const share = drawShare(ms, random);
      batch.push({
        ms,
        offsetNs: (Math.imul(++number, 0x9e3779b1) >>> 0) % 1_000_000,
        type: name,
        actor,
        receiver,
        share: name === 'follow' ? undefined : share,
      });
      if (batch.length === batchSize) {
        yield batch;
        batch = [];
      }
    }
  }
  if (batch.length > 0) yield batch;
}

export const countOf = (recipe: Recipe): number => recipe.stretches.reduce((sum, stretch) => sum + stretch.events, 0);
