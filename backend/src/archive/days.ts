import { EARLIEST_MS } from '../event/event.ts';
import { dayOf, dayText, REJECTED_PREFIX, tableKey } from './keys.ts';

/** UTC days, counted from 1970-01-01, both included. */
export interface DayRange {
  readonly from: number;
  readonly to: number;
}

const DAY = /^(\d{4})([-/])(\d\d)\2(\d\d)$/;
const DAY_MS = 86_400_000;

/** All days that there can be. */
export const ALL_DAYS: DayRange = { from: dayOf(EARLIEST_MS), to: dayOf(Date.UTC(9999, 11, 31)) };

/** `YYYY/MM/DD` or `YYYY-MM-DD` → UTC day from 1970-01-01; undefined where it is not a day from 2000 on. */
export function parseDay(text: string): number | undefined {
  const [, year, , month, date] = DAY.exec(text) ?? [];
  const ms = Date.parse(`${year}-${month}-${date}T00:00:00Z`);
  const day = ms / DAY_MS;
  // Date.parse reads 31 February as 2 March.
  return Number.isInteger(day) && dayText(day) === `${year}/${month}/${date}` && Number(year) >= 2000 ? day : undefined;
}

/** Keys of these days: the first is included, the second excluded. `0` sorts right after the slash that follows the last day. */
export const keysOf = ({ from, to }: DayRange): readonly [string, string] => [`${dayText(from)}/`, `${dayText(to)}0`];

/** The same for dead letters, by day of arrival. */
export const rejectedKeysOf = (days: DayRange): readonly [string, string] => {
  const [from, to] = keysOf(days);
  return [`${REJECTED_PREFIX}/${from}`, `${REJECTED_PREFIX}/${to}`];
};

/** The same for tables. */
export const tableKeysOf = ({ from, to }: DayRange): readonly [string, string] => {
  const folder = (day: number): string => tableKey(day).slice(0, tableKey(day).lastIndexOf('/'));
  return [`${folder(from)}/`, `${folder(to)}0`];
};
