import type { StreamRecord } from '../event/decode.ts';
import { fullJitter, type BackoffPolicy } from '../retry.ts';
import { UserpulseError } from '../errors.ts';
import type { ByteBudget } from '../memory/byte-budget.ts';
import { isAborted, type Clock } from '../clock.ts';
import { nextPauseMs, PageSize } from './pace.ts';
import { compareSequence } from '../event/sequence-number.ts';
import { SourceError, type Page, type Position, type StreamSource } from '../kinesis/stream-source.ts';

/** Throttling is per shard and second, so a first wait of a fifth of one makes sense; the cap keeps a recovery quick. */
const SOURCE_BACKOFF: BackoffPolicy = { baseMs: 200, capMs: 5_000 };

export interface ReadPage {
  /** In order, none of them read before. */
  readonly records: readonly StreamRecord[];
  readonly millisBehindLatest: number;
  /** Nothing lay beyond these records when Kinesis answered. */
  readonly atTip: boolean;
  /** The shard is closed and these were its last records. */
  readonly ended: boolean;
}

export interface ShardReaderOptions {
  readonly source: StreamSource;
  readonly shardId: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Where to begin when nothing of this shard was read before. */
  readonly start: Position;
  /** The last record read before, and the time (ms) up to which nothing is missing behind it. */
  readonly after: { readonly sequenceNumber: string | null; readonly completeToMs: number };
  /** Pause (ms) between two reads of a shard that has nothing new. */
  readonly pollIntervalMs: number;
  /** Waited for before each read; absent for short re-reads at the start, whose size the last run has bounded. */
  readonly budget: ByteBudget | undefined;
  readonly pageBytes: number;
  readonly onRetry: (reason: string, message: string) => void;
  readonly onSuccess: () => void;
  /** Called when records between what was read before and what is left may be gone. May throw to end reading. */
  readonly onGap: (gap: Gap) => void;
  readonly random?: () => number;
}

export interface Gap {
  readonly shardId: string;
  readonly sequenceNumber: string | null;
  /** ms */
  readonly completeToMs: number;
  readonly retentionMs: number;
}

/**
 * Reads a shard page by page, in order, until it ends or the signal is aborted.
 *
 * ```
 *                 iterator                 page
 *   positioning ──────────▶ asking ──────────────────▶ pausing (quota, poll interval)
 *     ▲   ▲                  │  ▲ ▲                       │ │
 *     │   └─ iterator expired ┘  │ └───────────────────────┘ │ no next iterator
 *     │                          │ throttled, network, 5xx:  ▼
 *     └── failed: back off ──────┴── back off              ended
 * ```
 *
 * A position behind a known record is taken *at* that record, and that record must come first: that is the only way to see that the
 * stream has trimmed what was not read yet. Kinesis itself would go on silently with the oldest record it has.
 */
export async function* readShard(options: ShardReaderOptions): AsyncGenerator<ReadPage, void, void> {
  const { source, shardId, clock, signal, budget, pollIntervalMs } = options;
  const size = new PageSize(options.pageBytes);
  let last = options.after.sequenceNumber;
  let completeToMs = options.after.completeToMs;
  let iterator: string | undefined;
  let failures = 0;
  /** The record that must come first, after a new iterator was taken at it. */
  let expected: string | null = null;
  let idleSinceMs: number | undefined;

  const checkGap = async (): Promise<void> => {
    const { retentionMs } = await source.describe(signal);
    // Records live for the retention. Where nothing was missing up to a time that the stream still covers, nothing was lost since.
    if (clock.now() - completeToMs < retentionMs) return;
    options.onGap({ shardId, sequenceNumber: last, completeToMs, retentionMs });
    completeToMs = clock.now();
  };

  const takeIterator = async (): Promise<string> => {
    if (last === null) {
      if (completeToMs > 0) await checkGap();
      const { start } = options;
      if (start.kind === 'at') {
        const taken = await iteratorAt(source, shardId, start.sequenceNumber, signal);
        if (taken !== undefined) return taken;
      }
      return source.iterator(shardId, start.kind === 'at' ? { kind: 'trim_horizon' } : start, signal);
    }
    const taken = await iteratorAt(source, shardId, last, signal);
    if (taken !== undefined) {
      expected = last;
      return taken;
    }
    await checkGap();
    return source.iterator(shardId, { kind: 'trim_horizon' }, signal);
  };

  /** Sees to it that the record which must come first does; see above. */
  const verify = async (page: Page, atTip: boolean): Promise<void> => {
    if (expected === null) return;
    const first = page.records[0];
    // An empty page in the middle of a shard is normal; at its end it means that nothing is left, that record included.
    if (first === undefined && !atTip && page.next !== undefined) return;
    if (first?.sequenceNumber !== expected) await checkGap();
    expected = null;
  };

  while (!signal.aborted) {
    const reserved = options.pageBytes;
    await budget?.reserve(reserved, signal);
    const startedMs = clock.now();
    let page: Page;
    let atTip: boolean;
    const limit = size.limit();
    try {
      iterator ??= await takeIterator();
      page = await source.records(iterator, limit, signal);
      // A page cut off by the limit says nothing about what lies behind it, whatever the lag; some servers report 0 there.
      atTip = page.millisBehindLatest === 0 && page.records.length < limit;
      await verify(page, atTip);
    } catch (error) {
      budget?.release(reserved);
      if (isAborted(signal)) return;
      if (!(error instanceof SourceError)) throw error;
      const reason = isAheadOfKinesis(error, options.start, clock.now())
        ? 'clock_ahead'
        : reasonToRetry(error, source.stream, shardId);
      if (error.kind === 'iterator_expired') {
        iterator = undefined;
        options.onRetry(reason, error.message);
        continue;
      }
      options.onRetry(reason, error.message);
      await clock.sleep(fullJitter(SOURCE_BACKOFF, failures++, (options.random ?? Math.random)()), signal);
      continue;
    }
    failures = 0;
    options.onSuccess();
    iterator = page.next;
    let bytes = 0;
    for (const record of page.records) bytes += record.data.byteLength;
    size.seen(page.records.length, bytes);
    const known = last;
    const records =
      known === null ? page.records : page.records.filter((r) => compareSequence(r.sequenceNumber, known) > 0);
    const newest = records.at(-1);
    if (newest !== undefined) {
      last = newest.sequenceNumber;
      completeToMs = Math.max(completeToMs, newest.approximateArrivalMs);
    }
    if (atTip) completeToMs = Math.max(completeToMs, startedMs);
    const ended = page.next === undefined;
    // What is yielded is charged by the receiver before it asks for more; the reservation has done its work.
    budget?.release(reserved);
    yield { records, millisBehindLatest: page.millisBehindLatest, atTip, ended };
    if (ended) return;

    if (records.length > 0 || !atTip) idleSinceMs = undefined;
    else idleSinceMs ??= startedMs;
    const nowMs = clock.now();
    const pauseMs = nextPauseMs({
      bytes,
      atTip,
      idleMs: idleSinceMs === undefined ? 0 : nowMs - idleSinceMs,
      pollIntervalMs,
      elapsedMs: nowMs - startedMs,
    });
    if (pauseMs > 0) await clock.sleep(pauseMs, signal);
  }
}

/**
 * An iterator at a record.
 * @returns undefined where the server says that the record is gone; others go to the oldest record instead
 */
export async function iteratorAt(
  source: StreamSource,
  shardId: string,
  sequenceNumber: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return await source.iterator(shardId, { kind: 'at', sequenceNumber }, signal);
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
