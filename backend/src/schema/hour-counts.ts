import { RANKED_ROLES, type RankedRole } from '../../../contract/roles.ts';
import { sealOf, type Hour, type Marks } from './hour-marks.ts';

/*
 * What an hour holds, counted after it was sealed. Texts, because a text is written and read whole: an answer never sees half of an hour.
 *
 *   interaction_hour counts="491208 3f2a… like=812 retweet=95",minutes="491208 3f2a… like=12;0;31;… retweet=…" 1768348800000000000
 *   interaction_hour_top,type=like top_made="491208 3f2a… 7 88=412;677=90;…",top_received=…,top_share=… 1768348800000000000
 */

export const HOUR_MEASUREMENT = 'interaction_hour';
export const HOUR_TOP_MEASUREMENT = 'interaction_hour_top';

export type HourField = 'counts' | 'minutes';
export const MINUTES = 60;

/** InfluxDB's bound of a text is 64 KB: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/#string */
const MOST_TEXT = 60_000;

export interface HourCounts {
  readonly hour: Hour;
  /** Of the marks that the hour had when it was counted. */
  readonly seal: string;
  /** Type → one number (`counts`), or one for each minute (`minutes`). Types that did not occur are absent. */
  readonly types: ReadonlyMap<string, readonly number[]>;
}

const TYPE_COUNTS = /^([a-z][a-z0-9_]{0,31})=(\d+(?:;\d+)*)$/;

/** @returns undefined where it would be longer than InfluxDB takes */
export function hourText({ hour, seal, types }: HourCounts): string | undefined {
  const parts = [...types].sort(([a], [b]) => (a < b ? -1 : 1)).map(([type, counts]) => `${type}=${counts.join(';')}`);
  const text = [hour, seal, ...parts].join(' ');
  return text.length > MOST_TEXT ? undefined : text;
}

/** @returns undefined for a text that is none of {@link hourText} */
export function parseHour(text: string, field: HourField): HourCounts | undefined {
  const [hour = '', seal = '', ...parts] = text.split(' ');
  if (!/^\d+$/.test(hour) || !/^[0-9a-f]+$/.test(seal)) return undefined;
  const types = new Map<string, readonly number[]>();
  for (const part of parts) {
    const [, type, numbers] = TYPE_COUNTS.exec(part) ?? [];
    if (type === undefined || numbers === undefined) return undefined;
    const counts = numbers.split(';').map(Number);
    if (counts.length !== (field === 'counts' ? 1 : MINUTES)) return undefined;
    types.set(type, counts);
  }
  return { hour: Number(hour), seal, types };
}

/** The ids of one hour and type that occur most. */
export interface HourTop {
  readonly hour: Hour;
  readonly seal: string;
  readonly type: string;
  /** Those kept, most first. */
  readonly ids: readonly { readonly id: string; readonly count: number }[];
  /** No id that is not kept occurs more often; 0 where all are kept. */
  readonly bound: number;
}

/** Ids of an hour and type that are kept at most. */
export const MOST_TOP_IDS = 200;

/** @param counts of all ids of the hour and type */
export function hourTop(
  what: Pick<HourTop, 'hour' | 'seal' | 'type'>,
  counts: readonly { readonly id: string; readonly count: number }[],
): HourTop {
  const sorted = counts.toSorted((a, b) => b.count - a.count || (a.id < b.id ? -1 : 1));
  let kept = 0;
  let length = 64;
  for (const { id, count } of sorted) {
    length += idText(id).length + String(count).length + 2;
    if (kept === MOST_TOP_IDS || length > MOST_TEXT) break;
    kept++;
  }
  return { ...what, ids: sorted.slice(0, kept), bound: sorted[kept]?.count ?? 0 };
}

/** Without anything that means something in our texts, in line protocol or in CSV. Numbers and hex digits stay as they are. */
const idText = encodeURIComponent;

export const hourTopText = ({ hour, seal, bound, ids }: HourTop): string =>
  `${hour} ${seal} ${bound} ${ids.map(({ id, count }) => `${idText(id)}=${count}`).join(';')}`;

/** @returns undefined for a text that is none of {@link hourTopText} */
export function parseHourTop(text: string, type: string): HourTop | undefined {
  const [, hour, seal, bound, list = ''] = /^(\d+) ([0-9a-f]+) (\d+) (.*)$/s.exec(text) ?? [];
  if (hour === undefined || seal === undefined) return undefined;
  const ids =
    list === ''
      ? []
      : list.split(';').map((entry) => {
          const at = entry.lastIndexOf('=');
          return { id: decodeURIComponent(entry.slice(0, at)), count: Number(entry.slice(at + 1)) };
        });
  if (ids.some(({ count }) => !Number.isSafeInteger(count))) return undefined;
  return { hour: Number(hour), seal, type, ids, bound: Number(bound) };
}

/** Not a name that points of interactions have: who filters by `_field` alone still finds only those. */
export const topField = (role: RankedRole): string => `top_${role}`;

/** Line protocol of a counted hour: its counts, and for each type its first ids of each role. */
export function hourLines(
  hour: Hour,
  texts: Readonly<Record<HourField, string | undefined>>,
  tops: ReadonlyMap<string, Readonly<Record<RankedRole, string>>>,
): string[] {
  const ns = `${hour * 3600}000000000`;
  const fields = (values: Readonly<Record<string, string | undefined>>): string =>
    Object.entries(values)
      .flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${value}"`]))
      .join(',');
  const named = (byRole: Readonly<Record<RankedRole, string>>): Record<string, string> =>
    Object.fromEntries(RANKED_ROLES.map((role) => [topField(role), byRole[role]]));
  const lines = [...tops].map(
    ([type, byRole]) => `${HOUR_TOP_MEASUREMENT},type=${type} ${fields(named(byRole))} ${ns}`,
  );
  // Last: with it the hour counts as counted.
  if (texts.counts !== undefined) lines.push(`${HOUR_MEASUREMENT} ${fields(texts)} ${ns}`);
  return lines;
}

/** The hours whose counts are what their points are: nobody writes to them, and nobody has since they were counted. */
export function cleanHours<T extends { readonly hour: Hour; readonly seal: string }>(
  marks: Marks,
  counted: Iterable<T>,
): Map<Hour, T> {
  const clean = new Map<Hour, T>();
  for (const each of counted) if (sealOf(marks.get(each.hour)) === each.seal) clean.set(each.hour, each);
  return clean;
}
