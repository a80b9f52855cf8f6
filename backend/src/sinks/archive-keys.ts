/** Range of sequence numbers that an object holds whole, for its day. */
export interface SegmentRange {
  readonly shardId: string;
  readonly first: string;
  readonly last: string;
}

/** Rejected records live below this, beside the years. */
export const REJECTED_PREFIX = '_rejected';

const EXTENSION = '.ndjson.gz';

const DAY_MS = 86_400_000;

/** UTC days from 1970-01-01; the number that {@link dayText} writes out. UTC has no leap seconds in ms, so each day is as long. */
export const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);

/** `YYYY/MM/DD`. Years 2000 to 9999. */
export const dayText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '/');

/** @param day of `occurredAt`, from {@link dayOf} */
export const archiveKey = (day: number, range: SegmentRange): string =>
  `${dayText(day)}/${range.shardId}-${range.first}-${range.last}${EXTENSION}`;

/** @param day of arrival, from {@link dayOf} */
export const rejectedKey = (day: number, range: SegmentRange): string => `${REJECTED_PREFIX}/${archiveKey(day, range)}`;
