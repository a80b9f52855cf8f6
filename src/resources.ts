import type { TimeRange } from '@grafana/data';
import type { TopResult, TypesResult, WhoResult } from '../contract/answers.ts';
import { byKind, DEFAULT_ID_FORMATS, ID_FORMAT_NAMES, type IdFormats } from '../contract/ids.ts';
import { parsePrefixScheme, type PrefixScheme } from '../contract/prefix.ts';
import { idKindOf, type IdPreset, type RankedPreset } from '../contract/presets.ts';
import type { UserpulseQuery } from './types.ts';

/** The part of Grafana's data source class that reaches the gateway's resources; their paths are the backend's under /v1. */
export interface ResourceClient {
  getResource<T>(path: string, params?: Record<string, unknown>, options?: { showErrorAlert: boolean }): Promise<T>;
  postResource<T>(path: string, data?: unknown, options?: { showErrorAlert: boolean }): Promise<T>;
}

export interface TopRequest {
  readonly of: RankedPreset;
  readonly n: number;
  readonly types?: readonly string[];
  readonly range?: TimeRange | undefined;
}

/** What `translate` needs besides the query: everything that decides its windows. */
export interface TranslateContext {
  readonly range: TimeRange;
  readonly timezone: string;
  readonly maxDataPoints?: number;
  readonly intervalMs?: number;
}

/** How long the list of types is taken as current, in ms. New types are rare; a new one shows after this. */
const TYPES_FRESH_MS = 30_000;

// A failed look-up is shown beside the control that asked, not as a pop-up over the dashboard.
const QUIET = { showErrorAlert: false };

const rangeParams = (range: TimeRange | undefined) =>
  range ? { from: range.from.valueOf(), to: range.to.valueOf() } : {};

/** The questions that editors, variables and filters ask besides queries. */
export class Resources {
  private readonly client: ResourceClient;
  private readonly now: () => number;
  private readonly asked = new Map<string, { readonly at: number; readonly answer: Promise<readonly string[]> }>();
  private last: readonly string[] | undefined;
  private schemaAnswer: Promise<unknown> | undefined;

  constructor(client: ResourceClient, now: () => number = Date.now) {
    this.client = client;
    this.now = now;
  }

  /** Interaction types that occur in the range (without one: lately), in alphabetical order. */
  async types(range?: TimeRange): Promise<readonly string[]> {
    const now = this.now();
    for (const [key, { at }] of this.asked) if (now - at > TYPES_FRESH_MS) this.asked.delete(key);
    // Ranges that end now differ at each look; by the minute they are the same question.
    const key = range ? `${minute(range.from)}-${minute(range.to)}` : '';
    const known = this.asked.get(key);
    if (known) return known.answer;
    const answer = this.client.getResource<TypesResult>('types', rangeParams(range), QUIET).then(({ types }) => {
      this.last = [...types].sort();
      return this.last;
    });
    this.asked.set(key, { at: now, answer });
    // A failure is not kept: the next question asks again.
    answer.catch(() => this.asked.delete(key));
    return answer;
  }

  /** The types as last seen, for callers that cannot wait. */
  get lastTypes(): readonly string[] | undefined {
    return this.last;
  }

  async top({ of, n, types = [], range }: TopRequest): Promise<TopResult['top']> {
    const params = { of, n, ...(types.length > 0 && { types: types.join(',') }), ...rangeParams(range) };
    return (await this.client.getResource<TopResult>('top', params, QUIET)).top;
  }

  /** The people at the other end of an id's interactions, those with the most first. */
  async who({ id, of, n, types = [], range }: TopRequest & { readonly id: string }): Promise<WhoResult['who']> {
    const params = { of, id, n, ...(types.length > 0 && { types: types.join(',') }), ...rangeParams(range) };
    return (await this.client.getResource<WhoResult>('who', params, QUIET)).who;
  }

  /** What of an id is its prefix tag; the backend decides. */
  async prefixScheme(of: IdPreset): Promise<PrefixScheme> {
    const text = field(field(await this.schema(), 'prefix'), idKindOf(of));
    const scheme = typeof text === 'string' ? parsePrefixScheme(text) : undefined;
    if (scheme === undefined) throw new Error('The backend’s /v1/schema names no prefix scheme.');
    return scheme;
  }

  /** How ids are written; the backend decides. One of a version that does not say it has the default formats. */
  async idFormats(): Promise<IdFormats> {
    const ids = field(await this.schema(), 'ids');
    return byKind((kind) => {
      const name = field(ids, kind);
      return ID_FORMAT_NAMES.find((format) => format === name) ?? DEFAULT_ID_FORMATS[kind];
    });
  }

  /** Asked once: it changes with a restart of the backend only, after which the page is loaded anew. */
  private schema(): Promise<unknown> {
    if (this.schemaAnswer === undefined) {
      const answer = this.client.getResource<unknown>('schema', undefined, QUIET);
      this.schemaAnswer = answer;
      answer.catch(() => (this.schemaAnswer = undefined));
    }
    return this.schemaAnswer;
  }

  /** The Flux that a query (without variables) would run. */
  async translate(query: UserpulseQuery, context: TranslateContext): Promise<string> {
    const { range, ...rest } = context;
    const body = { ...rangeParams(range), ...rest, queries: [query] };
    return fluxOf(await this.client.postResource<unknown>('translate', body, QUIET), query.refId);
  }
}

const minute = (time: { valueOf(): number }): number => Math.floor(time.valueOf() / 60_000);

/** `{results: {A: {flux}}}`, or an error in its place. */
function fluxOf(answer: unknown, refId: string): string {
  const result = field(field(answer, 'results'), refId);
  const flux = field(result, 'flux');
  if (typeof flux === 'string') return flux;
  const error = field(result, 'error');
  throw new Error(typeof error === 'string' ? error : 'The backend gave no Flux for this query.');
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** The message in a failed answer of Grafana's fetch, whatever its form. */
export function messageOf(error: unknown): string {
  const data = field(error, 'data');
  for (const candidate of [
    field(field(data, 'error'), 'message'),
    field(data, 'message'),
    field(data, 'error'),
    field(error, 'message'),
    field(error, 'statusText'),
  ]) {
    if (typeof candidate === 'string' && candidate !== '') return candidate;
  }
  return 'The request failed and gave no reason.';
}
