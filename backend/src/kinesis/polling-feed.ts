import type { Begin, FeedContext, FeedPage, OpenFeed, ShardFeed } from './shard-feed.ts';
import { SourceError, type StreamSource } from './stream-source.ts';

/**
 * Reads shards by GetRecords, a page at a time.
 * @param pollIntervalMs pause between two reads of a shard that has nothing new
 */
export const polling =
  (source: StreamSource, pollIntervalMs: number): OpenFeed =>
  (context) =>
    new PollingFeed(source, pollIntervalMs, context);

class PollingFeed implements ShardFeed {
  readonly #source: StreamSource;
  readonly #pollIntervalMs: number;
  readonly #context: FeedContext;
  readonly #size: PageSize;
  #iterator: string | undefined;
  /** The page before the next one; undefined once the pause behind it is over. */
  #last: { readonly bytes: number; readonly atTip: boolean; readonly askedMs: number } | undefined;
  #idleSinceMs: number | undefined;

  constructor(source: StreamSource, pollIntervalMs: number, context: FeedContext) {
    this.#source = source;
    this.#pollIntervalMs = pollIntervalMs;
    this.#context = context;
    this.#size = new PageSize(context.pageBytes);
  }

  async next(begin: Begin): Promise<FeedPage> {
    const { shardId, clock, signal, budget } = this.#context;
    await this.#pause();
    const reservation = await budget.reserve(this.#size.bytes, signal);
    try {
      const askedMs = clock.now();
      const { limit } = this.#size;
      this.#iterator ??= await begin((position) => this.#source.iterator(shardId, position, signal));
      const { records, next, millisBehindLatest } = await this.#source.records(this.#iterator, limit, signal);
      this.#iterator = next;
      // A page cut off by the limit says nothing about what lies behind it, whatever the lag; some servers report 0 there.
      const atTip = millisBehindLatest === 0 && records.length < limit;
      let bytes = 0;
      for (let at = 0; at < records.length; at++) bytes += records.dataBytes(at);
      this.#size.seen({ records: records.length, bytes, atTip });
      this.#last = { bytes, atTip, askedMs };
      if (records.length > 0 || !atTip) this.#idleSinceMs = undefined;
      else this.#idleSinceMs ??= askedMs;
      return { records, reservation, millisBehindLatest, atTip, askedMs, ended: next === undefined };
    } catch (error) {
      reservation.release();
      if (error instanceof SourceError && error.kind === 'iterator_expired') this.#iterator = undefined;
      throw error;
    }
  }

  close(): void {
    this.#iterator = undefined;
  }

  async #pause(): Promise<void> {
    const { clock, signal } = this.#context;
    if (this.#last === undefined) return;
    const { bytes, atTip, askedMs } = this.#last;
    this.#last = undefined;
    const nowMs = clock.now();
    const pauseMs = nextPauseMs({
      bytes,
      atTip,
      idleMs: this.#idleSinceMs === undefined ? 0 : nowMs - this.#idleSinceMs,
      pollIntervalMs: this.#pollIntervalMs,
      elapsedMs: nowMs - askedMs,
    });
    if (pauseMs > 0) await clock.sleep(pauseMs, signal);
  }
}

/**
 * Kinesis's quota for reading a shard: 5 GetRecords and 2 MB in a second, for all readers of the shard together.
 * https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
 */
const MIN_CALL_INTERVAL_MS = 200;
const BYTES_PER_SECOND = 2_000_000;

/** A shard that has been empty for so long is asked less often, but often enough that what comes then is still seen within half a second. */
const QUIET_AFTER_MS = 10_000;
const QUIET_INTERVAL_MS = 500;

/** Most records of one GetRecords. */
const MAX_LIMIT = 10_000;
/** Before anything is known of a shard's records: each may be an aggregate of a megabyte, and every shard begins at once. */
const FIRST_LIMIT = 16;

/**
 * How long to wait before the next read of a shard, in ms.
 * @param read.elapsedMs since the last read began
 * @param read.idleMs how long the shard has been at its end without anything new
 */
export function nextPauseMs(read: {
  readonly bytes: number;
  readonly atTip: boolean;
  readonly idleMs: number;
  readonly pollIntervalMs: number;
  readonly elapsedMs: number;
}): number {
  const quota = Math.max(MIN_CALL_INTERVAL_MS, (read.bytes / BYTES_PER_SECOND) * 1000);
  const quiet = Math.max(read.pollIntervalMs, QUIET_INTERVAL_MS);
  const poll = read.idleMs >= QUIET_AFTER_MS ? quiet : read.pollIntervalMs;
  const interval = read.atTip ? Math.max(quota, poll) : quota;
  return Math.max(0, Math.ceil(interval - read.elapsedMs));
}

/** A shard that was read to its end is reserved so much at least: what arrives there between two reads, in most streams. */
const TIP_BYTES = 256 * 1024;

/** How large the next page of a shard is to be: a request costs as much as a few hundred records, and bytes that are reserved keep other shards waiting. */
export class PageSize {
  readonly #target: number;
  #expected: number;
  #mean: number | undefined;

  /** @param targetBytes of a page while there is more to read */
  constructor(targetBytes: number) {
    this.#target = targetBytes;
    this.#expected = targetBytes;
  }

  /** Bytes that it is expected to have at most. */
  get bytes(): number {
    return this.#expected;
  }

  /** How many records to ask for, so that it comes near these bytes: Kinesis knows no limit in bytes below 10 MB. */
  get limit(): number {
    if (this.#mean === undefined) return FIRST_LIMIT;
    return Math.min(MAX_LIMIT, Math.max(1, Math.floor(this.#expected / Math.max(1, this.#mean))));
  }

  /** @param page.atTip whether nothing lay beyond it */
  seen({ records, bytes, atTip }: { readonly records: number; readonly bytes: number; readonly atTip: boolean }): void {
    this.#expected = atTip ? Math.min(this.#target, Math.max(TIP_BYTES, 2 * bytes)) : this.#target;
    if (records === 0) return;
    const mean = bytes / records;
    // Quick to grow, slow to shrink: pages that are too large cost memory, pages that are too small cost a little time.
    this.#mean = this.#mean === undefined || mean > this.#mean ? mean : this.#mean * 0.7 + mean * 0.3;
  }
}
