import type { Logger } from 'pino';
import { UserpulseError } from '../errors.ts';
import { sentences } from '../format.ts';
import { OutageLog, retrying } from '../retry.ts';
import type { Clock } from '../clock.ts';
import type { IngestMetrics } from './metrics.ts';
import type { Gap, ReadEvents } from './shard-reader.ts';
import { SourceError, type StreamSource } from '../kinesis/stream-source.ts';

export interface StreamCallsOptions {
  readonly source: StreamSource;
  readonly clock: Clock;
  /** Aborted by a stop: nothing more is read. */
  readonly signal: AbortSignal;
  readonly metrics: IngestMetrics;
  readonly logger: Logger;
  /** Whether a gap ends ingest or is passed. */
  readonly onTrimmed: 'stop' | 'continue';
}

/** What goes wrong with the stream, for all who read it: tried again, counted, and told once per outage in the operator's terms. */
export class StreamCalls implements ReadEvents {
  readonly source: StreamSource;
  readonly signal: AbortSignal;
  readonly #options: StreamCallsOptions;
  readonly #outage: OutageLog;
  /** Shards that are polled though they should be pushed, since when (ms). */
  readonly #polledInstead = new Map<string, number>();

  constructor(options: StreamCallsOptions) {
    this.source = options.source;
    this.signal = options.signal;
    this.#options = options;
    this.#outage = new OutageLog('stream', options.logger, options.clock);
  }

  /** Since when (ms) the stream cannot be read. */
  get troubleSinceMs(): number | undefined {
    return this.#outage.sinceMs;
  }

  /**
   * A call that must work before ingest can go on.
   * @throws UserpulseError stream_not_found; or the signal's reason
   */
  async call<T>(call: () => Promise<T>): Promise<T> {
    try {
      const result = await retrying(call, {
        clock: this.#options.clock,
        signal: this.signal,
        classify: (error) =>
          error instanceof SourceError && error.kind !== 'not_found' && error.kind !== 'invalid'
            ? { kind: 'retry', reason: error.kind, message: error.message }
            : { kind: 'give_up' },
        onRetry: (verdict) => this.retrying(verdict.reason, verdict.message, call),
      });
      this.succeeded(call);
      return result;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      throw new UserpulseError(
        'stream_not_found',
        `Stream "${this.source.stream}" (USERPULSE_STREAM) does not exist.`,
        {
          hint: '"userpulse setup --create" makes it; or correct USERPULSE_STREAM or AWS_REGION.',
          cause: error,
        },
      );
    }
  }

  retrying(reason: string, message: string, part: unknown): void {
    this.#options.metrics.retries.inc({ target: 'stream', reason });
    // An iterator that has expired is part of normal life: reading had stopped for five minutes.
    if (reason === 'iterator_expired') return;
    this.#outage.failed(reason, `Stream "${this.source.stream}" (USERPULSE_STREAM) cannot be read: ${message}`, part);
  }

  succeeded(part: unknown): void {
    this.#outage.succeeded(part);
  }

  /** Not an outage: the shard is read all the same. */
  polledInstead(message: string, shardId: string): void {
    const { metrics, logger, clock } = this.#options;
    metrics.retries.inc({ target: 'stream', reason: 'in_use' });
    if (this.#polledInstead.has(shardId)) return;
    this.#polledInstead.set(shardId, clock.now());
    metrics.polledInstead.set(this.#polledInstead.size);
    logger.warn(
      { shardId, reason: 'in_use' },
      sentences(message, 'The shard is polled until it can be subscribed to; no data is lost'),
    );
  }

  notPolledInstead(by: 'subscription' | 'close', shardId: string): void {
    const { metrics, logger, clock } = this.#options;
    const sinceMs = this.#polledInstead.get(shardId);
    if (sinceMs === undefined) return;
    this.#polledInstead.delete(shardId);
    metrics.polledInstead.set(this.#polledInstead.size);
    if (by === 'close') return;
    logger.info({ shardId, forMs: clock.now() - sinceMs }, 'The shard is subscribed to again, and polled no more.');
  }

  /** @throws UserpulseError checkpoint_trimmed, unless gaps are passed */
  gap(gap: Gap): void {
    const { metrics, logger, onTrimmed } = this.#options;
    metrics.trimmed.inc();
    const error = new UserpulseError(
      'checkpoint_trimmed',
      `Records of shard ${gap.shardId} may be lost: they were read ${gap.sequenceNumber === null ? '' : `up to ${gap.sequenceNumber}, `}with nothing missing until ${new Date(gap.completeToMs).toISOString()}, and the stream keeps records for ${gap.retentionMs / 3_600_000} h only.`,
      {
        hint: 'To accept the loss and go on with the oldest record there is, start once with USERPULSE_ON_TRIMMED=continue. To have more time the next time, raise the retention of the stream.',
      },
    );
    if (onTrimmed === 'stop') throw error;
    logger.error({ err: error, shardId: gap.shardId }, 'Going on after a gap, as USERPULSE_ON_TRIMMED=continue says.');
  }
}
