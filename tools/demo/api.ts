import { z } from 'zod';

export type Question = 'made' | 'received' | 'share';
export const QUESTIONS: readonly Question[] = ['made', 'received', 'share'];

/** Counts per window, oldest first, one list for each type. */
export type SeriesByType = ReadonlyMap<string, readonly number[]>;

export interface Range {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

export interface Asked {
  readonly refId: string;
  readonly preset: Question | 'everyone';
  readonly ids?: readonly string[];
  /** A Flux duration, or `auto`. */
  readonly every: string;
}

const answer = z.object({
  results: z.record(
    z.string(),
    z.object({
      error: z.string().optional(),
      frames: z.array(
        z.object({
          schema: z.object({
            fields: z.array(z.object({ type: z.string(), labels: z.record(z.string(), z.string()).optional() })),
          }),
          data: z.object({ values: z.array(z.array(z.union([z.number(), z.string(), z.null()]))) }),
        }),
      ),
    }),
  ),
});
const topAnswer = z.object({ top: z.array(z.object({ id: z.string(), count: z.number() })) });
const failure = z.object({ error: z.object({ message: z.string() }) });

/** The HTTP API as any client would use it. */
export class Api {
  readonly url: string;
  readonly #signal: AbortSignal;

  constructor(url: string, signal: AbortSignal) {
    this.url = url;
    this.#signal = signal;
  }

  /** One request for all of `asked`, each answered by type. */
  async query(
    range: Range,
    asked: readonly Asked[],
    maxDataPoints: number,
  ): Promise<ReadonlyMap<string, SeriesByType>> {
    const { results } = answer.parse(
      await this.#json('/v1/query', {
        from: range.fromMs,
        to: range.toMs,
        maxDataPoints,
        intervalMs: Math.ceil((range.toMs - range.fromMs) / maxDataPoints),
        queries: asked.map((a) => ({ ...a, calc: 'count', groupBy: ['type'] })),
      }),
    );
    const all = new Map<string, SeriesByType>();
    for (const { refId } of asked) {
      const result = results[refId];
      if (result?.error !== undefined) throw new Error(`Query ${refId} failed: ${result.error}`);
      const byType = new Map<string, readonly number[]>();
      for (const frame of result?.frames ?? []) {
        for (const [i, field] of frame.schema.fields.entries()) {
          const type = field.labels?.['type'];
          if (field.type === 'number' && type !== undefined) byType.set(type, (frame.data.values[i] ?? []).map(Number));
        }
      }
      all.set(refId, byType);
    }
    return all;
  }

  /** The id with most interactions in the range, if there is any. */
  async busiest(of: Question, range: Range): Promise<string | undefined> {
    const search = new URLSearchParams({ of, from: String(range.fromMs), to: String(range.toMs), n: '1' });
    return topAnswer.parse(await this.#json(`/v1/top?${search.toString()}`)).top[0]?.id;
  }

  async #json(path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(new URL(path, this.url), {
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(30_000)]),
      ...(body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.ok) return JSON.parse(text);
    let message = text;
    try {
      message = failure.parse(JSON.parse(text)).error.message;
    } catch {
      // Not the API's own form of error: the text itself says most.
    }
    throw new Error(`${path} answered ${response.status}: ${message}`);
  }
}

export const total = (series: SeriesByType): number =>
  [...series.values()].reduce((sum, values) => values.reduce((s, v) => s + v, sum), 0);

/** All types together, window by window. */
export function summed(series: SeriesByType): number[] {
  const out: number[] = [];
  for (const values of series.values()) for (const [i, v] of values.entries()) out[i] = (out[i] ?? 0) + v;
  return out;
}
