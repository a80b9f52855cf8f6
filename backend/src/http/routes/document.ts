import { documentResponse } from '../schemas.ts';
import { sendJson, type App } from '../v1.ts';

/** `GET /v1/openapi.json`: the description of all of this; needs no token. */
export function registerDocument(app: App): void {
  app.route({
    method: 'GET',
    url: '/openapi.json',
    schema: {
      tags: ['about'],
      summary: 'This description, as OpenAPI 3.0',
      security: [],
      response: {
        200: { description: 'The document.', content: { 'application/json': { schema: documentResponse } } },
      },
    },
    handler: async (_request, reply) => sendJson(reply, app.swagger()),
  });
}
