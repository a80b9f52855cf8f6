import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Logger } from 'pino';
import { Pool } from 'undici';
import { ROLES } from '../../../contract/roles.ts';
import { networkReason } from '../network.ts';
import { influxMessage, type InfluxTarget } from './api.ts';
import type { Clock } from '../clock.ts';
import type { BucketNames, BucketRole } from '../schema/buckets.ts';
import type { LineBlock } from '../schema/line-block.ts';
import { withoutToken } from '../secrets.ts';
import type { PointSink, Refusal } from './point-sink.ts';
import { Retention } from './retention.ts';
import { OutageLog, parseRetryAfter, retrying, type Verdict } from '../retry.ts';

const gzipAsync = promisify<Uint8Array, { level: number; chunkSize: number }, Buffer>(gzip);

/** Time-out of a write, in ms. It is then sent again, since points are idempotent. */
const ANSWER_TIMEOUT_MS = 30_000;

export interface InfluxSinkOptions {
  readonly target: InfluxTarget;
  readonly buckets: BucketNames;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Maximum number of connections. */
  readonly connections: number;
  readonly onRetry: (reason: string) => void;
  /** Seconds of one POST that got a response, whatever its status. */
  readonly onAnswer: (role: BucketRole, seconds: number) => void;
  /** Points older than the bucket's retention. */
  readonly onExpired: (role: BucketRole, points: number) => void;
}

/**
 * Points into InfluxDB 2: one POST per call and bucket, awaited. Only 204 means written.
 *
 * Over https, lines are compressed. Whoever sends a token over plain http has InfluxDB close by, where the bytes cost nothing and compressing them
 * is CPU in both processes: docs/adr/0022-ingest-cost.md.
 *
 * A refusal (400, 413, 422) may be due to one line of thousands, and the others may have been written: the lines are halved until the bad ones
 * stand alone, because writing a good one again changes nothing. Points older than the bucket's retention are set apart first: they are valid,
 * belong in the archive, and InfluxDB would have deleted them by now. All other failures are retried until the write succeeds.
 */
export class InfluxSink implements PointSink {
  readonly #options: InfluxSinkOptions;
  readonly #pool: Pool;
  readonly #basePath: string;
  readonly #zips: boolean;
  readonly #outage: OutageLog;
  readonly #retention: Retention;

  constructor(options: InfluxSinkOptions) {
    this.#options = options;
    const host = new URL(options.target.host);
    this.#zips = host.protocol === 'https:';
    this.#basePath = host.pathname.replace(/\/+$/, '');
    this.#pool = new Pool(host.origin, {
      connections: options.connections,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
      keepAliveTimeout: 30_000,
      connectTimeout: 5_000,
    });
    this.#outage = new OutageLog('influxdb', options.logger, options.clock);
    this.#retention = new Retention(options.target, options.buckets, options.clock);
  }

  async write(role: BucketRole, lines: LineBlock, signal: AbortSignal): Promise<readonly Refusal[]> {
    const refusals: Refusal[] = [];
    await this.#writeRange(role, lines, 0, lines.length, refusals, signal);
    return refusals;
  }

  get troubleSinceMs(): number | undefined {
    return this.#outage.sinceMs;
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
    const answer = await this.#post(role, lines, lines.bytes(from, to), signal);
    if (answer.kind === 'written') return;
    const cutoffMs = await this.#retention.cutoffMs(role, answer.serverMs, signal);
    if (cutoffMs === undefined) {
      await this.#bisect(role, lines, from, to, refusals, answer.message, signal);
      return;
    }
    // What the bucket no longer keeps is refused for that reason, whatever else may be wrong with it.
    const expired = indexes(from, to).filter((index) => lines.timeMs(index) < cutoffMs);
    if (expired.length === 0) {
      await this.#halve(role, lines, from, to, refusals, answer.message, signal);
      return;
    }
    const kept = indexes(from, to).filter((index) => lines.timeMs(index) >= cutoffMs);
    const old = lines.pick(expired);
    if ((await this.#post(role, old, old.bytes(0, old.length), signal)).kind === 'refused') {
      this.#options.onExpired(role, expired.length);
    }
    const own: Refusal[] = [];
    await this.#writeRange(role, lines.pick(kept), 0, kept.length, own, signal);
    for (const { index, reason } of own) refusals.push({ index: kept[index] ?? index, reason });
  }

  /** For a token that may not read how long the bucket keeps points: here InfluxDB's message is all there is. */
  async #bisect(
    role: BucketRole,
    lines: LineBlock,
    from: number,
    to: number,
    refusals: Refusal[],
    message: string,
    signal: AbortSignal,
  ): Promise<void> {
    const count = to - from;
    const allDropped = count <= 1 || droppedOf(message) === count;
    const old = indexes(from, to).every(
      (index) => this.#options.clock.now() - lines.timeMs(index) > LEAST_RETENTION_MS,
    );
    if (allDropped && old && RETENTION.test(message)) this.#options.onExpired(role, count);
    else await this.#halve(role, lines, from, to, refusals, message, signal);
  }

  async #halve(
    role: BucketRole,
    lines: LineBlock,
    from: number,
    to: number,
    refusals: Refusal[],
    message: string,
    signal: AbortSignal,
  ): Promise<void> {
    const count = to - from;
    if (count === 1 || droppedOf(message) === count) {
      for (let index = from; index < to; index++) refusals.push({ index, reason: message });
      return;
    }
    const middle = from + (count >> 1);
    await this.#writeRange(role, lines, from, middle, refusals, signal);
    await this.#writeRange(role, lines, middle, to, refusals, signal);
  }

  /**
   * One POST, retried until InfluxDB has accepted or refused it.
   * @param plain of `lines`
   */
  async #post(role: BucketRole, lines: LineBlock, plain: Uint8Array, signal: AbortSignal): Promise<Answer> {
    const { target, buckets, clock } = this.#options;
    const body = this.#zips ? await zipped(plain) : plain;
    const query = new URLSearchParams({ org: target.org, bucket: buckets[role], precision: 'ns' });
    const answer = await retrying(
      async () => {
        const started = clock.now();
        const token = target.token.current();
        const {
          statusCode,
          headers,
          body: answerBody,
        } = await this.#pool.request({
          method: 'POST',
          path: `${this.#basePath}/api/v2/write?${query.toString()}`,
          headers: {
            authorization: `Token ${token}`,
            'content-type': 'text/plain; charset=utf-8',
            ...(this.#zips ? { 'content-encoding': 'gzip' } : {}),
          },
          body,
          signal,
        });
        const said = withoutToken(await answerBody.text(), token);
        this.#options.onAnswer(role, (clock.now() - started) / 1000);
        if (statusCode === 401) target.token.refused();
        if (statusCode === 204) return { kind: 'written' } as const;
        if (statusCode === 400 || statusCode === 413 || statusCode === 422) {
          return {
            kind: 'refused',
            message: influxMessage(said) || `HTTP status ${statusCode}`,
            serverMs: Date.parse(String(headers['date'])) || clock.now(),
          } as const;
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
          lines.leaveBytes();
          this.#outage.failed(verdict.reason, verdict.message, role);
          this.#options.onRetry(verdict.reason);
        },
      },
    );
    this.#outage.succeeded(role);
    return answer;
  }

  #classify(role: BucketRole, error: unknown): Verdict {
    const { target, buckets } = this.#options;
    const host = `InfluxDB at ${target.host} (INFLUX_HOST)`;
    if (!(error instanceof InfluxStatus)) {
      return {
        kind: 'retry',
        reason: 'network',
        message: `${host} cannot be reached: ${networkReason(error)}.`,
      };
    }
    const said = error.message === '' ? '' : `: ${error.message}`;
    switch (error.status) {
      case 401:
        return {
          kind: 'retry',
          reason: 'unauthorized',
          message: `${host} rejects the token in ${target.token.where}. ${target.token.renewal}`,
        };
      case 403:
        return {
          kind: 'retry',
          reason: 'unauthorized',
          message: `The token in ${target.token.where} may not write to bucket "${buckets[role]}" (${ROLES[role].setting})${said}.`,
        };
      case 404:
        return {
          kind: 'retry',
          reason: 'not_found',
          message: `${host} has no bucket "${buckets[role]}" (${ROLES[role].setting}) in organisation "${target.org}" (INFLUX_ORG)${said}. Create it with "userpulse setup".`,
        };
      case 429:
      case 503:
        return {
          kind: 'retry',
          reason: 'throttled',
          message: `${host} asks to slow down (${error.status})${said}.`,
          afterMs: error.retryAfterMs,
        };
      default:
        return {
          kind: 'retry',
          reason: `http_${error.status}`,
          message: `${host} returned status ${error.status}${said}.`,
          afterMs: error.retryAfterMs,
        };
    }
  }
}

/** Lines compress to a fifth or less, so that this is one job of the thread pool. */
const zipped = (plain: Uint8Array): Promise<Buffer> =>
  gzipAsync(plain, { level: 1, chunkSize: Math.max(16 * 1024, plain.length >> 2) });

const indexes = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);

/** InfluxDB has no shorter retention: https://docs.influxdata.com/influxdb/v2/reference/internals/data-retention/ */
const LEAST_RETENTION_MS = 3_600_000;

/**
 * How versions of InfluxDB 2 speak of points beyond a bucket's retention: "points beyond retention policy", "outside retention policy of duration".
 * Only with status 422, points that are old enough, and a token that cannot ask for the retention.
 */
const RETENTION = /retention policy/i;

/** "dropped=3" or "dropped 3 points": how many points of the request InfluxDB has not written. */
function droppedOf(message: string): number | undefined {
  const dropped = /dropped[ =](\d+)/.exec(message)?.[1];
  return dropped === undefined ? undefined : Number(dropped);
}

type Answer =
  { readonly kind: 'written' } | { readonly kind: 'refused'; readonly message: string; readonly serverMs: number };

class InfluxStatus extends Error {
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  constructor(status: number, message: string, retryAfterMs: number | undefined) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}
