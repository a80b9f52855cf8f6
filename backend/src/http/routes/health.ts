import { worst } from '../../check.ts';
import { VERSION } from '../../version.ts';
import { healthResponse } from '../schemas.ts';
import { clientSignal, errors, type App, type V1 } from '../v1.ts';

/** `GET /v1/health`: 200 whatever is found, because the question was answered; `status` says how things are. */
export function registerHealth(app: App, v1: V1): void {
  app.route({
    method: 'GET',
    url: '/health',
    schema: {
      tags: ['about'],
      summary: 'State of each dependency, and how to mend it',
      response: {
        200: {
          description: 'What was found, good or bad.',
          content: { 'application/json': { schema: healthResponse } },
        },
        ...errors(401, 500),
      },
    },
    handler: async (request, reply) => {
      const checks = await v1.health(clientSignal(request, reply));
      return reply.send({
        status: worst(checks),
        version: VERSION,
        checks: checks.map(({ name, state, message, hint }) => ({ name, state, message, hint })),
      });
    },
  });
}
