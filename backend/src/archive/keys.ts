import { CODECS, codecOfKey, type CodecName } from './codecs.ts';

/** The sequence numbers of a shard whose events of one day an object holds. */
export interface SegmentRange {
  readonly shardId: string;
  readonly first: string;
  readonly last: string;
}

/** Dead letters are below this, beside the years. */
export const REJECTED_PREFIX = '_rejected';

/** The table of events is below this, beside the years: a Hive-style partition for each day. */
export const TABLE_PREFIX = 'events';

const DAY_MS = 86_400_000;

/** UTC day, counted from 1970-01-01. Time in ms since 1970 has no leap seconds, so all days are equally long. */
export const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);

/** `YYYY/MM/DD`. Years 2000 to 9999. */
export const dayText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '/');

/** @param day of `occurredAt`, from {@link dayOf} */
export const archiveKey = (day: number, range: SegmentRange, codec: CodecName): string =>
  `${dayText(day)}/${range.shardId}-${range.first}-${range.last}${CODECS[codec].extension}`;

/** What a key says; see {@link archiveKey} and {@link rejectedKey}. */
export interface ParsedKey extends SegmentRange {
  /** Of `occurredAt`; for dead letters, of arrival. */
  readonly day: number;
  readonly rejected: boolean;
}

/** What the keys of a shard's objects begin with, beside one of them: whatever follows is another shard's, or of another day. */
export const shardPrefix = (key: string, shardId: string): string =>
  `${key.slice(0, key.lastIndexOf('/') + 1)}${shardId}-`;

const KEY = /^(_rejected\/)?(\d{4})\/(\d\d)\/(\d\d)\/([^/]+)-(\d+)-(\d+)(\.ndjson\.\w+)$/;

/** The inverse of {@link archiveKey} and {@link rejectedKey}; undefined for what is neither. */
export function parseArchiveKey(key: string): ParsedKey | undefined {
  const [, rejected, year, month, date, shardId, first, last, extension] = KEY.exec(key) ?? [];
  if (shardId === undefined || first === undefined || last === undefined) return undefined;
  if (codecOfKey(key)?.extension !== extension) return undefined;
  const day = Date.parse(`${year}-${month}-${date}T00:00:00Z`) / DAY_MS;
  return Number.isInteger(day) ? { day, rejected: rejected !== undefined, shardId, first, last } : undefined;
}

/** @param day of arrival, from {@link dayOf} */
export const rejectedKey = (day: number, range: SegmentRange, codec: CodecName): string =>
  `${REJECTED_PREFIX}/${archiveKey(day, range, codec)}`;

/** `events/year=YYYY/month=MM/day=DD/events.parquet` */
export function tableKey(day: number): string {
  const [year, month, date] = dayText(day).split('/');
  return `${TABLE_PREFIX}/year=${year}/month=${month}/day=${date}/events.parquet`;
}

const TABLE_KEY = /^events\/year=(\d{4})\/month=(\d\d)\/day=(\d\d)\/events\.parquet$/;

/** The inverse of {@link tableKey}; undefined for what is no table. */
export function parseTableKey(key: string): number | undefined {
  const [, year, month, date] = TABLE_KEY.exec(key) ?? [];
  const day = Date.parse(`${year}-${month}-${date}T00:00:00Z`) / DAY_MS;
  return Number.isInteger(day) && tableKey(day) === key ? day : undefined;
}
