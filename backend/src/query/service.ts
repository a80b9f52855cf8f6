import type { Logger } from 'pino';
import type { TopResult, WhoResult } from '../../../contract/answers.ts';
import { MAX_SERIES } from '../../../contract/limits.ts';
import { countsPeople } from '../../../contract/query.ts';
import { ID_PRESETS, isIdPreset, roleOf, type IdPreset } from '../../../contract/presets.ts';
import { STATUS, UserpulseError } from '../errors.ts';
import { EARLIEST_MS } from '../event/event.ts';
import type { Flux } from '../flux/literals.ts';
import { lackingScript, PAIRED, STORED, typesScript } from '../flux/translate.ts';
import { formatsOf, type Schema } from '../schema/buckets.ts';
import { CountReader } from '../influx/count-reader.ts';
import { JoinedReader, MOST_JOINED_STREAMS, type JoinedCounts } from '../influx/joined-reader.ts';
import { Claim, unlimitedBudget, type QueryBudget, type Spare } from './budget.ts';
import { DAY_MS } from './duration.ts';
import { seriesFrame, topFrame, valueSeries, type Frame, type ValueSeries } from './frames.ts';
import { HourSeals } from './hour-seals.ts';
import { KeptAnswers } from './kept-answers.ts';
import { KeptHours } from './kept-hours.ts';
import { KeptLists } from './kept-lists.ts';
import { lackingNotice, seriesNotices, typesWithout } from './notices.ts';
import type { InfluxReader } from '../influx/reader.ts';
import type { Retention } from '../influx/retention.ts';
import { LiveHub, type LiveUpdate } from './live.ts';
import {
  everyText,
  planQuery,
  tooManySeries,
  type Plan,
  type PlanContext,
  type SeriesPlan,
  type TopPlan,
} from './plan.ts';
import { keyOf, scriptOf } from './plan-script.ts';
import { RankingReader, type Counterparts } from './ranking-reader.ts';
import { RankingSizes } from './ranking-size.ts';
import { SeriesReader } from './series-reader.ts';
import type { QueryRequest } from './request.ts';
import { SharedAnswers, type Answer, type AnswerCounts, type Asker } from './shared-answers.ts';
import { answerBytes, growsTable, plannedBytes, RANKING_BYTES, TYPES_BYTES } from './size.ts';
import { parseInstant, parseRange, type Range } from './validate.ts';
import { startsOf } from './windows.ts';
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

export interface WhoInput {
  readonly of: string;
  readonly id: string;
  readonly types?: readonly string[] | undefined;
  readonly from: Instant;
  readonly to: Instant;
  readonly n?: number | undefined;
}

export type WhoAnswer = WhoResult & { readonly ageMs: number };

export interface LiveInput {
  readonly preset: string;
  readonly ids: readonly string[];
  readonly types: readonly string[];
  readonly every: string;
  readonly calc?: string | undefined;
  readonly groupBy?: readonly string[] | undefined;
  readonly direction?: string | undefined;
  readonly timezone?: string | undefined;
}

/** Result of translating one query: the Flux that would be run, or why it cannot be. */
export type TranslateResult =
  { readonly flux: string } | { readonly error: string; readonly errorCode: string; readonly status: number };

/** A query that failed, alone among those of its request. */
export interface QueryFailure {
  readonly error: string;
  readonly errorCode: string;
  readonly status: number;
}

/** {@link QueryResponse} of the contract before it is written as JSON, in the order of the queries. */
export interface QueryAnswer {
  readonly results: ReadonlyMap<string, { readonly frame: Frame } | QueryFailure>;
  /** The greatest age of a result, ms; see {@link Answer}. */
  readonly ageMs: number;
}

/** `InteractionsResult` of the contract before it is written: every series has a value for each of `times`, window starts in epoch ms. */
export interface InteractionsAnswer {
  readonly preset: IdPreset;
  readonly id: string;
  readonly every: string;
  readonly from: string;
  readonly to: string;
  readonly times: Float64Array;
  readonly series: readonly { readonly type: string; readonly values: Float64Array }[];
  readonly ageMs: number;
}

/** How a question is asked. */
export interface Call {
  /** Gives up when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** What the answer may take, and until when; without it nothing is bounded. Whoever made it releases it. */
  readonly claim?: Claim | undefined;
  /** Nothing that was read for others, before or meanwhile: alerts must not judge by it. */
  readonly fresh?: boolean | undefined;
}

export interface TranslateResponse {
  readonly results: Readonly<Record<string, TranslateResult>>;
}

/**
 * Answers the questions of the contract. Each of query, interactions, top and types first asks its claim for what it will take at most, which
 * throws `answer_too_large` or `overloaded`. Bad input throws UserpulseError `bad_request` or `too_many_windows` with a message that says
 * what to change; InfluxDB's failures throw the codes of {@link InfluxReader}.
 */
export interface QueryService {
  /** Each query fails alone: its result is then `{error, errorCode, status, frames: []}`. Throws where the range or the zone is wrong. */
  query(request: QueryRequest, call?: Call): Promise<QueryAnswer>;
  /** The Flux of each query, not run. */
  translate(request: QueryRequest): TranslateResponse;
  interactions(input: InteractionsInput, call?: Call): Promise<InteractionsAnswer>;
  top(input: TopInput, call?: Call): Promise<TopResult & { readonly ageMs: number }>;
  who(input: WhoInput, call?: Call): Promise<WhoAnswer>;
  /** Types that occur in the range (default: the 30 days before `to`, which is now), sorted. */
  types(
    input: { readonly from?: Instant | undefined; readonly to?: Instant | undefined },
    call?: Call,
  ): Promise<{ readonly types: readonly string[]; readonly ageMs: number }>;
  /**
   * Validates at once (throws UserpulseError `bad_request`), then yields every new or changed window until `signal` aborts, which ends it
   * without an error.
   *
   * @param sinceMs see {@link LiveHub.subscribe}
   */
  live(input: LiveInput, signal: AbortSignal, sinceMs?: number): AsyncIterable<LiveUpdate>;
  /** Tells live subscriptions that points have just been written, so that they look at once. For an ingest in the same process. */
  wake(): void;
  /** For the metrics. */
  readonly answers: { readonly counts: Readonly<AnswerCounts>; readonly bytes: number; readonly reading: number };
  /** For the metrics. */
  readonly joined: { readonly counts: Readonly<JoinedCounts> };
  /** For the metrics. */
  readonly kept: Spare;
}

export interface QueryServiceOptions {
  readonly influx: InfluxReader;
  readonly schema: Schema;
  /** Epoch ms. */
  readonly now: () => number;
  readonly logger: Logger;
  /** Tells of ranges that begin before what a bucket keeps; without it nothing does. */
  readonly retention?: Pick<Retention, 'cutoffMs'> | undefined;
  /** What claims are made of, for live streams and kept answers; without it nothing is bounded. */
  readonly budget?: QueryBudget | undefined;
  /** How long an answer about a closed range may be given again, in ms; default 0: never. */
  readonly keepMs?: number | undefined;
  /** Whether hours that have been counted, or are kept, are believed instead of reading their points. */
  readonly hours?: boolean | undefined;
  /** Whether questions that arrive together go into one script. */
  readonly joins?: boolean | undefined;
}

const DEFAULT_TYPES_RANGE_MS = 30 * DAY_MS;
/** How long the list of all types is believed, where it decides about a notice only. */
const TYPES_FRESH_MS = 60_000;
/** Whoever asks first may give up: the answer is for those after, too. */
const NEVER = new AbortController().signal;
const NOT_YET: QueryFailure = { error: 'not answered', errorCode: 'internal', status: STATUS.internal };
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
  readonly #budget: QueryBudget;
  readonly #rankings: RankingSizes;
  readonly #counts: SeriesReader;
  readonly #tops: RankingReader;
  readonly #hours: boolean;
  readonly #keptAnswers: KeptAnswers;
  readonly answers: SharedAnswers;
  readonly joined: JoinedReader;
  readonly kept: Spare;
  #known: { readonly types: Promise<readonly string[] | undefined>; readonly untilMs: number } | undefined;

  constructor(options: QueryServiceOptions) {
    this.#influx = options.influx;
    this.#schema = options.schema;
    this.#now = options.now;
    this.#logger = options.logger;
    this.#retention = options.retention;
    this.#budget = options.budget ?? unlimitedBudget();
    this.#hours = options.hours ?? false;
    this.#rankings = new RankingSizes(this.#budget.limits.maxBytes - 2 * RANKING_BYTES);
    this.answers = new SharedAnswers({ keepMs: options.keepMs ?? 0, budget: this.#budget, now: options.now });
    this.joined = new JoinedReader({ influx: options.influx, mostStreams: options.joins ? MOST_JOINED_STREAMS : 1 });
    const lists = new KeptLists(this.#budget, options.now);
    const seals = new HourSeals(this.joined, options.schema, options.now);
    const counted = { ...options, joined: this.joined, lists, seals };
    const kept = new KeptHours(seals, this.#budget, options.now);
    this.kept = {
      get bytes() {
        return kept.bytes + lists.bytes;
      },
      free: (bytes) => {
        for (const spare of [kept, lists]) spare.free(bytes);
      },
    };
    this.#keptAnswers = new KeptAnswers(this.joined, seals, kept, counted);
    const reads = {
      influx: options.influx,
      joined: this.joined,
      schema: options.schema,
      hours: this.#hours,
      counted,
      sizes: this.#rankings,
    };
    this.#counts = new SeriesReader({ ...reads, kept: this.#keptAnswers });
    this.#tops = new RankingReader(reads);
    this.#live = new LiveHub({
      ...options,
      budget: this.#budget,
      // Never a kept answer: a stream looks for what has changed.
      read: async (plan, signal, claim) => (await this.#counts.readPoints(plan, signal, claim, 0)).now,
    });
  }

  async query(request: QueryRequest, call: Call = {}): Promise<QueryAnswer> {
    const context = contextOf(request, this.#schema);
    uniqueRefIds(request);
    const planned = new Map<string, number>();
    for (const query of request.queries) {
      try {
        // Made again in its turn: fifty plans of 11,000 windows in each of those who wait would be what the budget is to prevent.
        planned.set(query.refId, this.#planned(planQuery(query, context), call));
      } catch {
        // It fails in its turn, and takes nothing.
      }
    }
    const bytes = [...planned.values()].reduce((sum, one) => sum + one, 0);
    return this.#admitted(bytes, call, async (asker) => {
      // In the order of the queries, whichever is answered first.
      const results = new Map<string, { readonly frame: Frame } | QueryFailure>();
      for (const { refId } of request.queries) results.set(refId, NOT_YET);
      const waiting = [...request.queries];
      let ageMs = 0;
      const work = async (): Promise<void> => {
        for (let query = waiting.shift(); query !== undefined; query = waiting.shift()) {
          try {
            const plan = planQuery(query, context);
            const reserved = planned.get(query.refId) ?? 0;
            const answer = await this.#frame(plan, asker, reserved);
            ageMs = Math.max(ageMs, answer.ageMs);
            results.set(query.refId, { frame: answer.value });
            asker.claim.shrink(reserved - answerBytes(answer.value.columns));
          } catch (error) {
            results.set(query.refId, this.#failure(error, query.refId));
          }
        }
      };
      await Promise.all(Array.from({ length: Math.min(CONCURRENT_QUERIES, waiting.length) }, work));
      return { results, ageMs };
    });
  }

  /** What a query takes at most, in bytes, as far as that is known. Of those who share a ranking only one pays for its table. */
  #planned(plan: Plan, { fresh = false }: Call): number {
    const bytes = plannedBytes(plan);
    if (!growsTable(plan) || (!fresh && this.answers.has(keyOf(plan, scriptOf(plan, this.#schema))))) return bytes;
    return bytes + this.#rankings.expected(plan);
  }

  /** Runs work for which there is room, and knows it as work of the claim until it ends. */
  async #admitted<T>(
    bytes: number,
    { signal, claim: given, fresh = false }: Call,
    work: (asker: Asker) => Promise<T>,
  ): Promise<T> {
    const claim = given ?? this.#budget.claim();
    const end = claim.work();
    try {
      await claim.admit(bytes, signal);
      return await work({ signal, claim, fresh });
    } finally {
      end();
      if (given === undefined) claim.release();
    }
  }

  translate(request: QueryRequest): TranslateResponse {
    const context = contextOf(request, this.#schema);
    uniqueRefIds(request);
    const results = new Map<string, TranslateResult>();
    for (const query of request.queries) {
      try {
        results.set(query.refId, { flux: scriptOf(planQuery(query, context), this.#schema).text });
      } catch (error) {
        results.set(query.refId, this.#failure(error, query.refId));
      }
    }
    return { results: Object.fromEntries(results) };
  }

  async interactions(input: InteractionsInput, call: Call = {}): Promise<InteractionsAnswer> {
    const context = contextOf(input, this.#schema);
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
    const { preset } = plan;
    const planned = this.#planned(plan, call);
    return this.#admitted(planned, call, async (asker) => {
      const { value: series, ageMs } = await this.#series(plan, scriptOf(plan, this.#schema), asker, planned);
      const times = startsOf(plan.now.windows);
      asker.claim.shrink(planned - answerBytes([times, ...series.map(({ values }) => values)]));
      return {
        preset,
        id: plan.ids[0] ?? input.id,
        every: everyText(plan),
        from: new Date(context.fromMs).toISOString(),
        to: new Date(context.toMs).toISOString(),
        times,
        // Empty where no type was asked for and nothing happened.
        series: series.map(({ type, values }) => ({ type: type ?? '', values })),
        ageMs,
      };
    });
  }

  async top(input: TopInput, call: Call = {}): Promise<TopResult & { readonly ageMs: number }> {
    const { of, types, n, from, to } = input;
    const plan = planQuery({ refId: 'A', preset: 'top', of, types, n }, contextOf({ from, to }, this.#schema));
    const { value, ageMs } = await this.#table(plan, call);
    return { top: value.top, ageMs };
  }

  async who(input: WhoInput, call: Call = {}): Promise<WhoAnswer> {
    const { of, id, types, n, from, to } = input;
    const plan = planQuery(
      { refId: 'A', preset: 'who', of, ids: [id], types, n },
      contextOf({ from, to }, this.#schema),
    );
    const { value, ageMs } = await this.#table(plan, call);
    return { who: value.top, people: value.distinct ?? 0, ageMs };
  }

  async #table(plan: Plan, call: Call): Promise<Answer<Counterparts>> {
    if (plan.kind !== 'top') throw new Error('Tables have a plan of their own.');
    const planned = this.#planned(plan, call);
    return this.#admitted(planned, call, (asker) => this.#ranking(plan, scriptOf(plan, this.#schema), asker, planned));
  }

  async types(
    input: { readonly from?: Instant | undefined; readonly to?: Instant | undefined },
    call: Call = {},
  ): Promise<{ readonly types: readonly string[]; readonly ageMs: number }> {
    // A minute ahead: producers' clocks may be.
    const toMs = input.to === undefined ? this.#now() + 60_000 : parseInstant(input.to, 'to');
    const range = parseRange(input.from ?? toMs - DEFAULT_TYPES_RANGE_MS, toMs);
    return this.#admitted(TYPES_BYTES, call, async (asker) => {
      const { value: types, ageMs } = await this.answers.ask<readonly string[]>(
        {
          key: typesScript(range, this.#schema).text,
          toMs: range.toMs,
          read: async (signal) => {
            const kept = this.#hours && !asker.fresh ? await this.#keptAnswers.types(range, signal) : undefined;
            return kept === undefined ? this.#readTypes(range, signal) : [...kept].sort();
          },
          bytesOf: (list) => list.reduce((sum, type) => sum + 2 * type.length + 32, 0),
        },
        asker,
      );
      return { types, ageMs };
    });
  }

  async #readTypes(range: Range, signal: AbortSignal | undefined): Promise<readonly string[]> {
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

  live(input: LiveInput, signal: AbortSignal, sinceMs?: number): AsyncIterable<LiveUpdate> {
    return this.#live.subscribe(input, signal, sinceMs);
  }

  wake(): void {
    this.#live.wake();
  }

  async #frame(plan: Plan, asker: Asker, planned: number): Promise<Answer<Frame>> {
    const script = scriptOf(plan, this.#schema);
    switch (plan.kind) {
      case 'series':
        return await this.#seriesFrame(plan, script, asker, planned);
      case 'top': {
        const { of, id, types } = plan;
        const [{ value, ageMs }, lacking] = await Promise.all([
          this.#ranking(plan, script, asker, planned),
          id === undefined ? 0 : this.#lacking({ ...plan, preset: of, ids: [id], types }, asker),
        ]);
        const notices = lacking > 0 ? [lackingNotice(lacking)] : [];
        return { value: topFrame(plan, { ...value, notices }, script.text, ageMs), ageMs };
      }
      default:
        return plan satisfies never;
    }
  }

  async #seriesFrame(plan: SeriesPlan, script: Flux, asker: Asker, planned: number): Promise<Answer<Frame>> {
    const paired = pairedBy(plan);
    const [{ value: series, ageMs }, lacking] = await Promise.all([
      this.#series(plan, script, asker, planned),
      paired === undefined ? 0 : this.#lacking({ ...plan.now, ...plan, preset: paired }, asker),
    ]);
    const nowMs = this.#now();
    const unused = typesWithout(plan, series);
    const [knownTypes, keptSinceMs] = await Promise.all([
      unused.length === 0 ? undefined : this.#typesEver(),
      this.#retention?.cutoffMs(roleOf(plan.preset), nowMs, NEVER),
    ]);
    const notices = seriesNotices(plan, series, { nowMs, keptSinceMs, knownTypes, lacking });
    return { value: seriesFrame(plan, series, script.text, { nowMs, notices, ageMs }), ageMs };
  }

  /** All types of all time, a minute old at most; undefined where they cannot be had, for then the answer is no worse than it was. */
  async #typesEver(): Promise<readonly string[] | undefined> {
    const nowMs = this.#now();
    if (this.#known === undefined || this.#known.untilMs <= nowMs) {
      const range = { fromMs: EARLIEST_MS, toMs: nowMs + DAY_MS };
      const types = this.#readTypes(range, undefined).catch(() => undefined);
      this.#known = { types, untilMs: nowMs + TYPES_FRESH_MS };
    }
    return this.#known.types;
  }

  /** Points of some ids in a range that lack a counterpart's field. */
  async #lacking(asked: Parameters<typeof lackingScript>[0], asker: Asker): Promise<number> {
    const script = lackingScript(asked, this.#schema);
    const { value } = await this.answers.ask(
      { key: script.text, toMs: asked.toMs, read: (signal) => this.#readLacking(script, signal), bytesOf: () => 0 },
      asker,
    );
    return value;
  }

  async #readLacking(script: Flux, signal: AbortSignal): Promise<number> {
    const counts = new Map([STORED, PAIRED].map((name) => [name, 0]));
    const reader = new CountReader((result) => (_, count) => counts.set(result, (counts.get(result) ?? 0) + count));
    await this.#influx.bytes(script, (chunk) => reader.push(chunk), signal);
    reader.end();
    return Math.max(0, (counts.get(STORED) ?? 0) - (counts.get(PAIRED) ?? 0));
  }

  /** @param planned bytes that the claim has for it, its table included */
  async #series(plan: SeriesPlan, script: Flux, asker: Asker, planned: number): Promise<Answer<ValueSeries[]>> {
    const { value, ageMs } = await this.answers.ask(
      {
        key: keyOf(plan, script),
        toMs: Math.max(plan.now.toMs, plan.compare?.earlier.toMs ?? 0),
        read: (signal, claim) => this.#counts.read(plan, signal, claim, planned - plannedBytes(plan), asker.fresh),
        bytesOf: ({ now, earlier = [] }) => answerBytes([...now, ...earlier].map(({ counts }) => counts)),
      },
      asker,
    );
    const series = valueSeries(plan, value.now, value.earlier, this.#now());
    if (series.length > MAX_SERIES) throw tooManySeries(series.length);
    return { value: series, ageMs };
  }

  /** @param planned bytes that the claim has for it, its table included */
  async #ranking(plan: TopPlan, script: Flux, asker: Asker, planned: number): Promise<Answer<Counterparts>> {
    return this.answers.ask(
      {
        key: keyOf(plan, script),
        toMs: plan.toMs,
        read: (signal, claim) =>
          this.#tops.read(plan, script, signal, { ...asker, claim }, planned - plannedBytes(plan)),
        bytesOf: ({ top }) => answerBytes([top.map(({ id }) => id)]),
      },
      asker,
    );
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

/** The bucket whose counterparts a plan needs, if any. */
function pairedBy({ preset, calc }: SeriesPlan): IdPreset | undefined {
  if (preset === 'pair') return 'made';
  return countsPeople(calc) && isIdPreset(preset) ? preset : undefined;
}

function contextOf(request: Omit<QueryRequest, 'queries'>, schema: Schema): PlanContext {
  return {
    formats: formatsOf(schema),
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
