import { idsToAsk, type Recipe } from '../data/events.ts';
import { WEEK_TO } from '../data/week.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** As if it were now: in the middle of an hour, which is open, of the last day of the busy week. */
export const NOW_MS = WEEK_TO - 12.5 * HOUR_MS;
/** How far a dashboard looks back. */
const BACK_MS = 6 * DAY_MS;
/** What is asked about one day. */
const SHORT_MS = DAY_MS;
/** Time between two refreshes. */
export const REFRESH_MS = 30_000;

/** A request of one panel. */
export interface Panel {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body: string | undefined;
}

/** Dashboards of somebody and a share, different ones by their number, as they are asked at a refresh. */
export function dashboards(recipe: Recipe): (number: number, refresh: number) => Panel[] {
  const ids = idsToAsk(recipe, 997);
  return (number, refresh) => {
    const user = ids.users[number % 997];
    const share = ids.shares[number % 997];
    const to = NOW_MS + refresh * REFRESH_MS;
    const panel = (name: string, query: object, backMs = BACK_MS): Panel => ({
      name,
      method: 'POST',
      path: '/v1/query',
      body: JSON.stringify({ from: to - backMs, to, timezone: 'UTC', queries: [{ refId: 'A', ...query }] }),
    });
    return [
      panel('made, by 10 min', { preset: 'made', ids: [user], every: '10m' }),
      panel('received, by 10 min', { preset: 'received', ids: [user], every: '10m' }),
      panel('made, in all', { preset: 'made', ids: [user], calc: 'total' }),
      panel('received, by day', { preset: 'received', ids: [user], every: '1d' }),
      panel(
        'received, beside the day before',
        { preset: 'received', ids: [user], every: '1h', compareTo: '1d' },
        SHORT_MS,
      ),
      panel('a share, by 10 min', { preset: 'share', ids: [share], every: '10m' }),
      panel('everyone, by hour', { preset: 'everyone', every: '1h' }),
      panel('everyone, in all', { preset: 'everyone', calc: 'total' }),
      panel('top receivers of the day', { preset: 'top', of: 'received', n: 10 }, SHORT_MS),
      { name: 'types', method: 'GET', path: `/v1/types?from=${to - BACK_MS}&to=${to}`, body: undefined },
    ];
  };
}
