import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Logger } from 'pino';
import { Pool } from 'undici';
import { networkReason } from '../network.ts';
import { influxMessage, type InfluxTarget } from './api.ts';
import type { Clock } from '../clock.ts';
import type { BucketNames, BucketRole } from '../schema/buckets.ts';
import type { LineBlock } from '../schema/line-block.ts';
import { withoutToken } from '../secrets.ts';
import type { PointSink, Refusal } from './point-sink.ts';
import { OutageLog, parseRetryAfter, retrying, type Verdict } from '../retry.ts';

const gzipAsync = promisify<Uint8Array, { level: number; chunkSize: number }, Buffer>(gzip);

/** Longest time InfluxDB may take to answer a write, in ms. A write that is given up on is sent again: points are idempotent. */
const ANSWER_TIMEOUT_MS = 30_000;

const BUCKET_SETTING: Readonly<Record<BucketRole, string>> = {
  made: 'USERPULSE_BUCKET_MADE',
  received: 'USERPULSE_BUCKET_RECEIVED',
  share: 'USERPULSE_BUCKET_SHARE',
  total: 'USERPULSE_BUCKET_TOTAL',
};

export interface InfluxSinkOptions {
  readonly target: InfluxTarget;
  readonly buckets: BucketNames;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Most connections at a time. */
  readonly connections: number;
  readonly onRetry: (reason: string) => void;
  /** Seconds of one POST that was answered, whatever the answer. */
  readonly onAnswer: (role: BucketRole, seconds: number) => void;
  /** Points that the bucket's retention does not keep any more. */
  readonly onExpired: (role: BucketRole, points: number) => void;
}

/**
 * Points into InfluxDB 2: one POST per call and bucket, gzip, awaited. Only 204 means written.
 *
 * A refusal (400, 413, 422) may come from one line of thousands, and may have written the others: the lines are halved until the bad ones
 * stand alone; writing a good one again changes nothing. Everything else is repeated until it works.
 */
export class InfluxSink implements PointSink {
  readonly #options: InfluxSinkOptions;
  readonly #pool: Pool;
  readonly #basePath: string;
  readonly #outage: OutageLog;

  constructor(options: InfluxSinkOptions) {
    this.#options = options;
    const host = new URL(options.target.host);
    this.#basePath = host.pathname.replace(/\/+$/, '');
    this.#pool = new Pool(host.origin, {
      connections: options.connections,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
      keepAliveTimeout: 30_000,
      connectTimeout: 5_000,
    });
    this.#outage = new OutageLog('influxdb', options.logger, options.clock);
  }

  async write(role: BucketRole, lines: LineBlock, signal: AbortSignal): Promise<readonly Refusal[]> {
    const refusals: Refusal[] = [];
    await this.#writeRange(role, lines, 0, lines.length, refusals, signal);
    return refusals;
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #writeRange(
    role: BucketRole,
    lines: LineBlock,
    from: number,
    to: number,
    refusals: Refusal[],
    signal: AbortSignal,
  ): Promise<void> {
    const count = to - from;
    if (count === 0) return;
    const answer = await this.#post(role, lines.bytes(from, to), signal);
    if (answer.kind === 'written') return;
    if (EXPIRED.test(answer.message)) {
      // The bucket does not keep points that old. They are valid, belong into the archive, and would be gone by now anyway. The
      // others of the same request have been written: InfluxDB reports this one only where nothing else was wrong.
      this.#options.onExpired(role, droppedOf(answer.message) ?? count);
      return;
    }
    if (count === 1 || droppedOf(answer.message) === count) {
      for (let index = from; index < to; index++) refusals.push({ index, reason: answer.message });
      return;
    }
    const middle = from + (count >> 1);
    await this.#writeRange(role, lines, from, middle, refusals, signal);
    await this.#writeRange(role, lines, middle, to, refusals, signal);
  }

  /** One POST, repeated until InfluxDB has taken or refused it. */
  async #post(role: BucketRole, plain: Uint8Array, signal: AbortSignal): Promise<Answer> {
    const { target, buckets, clock } = this.#options;
    // Lines compress to a fifth or less: one job of the thread pool takes all of them.
    const chunkSize = Math.max(16 * 1024, plain.length >> 2);
    const body = await gzipAsync(plain, { level: 1, chunkSize });
    const query = new URLSearchParams({ org: target.org, bucket: buckets[role], precision: 'ns' });
    const answer = await retrying(
      async () => {
        const started = clock.now();
        const {
          statusCode,
          headers,
          body: answerBody,
        } = await this.#pool.request({
          method: 'POST',
          path: `${this.#basePath}/api/v2/write?${query.toString()}`,
          headers: {
            authorization: `Token ${target.token}`,
            'content-type': 'text/plain; charset=utf-8',
            'content-encoding': 'gzip',
          },
          body,
          signal,
        });
        const said = withoutToken(await answerBody.text(), target.token);
        this.#options.onAnswer(role, (clock.now() - started) / 1000);
        if (statusCode === 204) return { kind: 'written' } as const;
        if (statusCode === 400 || statusCode === 413 || statusCode === 422) {
          return { kind: 'refused', message: influxMessage(said) || `HTTP status ${statusCode}` } as const;
        }
        const retryAfter = headers['retry-after'];
        throw new InfluxStatus(
          statusCode,
          influxMessage(said),
          parseRetryAfter(typeof retryAfter === 'string' ? retryAfter : undefined, clock.now()),
        );
      },
      {
        clock,
        signal,
        classify: (error) => this.#classify(role, error),
        onRetry: (verdict) => {
          this.#outage.failed(verdict.reason, verdict.message);
          this.#options.onRetry(verdict.reason);
        },
      },
    );
    this.#outage.succeeded();
    return answer;
  }

  #classify(role: BucketRole, error: unknown): Verdict {
    const { target, buckets } = this.#options;
    const host = `InfluxDB at ${target.host} (INFLUX_HOST)`;
    const again = 'Trying again; nothing is lost meanwhile.';
    if (!(error instanceof InfluxStatus)) {
      return {
        kind: 'retry',
        reason: 'network',
        message: `${host} cannot be reached: ${networkReason(error)}. ${again}`,
      };
    }
    switch (error.status) {
      case 401:
        return {
          kind: 'retry',
          reason: 'unauthorized',
          message: `${host} does not take the token in INFLUX_TOKEN. Set a valid one. ${again}`,
        };
      case 403:
        return {
          kind: 'retry',
          reason: 'unauthorized',
          message: `The token in INFLUX_TOKEN may not write bucket "${buckets[role]}" (${BUCKET_SETTING[role]}): ${error.message}. ${again}`,
        };
      case 404:
        return {
          kind: 'retry',
          reason: 'not_found',
          message: `${host} has no bucket "${buckets[role]}" (${BUCKET_SETTING[role]}) in organisation "${target.org}" (INFLUX_ORG): ${error.message}. "userpulse setup" makes it. ${again}`,
        };
      case 429:
      case 503:
        return {
          kind: 'retry',
          reason: 'throttled',
          message: `${host} asks for a pause (${error.status}): ${error.message}. ${again}`,
          afterMs: error.retryAfterMs,
        };
      default:
        return {
          kind: 'retry',
          reason: `http_${error.status}`,
          message: `${host} answered ${error.status}: ${error.message}. ${again}`,
          afterMs: error.retryAfterMs,
        };
    }
  }
}

/** 422 of tsdb's PartialWriteError: https://github.com/influxdata/influxdb/blob/v2.7.12/tsdb/shard.go and v1/coordinator/points_writer.go */
const EXPIRED = /points beyond retention policy/;

/** "… dropped=3": how many points of the request InfluxDB has not written. */
function droppedOf(message: string): number | undefined {
  const dropped = /dropped=(\d+)/.exec(message)?.[1];
  return dropped === undefined ? undefined : Number(dropped);
}

type Answer = { readonly kind: 'written' } | { readonly kind: 'refused'; readonly message: string };

class InfluxStatus extends Error {
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  constructor(status: number, message: string, retryAfterMs: number | undefined) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}
