import { mayHaveGap } from '../checkpoint/checkpoint.ts';
import type { Clock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import type { StreamRecords } from '../kinesis/stream-records.ts';
import { compareSequence, type SequenceNumber } from '../event/sequence-number.ts';
import type { Begin, FeedEvents, FeedPage, OpenFeed } from '../kinesis/shard-feed.ts';
import { SourceError, type Position, type StreamSource } from '../kinesis/stream-source.ts';
import type { ByteBudget, Reservation } from '../memory/byte-budget.ts';
import { Retries, type BackoffPolicy } from '../retry.ts';

/** The most that a record costs beside its data: sequence number and partition key (at most 128 and 256 characters), and its numbers in columns. */
const RECORD_OVERHEAD_BYTES = 400;

/** What a record takes of the byte budget, from its page until the archive holds a copy of it. */
export const heldBytes = (dataBytes: number): number => dataBytes + RECORD_OVERHEAD_BYTES;

/** Throttling is per shard and second, so a first wait of a fifth of one makes sense; the cap keeps a recovery quick. */
const SOURCE_BACKOFF: BackoffPolicy = { baseMs: 200, capMs: 5_000 };

export interface ReadPage {
  /** In order, none of them read before. */
  readonly records: StreamRecords;
  /** Holds the {@link heldBytes} of the records; whoever takes the page releases it. */
  readonly reservation: Reservation;
  readonly millisBehindLatest: number;
  /** Nothing lay beyond these records when Kinesis answered. */
  readonly atTip: boolean;
  /** The shard is closed and these were its last records. */
  readonly ended: boolean;
}

/** How any shard is read, live or again. */
export interface ReadContext {
  readonly source: StreamSource;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly pageBytes: number;
  readonly events: ReadEvents;
}

/** What a reader tells of its stream. */
export interface ReadEvents extends FeedEvents {
  /** A request has failed and will be repeated. */
  retrying(reason: string, message: string, shardId: string): void;
  succeeded(shardId: string): void;
  /** Records between what was read before and what is left may be gone. May throw to end reading. */
  gap(gap: Gap): void;
}

export interface Gap {
  readonly shardId: string;
  readonly sequenceNumber: string | null;
  /** ms */
  readonly completeToMs: number;
  readonly retentionMs: number;
}

export interface ShardReaderOptions extends ReadContext {
  readonly shardId: string;
  /** Where to begin when nothing of this shard was read before. */
  readonly start: Position;
  /** The last record read before, and the time (ms) up to which nothing is missing behind it. */
  readonly after: { readonly sequenceNumber: string | null; readonly completeToMs: number };
  /** How its pages come. */
  readonly feed: OpenFeed;
  /** Waited for before each page. */
  readonly budget: ByteBudget;
  readonly random?: () => number;
}

/**
 * Reads a shard page by page, in order, until it ends or the signal is aborted.
 *
 * ```
 *                  begun                    page
 *   positioning ──────────▶ awaiting a page ────▶ handing it on
 *     ▲   ▲                  │  ▲ ▲                  │ │
 *     │   └ iterator expired ┘  │ └──────────────────┘ │ the shard's end
 *     │                         │ throttled, network,  ▼
 *     └── failed: back off ─────┴ 5xx: back off      ended
 * ```
 * How the pages come is the feed's: it positions, waits and keeps to quotas.
 *
 * A position behind a known record is taken *at* that record, and that record must come first: that is the only way to see that the
 * stream has trimmed what was not read yet. Kinesis itself would go on silently with the oldest record it has.
 */
export async function* readShard(options: ShardReaderOptions): AsyncGenerator<ReadPage, void, void> {
  try {
    yield* pagesOf(options);
  } catch (error) {
    if (!options.signal.aborted) throw error;
  }
}

async function* pagesOf(options: ShardReaderOptions): AsyncGenerator<ReadPage, void, void> {
  const { source, shardId, clock, signal, events } = options;
  const feed = options.feed(options);
  let last = options.after.sequenceNumber;
  let completeToMs = options.after.completeToMs;
  /** The record that must come first, after reading has begun at it. */
  let expected: string | null = null;
  const retries = new Retries({
    clock,
    signal,
    policy: SOURCE_BACKOFF,
    ...(options.random === undefined ? {} : { random: options.random }),
    classify: (error) => {
      if (!(error instanceof SourceError)) return { kind: 'give_up' };
      const isAhead = isAheadOfKinesis(error, options.start, clock.now());
      const reason = isAhead ? 'clock_ahead' : reasonToRetry(error, source.stream, shardId);
      return { kind: 'retry', reason, message: error.message };
    },
    onRetry: ({ reason, message }) => events.retrying(reason, message, shardId),
  });

  const checkGap = async (): Promise<void> => {
    const { retentionMs } = await source.describe(signal);
    if (!mayHaveGap(completeToMs, retentionMs, clock.now())) return;
    events.gap({ shardId, sequenceNumber: last, completeToMs, retentionMs });
    completeToMs = clock.now();
  };

  const begin: Begin = async (open) => {
    if (last === null) {
      if (completeToMs > 0) await checkGap();
      const { start } = options;
      const opened = start.kind === 'at' ? await openAt(open, start.sequenceNumber) : undefined;
      return opened === undefined ? open(start.kind === 'at' ? { kind: 'trim_horizon' } : start) : opened.at;
    }
    const opened = await openAt(open, last);
    if (opened !== undefined) {
      expected = last;
      return opened.at;
    }
    await checkGap();
    return open({ kind: 'trim_horizon' });
  };

  /** Sees to it that the record which must come first does; see above. */
  const verify = async ({ records, atTip, ended }: FeedPage): Promise<void> => {
    if (expected === null) return;
    const first = records.length === 0 ? undefined : records.sequenceNumber(0);
    // An empty page in the middle of a shard is normal; at its end it means that nothing is left, that record included.
    if (first === undefined && !atTip && !ended) return;
    if (first !== expected) await checkGap();
    expected = null;
  };

  try {
    while (!signal.aborted) {
      let page: FeedPage;
      try {
        page = await feed.next(begin);
        try {
          await verify(page);
        } catch (error) {
          // Not taken: it is read again.
          page.reservation.release();
          feed.close();
          throw error;
        }
      } catch (error) {
        if (error instanceof SourceError && error.kind === 'iterator_expired') {
          events.retrying(error.kind, error.message, shardId);
        } else await retries.failed(error);
        continue;
      }
      retries.succeeded();
      events.succeeded(shardId);
      const { millisBehindLatest, atTip, ended } = page;
      const records = last === null ? page.records : behind(page.records, last);
      if (records.length > 0) {
        last = records.sequenceNumber(records.length - 1);
        completeToMs = Math.max(completeToMs, records.arrivalMs(records.length - 1));
      }
      if (atTip) completeToMs = Math.max(completeToMs, page.askedMs);
      for await (const { nextMs, ...piece } of pieces(records, page.reservation, options)) {
        if (nextMs === undefined) yield { ...piece, millisBehindLatest, atTip, ended };
        else yield { ...piece, millisBehindLatest: clock.now() - nextMs, atTip: false, ended: false };
      }
      if (ended) return;
    }
  } finally {
    feed.close();
  }
}

/** Those behind a known record. They are in order, so that a page seldom begins with others: the known one, after reading has begun at it. */
function behind(records: StreamRecords, known: SequenceNumber): StreamRecords {
  let at = 0;
  while (at < records.length && compareSequence(records.sequenceNumber(at), known) <= 0) records.release(at++);
  return at === 0 ? records : records.slice(at);
}

interface Piece {
  readonly records: StreamRecords;
  readonly reservation: Reservation;
  /** Arrival (ms) of the first of the page's records that is to come; undefined for the last piece. */
  readonly nextMs: number | undefined;
}

/**
 * The records of a page, in one piece if there is room for it. What was reserved suffices for a page of the expected size; of a larger one, what
 * fits goes on at once, and the rest waits before anybody reads more.
 */
async function* pieces(
  records: StreamRecords,
  reserved: Reservation,
  { budget, pageBytes, signal }: ShardReaderOptions,
): AsyncGenerator<Piece, void, void> {
  let reservation = reserved;
  let rest = records;
  let bytes = 0;
  for (let at = 0; at < records.length; at++) bytes += heldBytes(records.dataBytes(at));
  while (!reservation.tryResize(bytes)) {
    const fitting = fittingIn(reservation.bytes, rest);
    if (fitting.count === 0) {
      await reservation.resize(Math.max(fitting.nextBytes, Math.min(bytes, pageBytes)), signal);
      continue;
    }
    reservation.release(reservation.bytes - fitting.bytes);
    yield { records: rest.slice(0, fitting.count), reservation, nextMs: rest.arrivalMs(fitting.count) };
    reservation = budget.hold();
    rest = rest.slice(fitting.count);
    bytes -= fitting.bytes;
  }
  yield { records: rest, reservation, nextMs: undefined };
}

/** How many of the first records fit, how much they take, and how much the one behind them would. */
function fittingIn(
  bytes: number,
  records: StreamRecords,
): { readonly count: number; readonly bytes: number; readonly nextBytes: number } {
  let taken = 0;
  for (let count = 0; count < records.length; count++) {
    const nextBytes = heldBytes(records.dataBytes(count));
    if (taken + nextBytes > bytes) return { count, bytes: taken, nextBytes };
    taken += nextBytes;
  }
  return { count: records.length, bytes: taken, nextBytes: 0 };
}

/**
 * Begins to read at a record.
 * @returns undefined where the server says that the record is gone; others go to the oldest record instead
 */
async function openAt<T>(
  open: (position: Position) => Promise<T>,
  sequenceNumber: string,
): Promise<{ readonly at: T } | undefined> {
  try {
    return { at: await open({ kind: 'at', sequenceNumber }) };
  } catch (error) {
    if (error instanceof SourceError && (error.kind === 'not_found' || error.kind === 'invalid')) return undefined;
    throw error;
  }
}

/**
 * Kinesis refuses times that lie in its future, and "latest" is a time by our clock. How far ahead of Kinesis's that may be, in ms: the AWS SDK
 * tolerates as much.
 */
const CLOCK_TOLERANCE_MS = 300_000;

const isAheadOfKinesis = (error: SourceError, start: Position, nowMs: number): boolean =>
  error.kind === 'invalid' && start.kind === 'time' && start.ms <= nowMs && nowMs - start.ms < CLOCK_TOLERANCE_MS;

/** A failure's label for metrics. @throws UserpulseError for a failure that trying again does not mend */
function reasonToRetry(error: SourceError, stream: string, shardId: string): string {
  switch (error.kind) {
    case 'iterator_expired':
    case 'throttled':
    case 'in_use':
    case 'network':
    case 'unavailable':
    case 'unauthorized':
      return error.kind;
    case 'not_found':
      throw new UserpulseError(
        'stream_not_found',
        `Shard ${shardId} of stream "${stream}" (USERPULSE_STREAM) is gone.`,
        {
          hint: 'Was the stream deleted? Make it again and start ingest with a new checkpoint folder (USERPULSE_CHECKPOINT).',
          cause: error,
        },
      );
    case 'invalid':
      throw new UserpulseError(
        'stream_unreachable',
        `Kinesis refuses to read shard ${shardId} of stream "${stream}" (USERPULSE_STREAM): ${error.message}`,
        { hint: 'If USERPULSE_START is a time, it must not lie in the future.', cause: error },
      );
    default:
      return error.kind satisfies never;
  }
}
