import type { Preset } from '../../contract/presets.ts';
import { idsToAsk, type Recipe } from '../data/events.ts';
import { WEEK_FROM, WEEK_TO, YEAR_FROM, YEAR_TO } from '../data/week.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOON = WEEK_FROM + 2 * DAY_MS + 12 * HOUR_MS;

export interface AskedRange {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Windows that a panel over this range would have. */
  readonly every: string;
}

/** All hold the busy week or lie in it. */
export const RANGES = [
  { name: '1 h', fromMs: NOON, toMs: NOON + HOUR_MS, every: '1m' },
  { name: '1 d', fromMs: WEEK_FROM + 2 * DAY_MS, toMs: WEEK_FROM + 3 * DAY_MS, every: '10m' },
  { name: '7 d', fromMs: WEEK_FROM, toMs: WEEK_TO, every: '10m' },
  { name: '30 d', fromMs: WEEK_FROM - 12 * DAY_MS, toMs: WEEK_TO + 11 * DAY_MS, every: '1h' },
  { name: '1 y', fromMs: YEAR_FROM, toMs: YEAR_TO, every: '1d' },
] as const satisfies readonly AskedRange[];

export type BenchPreset = Preset;

/** A request of /v1/query. */
export type Body = object;

/** One kind of question; its ids change from request to request. */
export interface Question {
  readonly preset: BenchPreset;
  readonly range: AskedRange;
  readonly body: (number: number) => Body;
}

/** So many different IDs are asked, one after the other and then again. */
const IDS = 997;

export function questionsOf(recipe: Recipe): (preset: BenchPreset, range: AskedRange, zone?: string) => Question {
  const ids = idsToAsk(recipe, IDS);
  /** A user, and the next one drawn that is another. */
  const pairFrom = (number: number): (string | undefined)[] => {
    const user = ids.users[number % IDS];
    let next = number + 1;
    while (ids.users[next % IDS] === user) next++;
    return [user, ids.users[next % IDS]];
  };
  const query = (preset: BenchPreset, range: AskedRange, number: number): object => {
    switch (preset) {
      case 'made':
      case 'received':
        return { preset, ids: [ids.users[number % IDS]], every: range.every };
      case 'share':
        return { preset, ids: [ids.shares[number % IDS]], every: range.every };
      case 'everyone':
        // Nobody draws a week of everyone in windows of ten minutes.
        return { preset, every: range.name === '7 d' ? '1h' : range.every };
      case 'top':
        // Receivers, because everyone's counts are read from the actors: each has its own field, and is cold by itself.
        return { preset, of: 'received', n: 10 };
      case 'pair':
        return { preset, ids: pairFrom(number), every: range.every };
      case 'who':
        return { preset, of: 'received', ids: [ids.users[number % IDS]], n: 10 };
      default:
        return preset satisfies never;
    }
  };
  return (preset, range, zone = 'UTC') => ({
    preset,
    range,
    body: (number) => ({
      from: range.fromMs,
      to: range.toMs,
      timezone: zone,
      queries: [{ refId: 'A', ...query(preset, range, number) }],
    }),
  });
}
