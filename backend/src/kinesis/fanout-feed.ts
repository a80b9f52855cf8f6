import { after } from '../clock.ts';
import { SpareBuffers } from '../memory/spare-buffers.ts';
import type { Reservation } from '../memory/byte-budget.ts';
import { EventFrames } from './event-frames.ts';
import type { Begin, FeedContext, FeedPage, OpenFeed, ShardFeed } from './shard-feed.ts';
import { SourceError, sourceError, numbered } from './stream-source.ts';
import { readSubscriptionEvent } from './subscription-event.ts';
import type { ShardSubscriptions } from './subscriptions.ts';

/**
 * Kinesis ends a subscription after five minutes.
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html
 */
const RENEW_MS = 300_000;
/**
 * A subscription that has brought nothing new for so long (ms) is renewed, too: kinesis-local does not tell the end of a shard before a
 * subscription ends, and then not either.
 */
const QUIET_MS = 30_000;
/** Kinesis accepts one SubscribeToShard a second for each consumer and shard. */
const MIN_SUBSCRIBE_INTERVAL_MS = 1_000;
/** Kinesis sends an event every five seconds where it has no records. After six times as long without a byte, the connection is taken for dead. */
const SILENCE_MS = 30_000;
/** Events that had to wait so long to be taken may be old, and so may those behind them until the next comes only after as long a wait. */
const HELD_UP_MS = 1_000;
/**
 * How often (ms) a subscription is asked for that is in use. Where a connection is lost, kinesis-local keeps its subscription until five minutes are
 * over. Kinesis refuses another one for five seconds, and gives it then.
 */
const IN_USE_MS = 10_000;
/** A frame up to this size is read without room being made for it first: most say only that there is nothing new. */
const SMALL_FRAME_BYTES = 4_096;

/** The last record known, which comes first; nothing behind it; and one more, for servers that then say only that there may be more. */
const MAX_LOOKS = 3;

const SCRATCH_BYTES = 192 * 1024;
const scratch = new SpareBuffers(SCRATCH_BYTES, 16);

export interface FanoutOptions {
  readonly subscriptions: ShardSubscriptions;
  /** Reads a shard while its subscription is in use, and between two subscriptions where it is read to its tip. */
  readonly polling: OpenFeed;
  /** When (ms) a subscription is renewed, were it still open. */
  readonly renewMs?: number;
  readonly random?: () => number;
}

/** Is pushed the records of shards, by SubscribeToShard (enhanced fan-out). */
export const fanout =
  (options: FanoutOptions): OpenFeed =>
  (context) =>
    new FanoutFeed(options, context);

interface Subscription {
  readonly frames: EventFrames;
  /** Aborting it closes the connection. */
  readonly ending: AbortController;
  readonly renewAtMs: number;
  /** Whether anything has come. */
  begun: boolean;
  /** When something new has come, or it was begun. */
  newsMs: number;
}

/**
 * ```
 *   subscribing ──▶ awaiting a frame ──▶ making room ──▶ reading it
 *     ▲   ▲               │    ▲                            │
 *     │   │ ended, or old │    └────────────────────────────┘
 *     │   └───────────────┤
 *     ├───── looking ◀────┤ where nothing lay behind the last page
 *     └───── polling ◀────┘ for IN_USE_MS, where the subscription is in use; also from subscribing
 * ```
 * Bytes are taken from the connection for the frame in hand only. While there is no room for it, the connection fills up (HTTP/2 lets 64 KiB come,
 * and Node's stream buffers as much) and Kinesis waits.
 *
 * Looking: a server may end a subscription without saying that the shard has ended, as kinesis-local does. So where a subscription ends and nothing
 * lay behind the last page, the next pages are polled, which tells; two or three calls in five minutes.
 *
 * Whoever reads next, by polling or by a subscription, begins where the reader is: neither knows what the other has brought.
 */
class FanoutFeed implements ShardFeed {
  readonly #options: FanoutOptions;
  readonly #context: FeedContext;
  readonly #polled: ShardFeed;
  #subscription: Subscription | undefined;
  #subscribedMs = -Infinity;
  /** Pages that are still to be polled before the next subscription. */
  #looking = 0;
  /** Until when (ms) the shard is polled, because its subscription is in use. */
  #pollUntilMs = -Infinity;
  /** Nothing came by a subscription since one was in use. */
  #polledInstead = false;
  /** Nothing lay behind the last page. */
  #atTip = false;
  /** When a frame last began to arrive. */
  #beganMs = 0;
  /** Since then frames have waited to be taken, so that what is in the next ones may be old. */
  #heldUp = false;

  constructor(options: FanoutOptions, context: FeedContext) {
    this.#options = options;
    this.#context = context;
    this.#polled = options.polling(context);
  }

  async next(begin: Begin): Promise<FeedPage> {
    for (;;) {
      if (this.#looking > 0) return await this.#look(begin);
      if (this.#context.clock.now() < this.#pollUntilMs) return await this.#polled.next(begin);
      try {
        const page = await this.#pushed(begin);
        if (page !== undefined) return page;
      } catch (error) {
        if (!(error instanceof SourceError) || error.kind !== 'in_use') throw error;
        this.#pollInstead(error.message);
      }
    }
  }

  close(): void {
    this.#end();
    this.#polled.close();
    this.#pollUntilMs = -Infinity;
    this.#endPolledInstead('close');
  }

  #pollInstead(message: string): void {
    const { clock, events, shardId } = this.#context;
    this.#pollUntilMs = clock.now() + IN_USE_MS;
    this.#polledInstead = true;
    events.polledInstead(message, shardId);
  }

  #endPolledInstead(by: 'subscription' | 'close'): void {
    if (!this.#polledInstead) return;
    this.#polledInstead = false;
    this.#context.events.notPolledInstead(by, this.#context.shardId);
  }

  #end(): void {
    this.#subscription?.ending.abort(new Error('The subscription was closed.'));
    this.#subscription = undefined;
  }

  async #look(begin: Begin): Promise<FeedPage> {
    const left = this.#looking - 1;
    // Where polling fails, being subscribed goes on.
    this.#looking = 0;
    const page = await this.#polled.next(begin);
    if (page.records.length > 0 || !page.atTip) this.#looking = left;
    return page;
  }

  /** @returns undefined where the subscription has ended, or the frame is of no use */
  async #pushed(begin: Begin): Promise<FeedPage | undefined> {
    const subscription = (this.#subscription ??= await this.#subscribe(begin));
    try {
      const { clock, signal } = this.#context;
      const askedMs = clock.now();
      if (askedMs - this.#beganMs >= HELD_UP_MS) this.#heldUp = true;
      const isQuiet = this.#atTip && askedMs - subscription.newsMs >= QUIET_MS;
      const isOver = isQuiet || askedMs >= subscription.renewAtMs;
      const length = isOver ? undefined : await subscription.frames.begin();
      if (length === undefined) {
        signal.throwIfAborted();
        if (!subscription.begun) throw new Error('The subscription ended before its first event.');
        this.#end();
        this.#looking = this.#atTip ? MAX_LOOKS : 0;
        return undefined;
      }
      subscription.begun = true;
      this.#beganMs = clock.now();
      if (this.#beganMs - askedMs >= HELD_UP_MS) this.#heldUp = false;
      return await this.#read(subscription, length, askedMs);
    } catch (error) {
      const ending: AbortSignal = subscription.ending.signal;
      // What is read of a connection that was closed says only that it was.
      const failure = sourceError(ending.aborted ? (ending.reason as unknown) : error);
      this.#end();
      this.#context.signal.throwIfAborted();
      throw failure;
    }
  }

  async #read(subscription: Subscription, length: number, askedMs: number): Promise<FeedPage | undefined> {
    const reservation = await this.#room(length);
    try {
      const memory = length <= SCRATCH_BYTES ? scratch.take() : Buffer.allocUnsafeSlow(length);
      const frame = memory.subarray(0, length);
      await subscription.frames.read(frame);
      const event = readSubscriptionEvent(frame);
      scratch.give(memory);
      if (event === undefined) {
        reservation.release();
        return undefined;
      }
      this.#endPolledInstead('subscription');
      const records = numbered(event.Records);
      const ended = event.ChildShards.length > 0;
      const newestMs = records.length === 0 ? undefined : records.arrivalMs(records.length - 1);
      if (newestMs !== undefined) subscription.newsMs = this.#context.clock.now();
      if (newestMs === undefined && !ended && this.#heldUp) {
        reservation.release();
        return undefined;
      }
      const behindMs = event.MillisBehindLatest ?? 0;
      const atTip = behindMs === 0 && !this.#heldUp;
      this.#atTip = atTip;
      const millisBehindLatest =
        this.#heldUp && newestMs !== undefined ? Math.max(behindMs, this.#context.clock.now() - newestMs) : behindMs;
      return { records, reservation, millisBehindLatest, atTip, askedMs, ended };
    } catch (error) {
      reservation.release();
      throw error;
    }
  }

  async #room(length: number): Promise<Reservation> {
    const { budget, signal } = this.#context;
    return length <= SMALL_FRAME_BYTES ? budget.hold() : budget.reserve(Math.min(length, budget.maxBytes), signal);
  }

  async #subscribe(begin: Begin): Promise<Subscription> {
    const { shardId, clock, signal } = this.#context;
    const { subscriptions, renewMs = RENEW_MS, random = Math.random } = this.#options;
    const ending = new AbortController();
    const either = AbortSignal.any([signal, ending.signal]);
    this.#polled.close();
    /** What comes of the connection in time. */
    const inTime = async <T>(waiting: () => Promise<T>): Promise<T> => {
      const cancel = after(clock, SILENCE_MS, () => ending.abort(silent()));
      try {
        return await waiting();
      } finally {
        cancel();
      }
    };
    try {
      const body = await begin(async (position) => {
        const pauseMs = this.#subscribedMs + MIN_SUBSCRIBE_INTERVAL_MS - clock.now();
        if (pauseMs > 0) await clock.sleep(pauseMs, signal);
        this.#subscribedMs = clock.now();
        return inTime(() => subscriptions.subscribe(shardId, position, either));
      });
      const bytes = body[Symbol.asyncIterator]();
      const frames = new EventFrames(async () => {
        const next: IteratorResult<Buffer, unknown> = await inTime(() => bytes.next());
        either.throwIfAborted();
        return next.done === true ? undefined : next.value;
      });
      this.#beganMs = clock.now();
      this.#heldUp = false;
      this.#atTip = false;
      // Not all shards at once.
      const nowMs = clock.now();
      return { frames, ending, renewAtMs: nowMs + renewMs * (1 - random() / 5), begun: false, newsMs: nowMs };
    } catch (error) {
      ending.abort(new Error('The subscription was not begun.'));
      signal.throwIfAborted();
      throw error;
    }
  }
}

const silent = (): SourceError => new SourceError('network', `Nothing has arrived for ${SILENCE_MS / 1000} s.`);
