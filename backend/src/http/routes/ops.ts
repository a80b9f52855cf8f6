import type { Registry } from 'prom-client';
import type { Readiness } from '../../check.ts';
import { answer } from '../errors.ts';
import { aliveResponse, metricsResponse, readyResponse } from '../schemas.ts';
import { errors, type App } from '../v1.ts';

export interface OpsOptions {
  readonly registry: Registry;
  readonly ready: () => Readiness | Promise<Readiness>;
}

/** `/healthz` (the process lives), `/readyz` (it can do its work), `/metrics`. No token: probes and Prometheus have none. */
export function registerOps(app: App, options: OpsOptions): void {
  app.route({
    method: 'GET',
    url: '/healthz',
    schema: {
      tags: ['operations'],
      summary: 'Whether the process lives',
      security: [],
      response: { 200: { description: 'It does.', content: { 'application/json': { schema: aliveResponse } } } },
    },
    handler: async (_request, reply) => reply.send({ alive: true as const }),
  });

  app.route({
    method: 'GET',
    url: '/readyz',
    schema: {
      tags: ['operations'],
      summary: 'Whether the process can do its work',
      security: [],
      response: {
        200: { description: 'It can.', content: { 'application/json': { schema: readyResponse } } },
        ...errors(503),
      },
    },
    handler: async (_request, reply) => {
      const readiness = await options.ready();
      if (readiness.ready) return reply.send({ ready: true as const });
      const { body, headers } = answer(readiness.code, readiness.message);
      return reply.code(503).headers(headers).send(body);
    },
  });

  app.route({
    method: 'GET',
    url: '/metrics',
    schema: {
      tags: ['operations'],
      summary: 'Metrics for Prometheus',
      security: [],
      response: { 200: { description: 'The metrics.', content: { 'text/plain': { schema: metricsResponse } } } },
    },
    handler: async (_request, reply) =>
      reply.header('content-type', options.registry.contentType).send(await options.registry.metrics()),
  });
}
