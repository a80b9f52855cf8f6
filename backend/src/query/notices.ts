import type { Notice } from '../../../contract/answers.ts';
import type { SeriesPlan } from './plan.ts';
import type { ValueSeries } from './frames.ts';

/*
 * A zero looks like an answer. Where it is none, because nothing can be there or what was asked for is not known, a notice says so.
 */

export interface NoticeFacts {
  readonly nowMs: number;
  /** The time before which the bucket keeps no points; undefined where it is not known. */
  readonly keptSinceMs: number | undefined;
  /** Points of the asked ids in the range that lack their counterpart, where that matters. */
  readonly lacking?: number;
  /** All types that have ever occurred, sorted; undefined where they were not needed or could not be read. */
  readonly knownTypes: readonly string[] | undefined;
}

/** A dashboard's clock may be that much ahead of ours, in ms. */
const CLOCK_AHEAD_MS = 60_000;
/** Names of types that a notice lists. */
const MOST_NAMED = 10;

const isEmpty = ({ values }: ValueSeries): boolean => values.every((value) => value === 0 || Number.isNaN(value));

/** Types asked for by name that the range has no interaction of; all of them where series do not tell types apart. */
export function typesWithout(plan: SeriesPlan, series: readonly ValueSeries[]): readonly string[] {
  const found = series.filter((one) => one.compare === undefined && !isEmpty(one));
  if (!plan.groupBy.has('type')) return found.length > 0 ? [] : plan.types;
  return plan.types.filter((type) => !found.some((one) => one.type === type));
}

export function seriesNotices(plan: SeriesPlan, series: readonly ValueSeries[], facts: NoticeFacts): Notice[] {
  const notices: Notice[] = [];
  const { fromMs, toMs } = plan.now;
  const { nowMs, keptSinceMs = -Infinity, knownTypes, lacking = 0 } = facts;
  if (fromMs > nowMs + CLOCK_AHEAD_MS)
    notices.push({ severity: 'warning', text: 'The range lies in the future: nothing can have happened in it.' });
  else if (toMs > nowMs + CLOCK_AHEAD_MS)
    notices.push({
      severity: 'info',
      text: 'The range ends in the future: windows that have not happened yet are 0.',
    });
  // One window more than is kept is no news: a dashboard of the last 7 days on a bucket that keeps 7 days.
  const firstEndMs = plan.now.windows[0]?.endMs ?? fromMs;
  if (firstEndMs < keptSinceMs)
    notices.push({
      severity: 'warning',
      text: `InfluxDB keeps points since ${minute(keptSinceMs)} only (the bucket's retention): earlier windows are 0. The archive has them; see "userpulse replay".`,
    });
  const unknown = knownTypes === undefined ? [] : typesWithout(plan, series).filter((t) => !knownTypes.includes(t));
  if (unknown.length > 0)
    notices.push({
      severity: 'warning',
      text: `No interaction of type ${list(unknown.map((type) => `"${type}"`))} has ever been stored. ${
        knownTypes?.length === 0 ? 'No type has.' : `Types that occur: ${list(knownTypes ?? [])}.`
      }`,
    });
  if (lacking > 0) notices.push(lackingNotice(lacking));
  const now = series.filter((one) => one.compare === undefined);
  const earlier = series.filter((one) => one.compare !== undefined);
  if (notices.length === 0 && plan.ids.length > 0 && now.every(isEmpty)) {
    const one = plan.ids.length === 1;
    notices.push({
      severity: 'info',
      text: `No interactions ${plan.pair === undefined ? '' : `${one ? `to ID ${plan.pair[1]}` : 'with each other'} `}of ${one ? `ID ${plan.ids[0] ?? ''}` : `these ${plan.ids.length} IDs`} in this range.`,
    });
  }
  if (plan.compare !== undefined && earlier.every(isEmpty) && !now.every(isEmpty))
    notices.push({
      severity: 'info',
      text: `There were no interactions ${plan.compare.text} earlier to compare with.`,
    });
  return notices;
}

/** What was written before points had a counterpart is counted nowhere that needs it. */
export const lackingNotice = (points: number): Notice => ({
  severity: 'warning',
  text: `${points.toLocaleString('en-US')} ${points === 1 ? 'interaction in this range was' : 'interactions in this range were'} stored before Userpulse kept who was at the other end, and ${points === 1 ? 'is' : 'are'} not counted here. "userpulse replay" adds it.`,
});

const minute = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

function list(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMED).join(', ');
  return names.length > MOST_NAMED ? `${shown} and ${names.length - MOST_NAMED} more` : shown;
}
