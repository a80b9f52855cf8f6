import { isPreset } from '../../../../contract/presets.ts';
import { QUERY_FIELDS } from '../../../../contract/query.ts';
import { queryJson } from '../../query/render.ts';
import type { QueryRequest } from '../../query/request.ts';
import { readQueryBody } from '../query-body.ts';
import { queryRequestBody, queryResponse, translateResponse } from '../schemas.ts';
import { answerQuery, errors, QUERY_ERRORS, sendJson, sendPieces, type App, type V1 } from '../v1.ts';

/** `POST /v1/query` and `POST /v1/translate`. */
export function registerQuery(app: App, v1: V1): void {
  app.route({
    method: 'POST',
    url: '/query',
    schema: {
      tags: ['queries'],
      summary: 'Answer queries as data frames',
      description:
        'The shape of Grafana’s own /api/ds/query. Series are dense: a window without events is 0. A bad query fails alone. A field that is null counts as absent; one that is not known is refused.',
      body: queryRequestBody,
      response: {
        200: { description: 'A result per refId.', content: { 'application/json': { schema: queryResponse } } },
        ...errors(...QUERY_ERRORS, 415),
      },
    },
    // A query of bad form must fail alone, so the body is read by readQueryBody and not by its schema.
    validatorCompiler: () => (data: unknown) => ({ value: data }),
    handler: async (request, reply) => {
      const query = readQueryBody(request.body);
      const answer = await answerQuery(v1, presetOf(query), request, reply, (call) => v1.service.query(query, call));
      return sendPieces(reply, 'application/json', queryJson(answer));
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
    handler: async (request, reply) => sendJson(reply, v1.service.translate(readQueryBody(request.body))),
  });
}

/** For the metrics: the preset where all queries share one. Unknown ones are one label, or callers could make any number of them. */
function presetOf(request: QueryRequest): string {
  const presets = new Set(request.queries.map(({ preset }) => preset ?? QUERY_FIELDS.preset.fallback));
  const [first] = presets;
  return presets.size > 1 ? 'several' : presetLabel(first);
}

export const presetLabel = (preset: unknown): string =>
  typeof preset === 'string' && isPreset(preset) ? preset : 'unknown';
