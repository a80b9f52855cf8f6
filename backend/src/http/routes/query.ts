import type { QueryRequest, QueryResponse, QueryResult } from '../../query/request.ts';
import type { TranslateResponse, TranslateResult } from '../../query/service.ts';
import { readQueryBody } from '../query-body.ts';
import { queryRequestBody, queryResponse, translateResponse } from '../schemas.ts';
import { answerQuery, errors, QUERY_ERRORS, sendJson, type App, type V1 } from '../v1.ts';

/** `POST /v1/query` and `POST /v1/translate`. */
export function registerQuery(app: App, v1: V1): void {
  app.route({
    method: 'POST',
    url: '/query',
    schema: {
      tags: ['queries'],
      summary: 'Answer queries as data frames',
      description:
        'The shape of Grafana’s own /api/ds/query. Series are dense: a window without events is 0. A bad query fails alone. A member that is null counts as absent.',
      body: queryRequestBody,
      response: {
        200: { description: 'A result per refId.', content: { 'application/json': { schema: queryResponse } } },
        ...errors(...QUERY_ERRORS, 413, 415),
      },
    },
    // A query of bad form must fail alone, so the body is read by readQueryBody and not by its schema.
    validatorCompiler: () => (data: unknown) => ({ value: data }),
    handler: async (request, reply) => {
      const { request: query, malformed, refIds } = readQueryBody(request.body);
      const answered: QueryResponse =
        query === undefined
          ? { results: {} }
          : await answerQuery(v1, presetOf(query), request, reply, (signal) => v1.service.query(query, signal));
      return sendJson(reply, {
        results: inOrder<QueryResult>(refIds, (refId) => {
          const bad = malformed.get(refId);
          return bad === undefined ? answered.results[refId] : { ...bad, frames: [] };
        }),
      });
    },
  });

  app.route({
    method: 'POST',
    url: '/translate',
    schema: {
      tags: ['queries'],
      summary: 'Show the Flux of queries without running it',
      body: queryRequestBody,
      response: {
        200: { description: 'The Flux per refId.', content: { 'application/json': { schema: translateResponse } } },
        ...errors(400, 401, 413, 415, 500),
      },
    },
    validatorCompiler: () => (data: unknown) => ({ value: data }),
    handler: async (request, reply) => {
      const { request: query, malformed, refIds } = readQueryBody(request.body);
      const translated: TranslateResponse = query === undefined ? { results: {} } : v1.service.translate(query);
      return sendJson(reply, {
        results: inOrder<TranslateResult>(refIds, (refId) => malformed.get(refId) ?? translated.results[refId]),
      });
    },
  });
}

/** Results by refId. `fromEntries` defines keys, so that a refId such as `__proto__` is a key like any other. */
const inOrder = <T>(refIds: readonly string[], resultOf: (refId: string) => T | undefined): Record<string, T> =>
  Object.fromEntries(
    refIds.flatMap((refId) => {
      const result = resultOf(refId);
      return result === undefined ? [] : [[refId, result] as const];
    }),
  );

/** For the metrics: the preset where all queries share one. Unknown ones are one label, or callers could make any number of them. */
function presetOf(request: QueryRequest): string {
  const presets = new Set(request.queries.map((q) => q.preset));
  const [first = ''] = presets;
  return presets.size > 1 ? 'several' : presetLabel(first);
}

export const presetLabel = (preset: string): string =>
  ['made', 'received', 'share', 'everyone', 'top'].includes(preset) ? preset : 'unknown';
