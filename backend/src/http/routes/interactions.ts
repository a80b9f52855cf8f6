import { ID_PRESETS } from '../../../../contract/presets.ts';
import { UserpulseError } from '../../errors.ts';
import { interactionsCsv, interactionsJson } from '../../query/render.ts';
import { prefersCsv } from '../csv.ts';
import { csvResponse, interactionsParams, interactionsQuery, interactionsResponse } from '../schemas.ts';
import { answerQuery, errors, QUERY_ERRORS, sendPieces, type App, type V1 } from '../v1.ts';
import { presetLabel } from './query.ts';

const PATHS: readonly string[] = ID_PRESETS;

/** `GET /v1/interactions/{preset}/{id}`, for every preset with ids: plain series for an app, as JSON or CSV. */
export function registerInteractions(app: App, v1: V1): void {
  app.route({
    method: 'GET',
    url: '/interactions/:preset/:id',
    schema: {
      tags: ['interactions'],
      summary: 'One user’s or share’s interactions over time',
      description: 'One series per type, windows without events as 0. CSV with "Accept: text/csv" or format=csv.',
      params: interactionsParams,
      querystring: interactionsQuery,
      response: {
        200: {
          description: 'The series.',
          content: { 'application/json': { schema: interactionsResponse }, 'text/csv': { schema: csvResponse } },
        },
        ...errors(...QUERY_ERRORS, 404),
      },
    },
    handler: async (request, reply) => {
      const { preset, id } = request.params;
      if (!PATHS.includes(preset)) {
        throw new UserpulseError('not_found', `There is no /v1/interactions/${preset.slice(0, 40)}.`, {
          hint: `Ask for one of ${PATHS.map((p) => `/v1/interactions/${p}/{id}`).join(', ')}.`,
        });
      }
      const { format, ...query } = request.query;
      const result = await answerQuery(v1, presetLabel(preset), request, reply, (call) =>
        v1.service.interactions({ preset, id: id.trim(), ...query }, call),
      );
      reply.header('vary', 'accept, accept-encoding');
      const csv = format === undefined ? prefersCsv(request.headers.accept) : format === 'csv';
      return csv
        ? sendPieces(reply, 'text/csv', interactionsCsv(result))
        : sendPieces(reply, 'application/json', interactionsJson(result));
    },
  });
}
