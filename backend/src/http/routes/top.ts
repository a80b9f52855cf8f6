import { topQuery, topResponse, typesQuery, typesResponse, whoQuery, whoResponse } from '../schemas.ts';
import { answerQuery, errors, QUERY_ERRORS, type App, type V1 } from '../v1.ts';

/** `GET /v1/top`, `GET /v1/who` and `GET /v1/types`. */
export function registerTop(app: App, v1: V1): void {
  app.route({
    method: 'GET',
    url: '/top',
    schema: {
      tags: ['interactions'],
      summary: 'Users or shares with the most interactions',
      querystring: topQuery,
      response: {
        200: { description: 'Most first.', content: { 'application/json': { schema: topResponse } } },
        ...errors(...QUERY_ERRORS),
      },
    },
    handler: async (request, reply) => {
      const result = await answerQuery(v1, 'top', request, reply, (call) => v1.service.top(request.query, call));
      return reply.send({ top: [...result.top] });
    },
  });

  app.route({
    method: 'GET',
    url: '/who',
    schema: {
      tags: ['interactions'],
      summary: 'Who interacted most with a user or a share, or with whom a user interacted most',
      querystring: whoQuery,
      response: {
        200: { description: 'Most first.', content: { 'application/json': { schema: whoResponse } } },
        ...errors(...QUERY_ERRORS),
      },
    },
    handler: async (request, reply) => {
      const result = await answerQuery(v1, 'who', request, reply, (call) => v1.service.who(request.query, call));
      return reply.send({ who: [...result.who], people: result.people });
    },
  });

  app.route({
    method: 'GET',
    url: '/types',
    schema: {
      tags: ['interactions'],
      summary: 'Interaction types that occur',
      querystring: typesQuery,
      response: {
        200: { description: 'The types.', content: { 'application/json': { schema: typesResponse } } },
        ...errors(...QUERY_ERRORS),
      },
    },
    handler: async (request, reply) => {
      const { types } = await answerQuery(v1, 'types', request, reply, (call) => v1.service.types(request.query, call));
      return reply.send({ types: [...types] });
    },
  });
}
