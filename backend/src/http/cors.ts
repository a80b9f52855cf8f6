import cors from '@fastify/cors';
import type { App } from './v1.ts';

/**
 * Lets pages of other origins ask /v1. Where no origin is allowed, nothing is registered: a browser then keeps every answer from every page. Metrics and
 * probes are for no page.
 * @param origins as browsers write them: `https://app.example.com`
 */
export async function registerCors(app: App, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  const allowed = {
    origin: [...origins],
    methods: ['GET', 'POST'],
    allowedHeaders: ['authorization', 'content-type', 'last-event-id'],
    exposedHeaders: ['retry-after', 'age'],
    maxAge: 600,
  };
  await app.register(cors, {
    hideOptionsRoute: true,
    delegator: (request, done) => done(null, isV1(request.url) ? allowed : { origin: false }),
  });
}

const isV1 = (url: string | undefined): boolean => /^\/v1\//.test(url ?? '');
