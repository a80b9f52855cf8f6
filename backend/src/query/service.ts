import type { Logger } from 'pino';
import type {
  FrameJson,
  InteractionsResult,
  LiveWindow,
  QueryResponse,
  QueryResult,
  TopResult,
} from '../../../contract/answers.ts';
import { MAX_SERIES } from '../../../contract/limits.ts';
import { ID_PRESETS, isIdPreset, roleOf } from '../../../contract/presets.ts';
import { STATUS, UserpulseError } from '../errors.ts';
import { EARLIEST_MS } from '../event/event.ts';
import type { Flux } from '../flux/literals.ts';
import { countScript, idScript, typesScript } from '../flux/translate.ts';
import type { Schema } from '../schema/buckets.ts';
import { CountReader } from '../influx/count-reader.ts';
import { Counts, type Series } from './counts.ts';
import { DAY_MS } from './duration.ts';
import { seriesFrame, topFrame, valueSeries, type ValueSeries } from './frames.ts';
import { seriesNotices, typesWithout } from './notices.ts';
import type { InfluxReader } from '../influx/reader.ts';
import type { Retention } from '../influx/retention.ts';
import { LiveHub } from './live.ts';
import {
  everyText,
  planQuery,
  tooManySeries,
  type Plan,
  type PlanContext,
  type SeriesPlan,
  type TopPlan,
} from './plan.ts';
import type { QueryRequest } from './request.ts';
import { IdCounter } from './top.ts';
import { parseInstant, parseRange } from './validate.ts';
import { zoneOf } from './zone.ts';

/** RFC 3339 with an offset, or epoch milliseconds as a number or a string of digits. */
export type Instant = string | number;

export interface InteractionsInput {
  readonly preset: string;
  readonly id: string;
  readonly from: Instant;
  readonly to: Instant;
  readonly every?: string | undefined;
  readonly types?: readonly string[] | undefined;
  readonly calc?: string | undefined;
  readonly timezone?: string | undefined;
}

export interface TopInput {
  readonly of: string;
  readonly types?: readonly string[] | undefined;
  readonly from: Instant;
  readonly to: Instant;
  readonly n?: number | undefined;
}

export interface LiveInput {
  readonly preset: string;
  readonly ids: readonly string[];
  readonly types: readonly string[];
  readonly every: string;
  readonly timezone?: string | undefined;
}

/** Result of translating one query: the Flux that would be run, or why it cannot be. */
export type TranslateResult =
  { readonly flux: string } | { readonly error: string; readonly errorCode: string; readonly status: number };

export interface TranslateResponse {
  readonly results: Readonly<Record<string, TranslateResult>>;
}

/**
 * Answers the questions of the contract. Bad input throws UserpulseError `bad_request` or `too_many_windows` with a message that says
 * what to change; InfluxDB's failures throw the codes of {@link InfluxReader}.
 */
export interface QueryService {
  /** Each query fails alone: its result is then `{error, errorCode, status, frames: []}`. Throws where the range or the zone is wrong. */
  query(request: QueryRequest, signal?: AbortSignal): Promise<QueryResponse>;
  /** The Flux of each query, not run. */
  translate(request: QueryRequest): TranslateResponse;
  interactions(input: InteractionsInput, signal?: AbortSignal): Promise<InteractionsResult>;
  top(input: TopInput, signal?: AbortSignal): Promise<TopResult>;
  /** Types that occur in the range (default: the 30 days before `to`, which is now), sorted. */
  types(
    input: { readonly from?: Instant | undefined; readonly to?: Instant | undefined },
    signal?: AbortSignal,
  ): Promise<string[]>;
  /**
   * Validates at once (throws UserpulseError `bad_request`), then yields every new or changed window until `signal` aborts, which ends it
   * without an error.
   */
  live(input: LiveInput, signal: AbortSignal): AsyncIterable<LiveWindow>;
  /** Tells live subscriptions that points have just been written, so that they look at once. For an ingest in the same process. */
  wake(): void;
}

export interface QueryServiceOptions {
  readonly influx: InfluxReader;
  readonly schema: Schema;
  /** Epoch ms. */
  readonly now: () => number;
  readonly logger: Logger;
  /** Tells of ranges that begin before what a bucket keeps; without it nothing does. */
  readonly retention?: Pick<Retention, 'cutoffMs'> | undefined;
}

const DEFAULT_TYPES_RANGE_MS = 30 * DAY_MS;
/** How long the list of all types is believed, where it decides about a notice only. */
const TYPES_FRESH_MS = 60_000;
/** Whoever asks first may give up: the answer is for those after, too. */
const NEVER = new AbortController().signal;
/** Results of one request that are read from InfluxDB at the same time. */
const CONCURRENT_QUERIES = 8;

export function createQueryService(options: QueryServiceOptions): QueryService {
  return new InfluxQueryService(options);
}

class InfluxQueryService implements QueryService {
  readonly #influx: InfluxReader;
  readonly #schema: Schema;
  readonly #now: () => number;
  readonly #logger: Logger;
  readonly #live: LiveHub;
  readonly #retention: QueryServiceOptions['retention'];
  #known: { readonly types: Promise<readonly string[] | undefined>; readonly untilMs: number } | undefined;

  constructor(options: QueryServiceOptions) {
    this.#influx = options.influx;
    this.#schema = options.schema;
    this.#now = options.now;
    this.#logger = options.logger;
    this.#retention = options.retention;
    this.#live = new LiveHub({
      ...options,
      read: async (plan, signal) => (await this.#read(plan, signal)).now,
    });
  }

  async query(request: QueryRequest, signal?: AbortSignal): Promise<QueryResponse> {
    const context = contextOf(request);
    uniqueRefIds(request);
    // In the order of the queries, whichever is answered first.
    const results = new Map<string, QueryResult>(request.queries.map(({ refId }) => [refId, { frames: [] }]));
    const waiting = [...request.queries];
    const work = async (): Promise<void> => {
      for (let query = waiting.shift(); query !== undefined; query = waiting.shift()) {
        try {
          results.set(query.refId, { status: 200, frames: [await this.#frame(planQuery(query, context), signal)] });
        } catch (error) {
          results.set(query.refId, { ...this.#failure(error, query.refId), frames: [] });
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENT_QUERIES, waiting.length) }, work));
    // fromEntries, not assignment: a refId may be any text, "__proto__" too.
    return { results: Object.fromEntries(results) };
  }

  translate(request: QueryRequest): TranslateResponse {
    const context = contextOf(request);
    uniqueRefIds(request);
    const results = new Map<string, TranslateResult>();
    for (const query of request.queries) {
      try {
        results.set(query.refId, { flux: this.#script(planQuery(query, context)).text });
      } catch (error) {
        results.set(query.refId, this.#failure(error, query.refId));
      }
    }
    return { results: Object.fromEntries(results) };
  }

  async interactions(input: InteractionsInput, signal?: AbortSignal): Promise<InteractionsResult> {
    const context = contextOf(input);
    const plan = planQuery(
      {
        refId: 'A',
        preset: input.preset,
        ids: [input.id],
        types: input.types,
        every: input.every,
        calc: input.calc,
        groupBy: ['type'],
      },
      context,
    );
    if (plan.kind !== 'series' || !isIdPreset(plan.preset))
      throw new UserpulseError('bad_request', `preset "${input.preset}" has no ids.`, {
        hint: `Use one of ${ID_PRESETS.join(', ')}.`,
      });
    const series = await this.#series(plan, signal);
    return {
      preset: plan.preset,
      id: plan.ids[0] ?? input.id,
      every: everyText(plan),
      from: new Date(context.fromMs).toISOString(),
      to: new Date(context.toMs).toISOString(),
      series: series.map(({ type, values }) => ({
        // Empty where no type was asked for and nothing happened.
        type: type ?? '',
        points: plan.now.windows.map((window, i) => [window.startMs, values[i] ?? 0] as const),
      })),
    };
  }

  async top(input: TopInput, signal?: AbortSignal): Promise<TopResult> {
    const { of, types, n, from, to } = input;
    const plan = planQuery({ refId: 'A', preset: 'top', of, types, n }, contextOf({ from, to }));
    if (plan.kind !== 'top') throw new Error('The preset "top" has a plan of its own.');
    const counter = await this.#countIds(plan, signal);
    return { top: counter.top(plan.n) };
  }

  async types(
    input: { readonly from?: Instant | undefined; readonly to?: Instant | undefined },
    signal?: AbortSignal,
  ): Promise<string[]> {
    // A minute ahead: producers' clocks may be.
    const toMs = input.to === undefined ? this.#now() + 60_000 : parseInstant(input.to, 'to');
    const range = parseRange(input.from ?? toMs - DEFAULT_TYPES_RANGE_MS, toMs);
    const types: string[] = [];
    await this.#influx.rows(
      typesScript(range, this.#schema),
      (columns) => {
        const value = columns.indexOf('_value');
        return (row) => types.push(row[value] ?? '');
      },
      signal,
    );
    return types.sort();
  }

  live(input: LiveInput, signal: AbortSignal): AsyncIterable<LiveWindow> {
    return this.#live.subscribe(input, signal);
  }

  wake(): void {
    this.#live.wake();
  }

  #script(plan: Plan): Flux {
    switch (plan.kind) {
      case 'series':
        return countScript([...plan.now.streams, ...(plan.compare?.earlier.streams ?? [])], this.#schema);
      case 'top':
        return idScript({ ...plan, preset: plan.of }, this.#schema);
      default:
        return plan satisfies never;
    }
  }

  async #frame(
    plan: Plan,
    signal: AbortSignal | undefined,
  ): Promise<QueryResponse['results'][string]['frames'][number]> {
    const flux = this.#script(plan).text;
    switch (plan.kind) {
      case 'series':
        return await this.#seriesFrame(plan, flux, signal);
      case 'top': {
        const counter = await this.#countIds(plan, signal);
        return topFrame(plan, counter.top(plan.n), counter.distinct, flux);
      }
      default:
        return plan satisfies never;
    }
  }

  async #seriesFrame(plan: SeriesPlan, flux: string, signal: AbortSignal | undefined): Promise<FrameJson> {
    const series = await this.#series(plan, signal);
    const nowMs = this.#now();
    const unused = typesWithout(plan, series);
    const [knownTypes, keptSinceMs] = await Promise.all([
      unused.length === 0 ? undefined : this.#typesEver(),
      this.#retention?.cutoffMs(roleOf(plan.preset), nowMs, NEVER),
    ]);
    const notices = seriesNotices(plan, series, { nowMs, keptSinceMs, knownTypes });
    return seriesFrame(plan, series, flux, { nowMs, notices });
  }

  /** All types of all time, a minute old at most; undefined where they cannot be had, for then the answer is no worse than it was. */
  async #typesEver(): Promise<readonly string[] | undefined> {
    const nowMs = this.#now();
    if (this.#known === undefined || this.#known.untilMs <= nowMs) {
      const types = this.types({ from: EARLIEST_MS, to: nowMs + DAY_MS }).catch(() => undefined);
      this.#known = { types, untilMs: nowMs + TYPES_FRESH_MS };
    }
    return this.#known.types;
  }

  async #series(plan: SeriesPlan, signal: AbortSignal | undefined): Promise<ValueSeries[]> {
    const { now, earlier } = await this.#read(plan, signal);
    const series = valueSeries(plan, now, earlier, this.#now());
    if (series.length > MAX_SERIES) throw tooManySeries(series.length);
    return series;
  }

  /** Runs the plan's script and adds up its counts. */
  async #read(
    plan: SeriesPlan,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly now: Series[]; readonly earlier: Series[] | undefined }> {
    const now = new Counts(plan, plan.now);
    const earlier = plan.compare === undefined ? undefined : new Counts(plan, plan.compare.earlier);
    const sinks = new Map<string, { counts: Counts; id: string | undefined }>();
    for (const stream of plan.now.streams) sinks.set(stream.name, { counts: now, id: stream.ids[0] });
    if (earlier !== undefined)
      for (const stream of plan.compare?.earlier.streams ?? [])
        sinks.set(stream.name, { counts: earlier, id: stream.ids[0] });
    const reader = new CountReader((result, type) => {
      const sink = sinks.get(result);
      if (sink === undefined) throw new Error(`InfluxDB answered with a result "${result}" that was not asked for.`);
      return sink.counts.handler(sink.id, type);
    });
    await this.#influx.bytes(this.#script(plan), (chunk) => reader.push(chunk), signal);
    reader.end();
    return { now: now.series(), earlier: earlier?.series() };
  }

  async #countIds(plan: TopPlan, signal: AbortSignal | undefined): Promise<IdCounter> {
    const counter = new IdCounter(plan.of);
    await this.#influx.bytes(
      idScript({ ...plan, preset: plan.of }, this.#schema),
      (chunk) => counter.push(chunk),
      signal,
    );
    counter.end();
    return counter;
  }

  #failure(error: unknown, refId: string): { error: string; errorCode: string; status: number } {
    if (error instanceof UserpulseError)
      return { error: error.describe(), errorCode: error.code, status: STATUS[error.code] };
    this.#logger.error({ err: error, refId }, 'A query failed in a way that it should not.');
    return {
      error: 'Something went wrong here that should not. The log of the server says what.',
      errorCode: 'internal',
      status: STATUS.internal,
    };
  }
}

function contextOf(request: Omit<QueryRequest, 'queries'>): PlanContext {
  return {
    ...parseRange(request.from, request.to),
    zone: zoneOf(request.timezone),
    intervalMs: request.intervalMs,
    maxDataPoints: request.maxDataPoints,
  };
}

function uniqueRefIds(request: QueryRequest): void {
  const seen = new Set<string>();
  for (const { refId } of request.queries) {
    if (seen.has(refId))
      throw new UserpulseError('bad_request', `Two queries have the refId "${refId}".`, {
        hint: 'Give each query a refId of its own.',
      });
    seen.add(refId);
  }
}
