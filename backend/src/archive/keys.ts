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

/** What a key says; see {@link archiveKey} and {@link rejectedKey}. */
export interface ParsedKey extends SegmentRange {
  /** Of `occurredAt`, or of arrival where the key is one of rejected records. */
  readonly day: number;
  readonly rejected: boolean;
}

const KEY = /^(_rejected\/)?(\d{4})\/(\d\d)\/(\d\d)\/([^/]+)-(\d+)-(\d+)\.ndjson\.gz$/;

/** The inverse of {@link archiveKey} and {@link rejectedKey}; undefined for what is neither. */
export function parseArchiveKey(key: string): ParsedKey | undefined {
  const [, rejected, year, month, date, shardId, first, last] = KEY.exec(key) ?? [];
  if (shardId === undefined || first === undefined || last === undefined) return undefined;
  const day = Date.parse(`${year}-${month}-${date}T00:00:00Z`) / DAY_MS;
  return Number.isInteger(day) ? { day, rejected: rejected !== undefined, shardId, first, last } : undefined;
}

/** @param day of arrival, from {@link dayOf} */
export const rejectedKey = (day: number, range: SegmentRange): string => `${REJECTED_PREFIX}/${archiveKey(day, range)}`;
