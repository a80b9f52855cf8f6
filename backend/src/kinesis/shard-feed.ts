import type { Clock } from '../clock.ts';
import type { StreamRecords } from './stream-records.ts';
import type { ByteBudget, Reservation } from '../memory/byte-budget.ts';
import type { Position } from './stream-source.ts';

/** What came of one request, or in one event of a subscription. */
export interface FeedPage {
  /** In order. */
  readonly records: StreamRecords;
  /** About as many bytes as came. Whoever takes the page releases them. */
  readonly reservation: Reservation;
  readonly millisBehindLatest: number;
  /** Nothing lay beyond these records when Kinesis sent them. */
  readonly atTip: boolean;
  /** When (ms) the page was awaited: Kinesis has sent it later. */
  readonly askedMs: number;
  /** The shard is closed and these were its last records. */
  readonly ended: boolean;
}

/**
 * Begins to read at the position that the reader needs now.
 * @param open makes what is read from (an iterator, a subscription); may be called twice, where the first position is refused
 */
export type Begin = <T>(open: (position: Position) => Promise<T>) => Promise<T>;

/** The pages of one shard. How they come is the feed's; what they mean (gaps, records read before) is the reader's. */
export interface ShardFeed {
  /**
   * The next page, once there is one and room for it.
   * @param begin used at first, and whenever reading cannot go on where it was
   * @throws SourceError, after which it may be called again; the signal's reason
   */
  next(begin: Begin): Promise<FeedPage>;
  /** Gives up what is open. A later {@link next} begins anew. */
  close(): void;
}

/** What a feed tells that can read in two ways. */
export interface FeedEvents {
  /** A shard cannot be subscribed to and is polled for now. Told at each refusal, with what Kinesis said. */
  polledInstead(message: string, shardId: string): void;
  /** That is over: by a subscription, or because the shard is read no more. */
  notPolledInstead(by: 'subscription' | 'close', shardId: string): void;
}

/** Whose pages, and within which bounds. */
export interface FeedContext {
  readonly shardId: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Waited for before bytes are taken from Kinesis. */
  readonly budget: ByteBudget;
  /** Bytes of a page that is asked for while there is more to read. */
  readonly pageBytes: number;
  readonly events: FeedEvents;
}

/** A way to read shards. */
export type OpenFeed = (context: FeedContext) => ShardFeed;
