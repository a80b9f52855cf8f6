import compress from '@fastify/compress';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { CheckResult } from '../check.ts';
import { UserpulseError } from '../errors.ts';
import type { QueryBudget } from '../query/budget.ts';
import type { QueryService } from '../query/service.ts';
import type { Schema } from '../schema/buckets.ts';
import type { Secret } from '../secrets.ts';
import { bearerGuard } from './auth.ts';
import { createApp } from './base.ts';
import { registerCors } from './cors.ts';
import { DEFAULT_LIMITS, type HttpLimits } from './limits.ts';
import { createHttpMetrics, type HttpMetrics } from './metrics.ts';
import { registerOpenApi } from './openapi.ts';
import { registerHealth } from './routes/health.ts';
import { registerInteractions } from './routes/interactions.ts';
import type { Readiness } from '../check.ts';
import { registerOps } from './routes/ops.ts';
import { registerQuery } from './routes/query.ts';
import { registerSchema } from './routes/schema.ts';
import { registerStream } from './routes/stream.ts';
import { registerStreamTickets } from './routes/stream-tickets.ts';
import { registerTop } from './routes/top.ts';
import { registerDocument } from './routes/document.ts';
import { StreamTickets } from './stream-tickets.ts';
import { registerUserLimit, userOf } from './user.ts';
import type { App, V1 } from './v1.ts';

export interface ServerOptions {
  readonly service: QueryService;
  /** That of the service: what requests ask it for is asked of this. */
  readonly budget: QueryBudget;
  readonly schema: Schema;
  /** Bearer token of /v1; undefined only where nothing but loopback is listened on. */
  readonly apiToken: Secret | undefined;
  readonly registry: Registry;
  readonly logger: Logger;
  /** The checks behind /v1/health. */
  readonly health: (signal: AbortSignal) => Promise<readonly CheckResult[]>;
  readonly ready: () => Readiness | Promise<Readiness>;
  readonly limits?: Partial<HttpLimits>;
  /** Origins whose pages may ask /v1; none by default. */
  readonly corsOrigins?: readonly string[];
  /** How long a stream ticket is good, in ms. */
  readonly streamTicketMs: number;
  /** Requests a minute of one Grafana user who is named; 0 (default) for any number. */
  readonly userRequestsPerMinute?: number;
}

/** The whole HTTP interface, not yet listening. `app.close()` ends the streams and waits for requests that run. */
export async function buildServer(options: ServerOptions): Promise<App> {
  const limits: HttpLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const { budget } = options;
  const metrics = createHttpMetrics(options.registry, budget, options.service);
  const app = createApp({ limits, logger: options.logger });
  measureRequests(app, metrics);
  logRequests(app, options.logger);

  const closing = new AbortController();
  app.addHook('preClose', (done) => {
    closing.abort(new UserpulseError('aborted', 'The server stops.'));
    done();
  });

  await app.register(compress, {
    global: true,
    encodings: ['gzip'],
    threshold: 1024,
    // Bodies are small and come as they are: nothing to unpack is nothing to blow up.
    globalDecompression: false,
  });
  await registerOpenApi(app);
  // Before the token is asked for: a browser asks whether it may ask without one.
  await registerCors(app, options.corsOrigins ?? []);

  const guard = bearerGuard(options.apiToken);
  const v1: V1 = {
    service: options.service,
    schema: options.schema,
    health: options.health,
    budget,
    tickets: new StreamTickets({ token: options.apiToken, lifeMs: options.streamTicketMs, now: Date.now }),
    limits,
    metrics,
    logger: options.logger,
    closing: closing.signal,
  };
  app.addHook('onRequest', (request, _reply, done) => {
    // Without a token the guard looks at the address that was asked, which a ticket does not replace.
    const bringsTicket = options.apiToken !== undefined && hasTicket(request.routeOptions.url, request.query);
    if (needsToken(request.routeOptions.url, request.url) && !bringsTicket) guard(request.headers);
    done();
  });
  await app.register(
    async (scope: App) => {
      await registerUserLimit(scope, options.userRequestsPerMinute ?? 0);
      registerQuery(scope, v1);
      registerInteractions(scope, v1);
      registerTop(scope, v1);
      registerSchema(scope, v1);
      registerStream(scope, v1);
      registerStreamTickets(scope, v1);
      registerHealth(scope, v1);
      registerDocument(scope);
    },
    { prefix: '/v1' },
  );
  registerOps(app, { registry: options.registry, ready: options.ready });
  return app;
}

/** The routes that anyone may ask. Every other route needs the token, a new one too. */
const OPEN_ROUTES: ReadonlySet<string> = new Set(['/v1/openapi.json', '/healthz', '/readyz', '/metrics']);

/**
 * Decided by the route that was found, never by the address as it was written: `/%76%31/types` is /v1/types.
 * @param route undefined where none was found; then nothing is given away, but below /v1 strangers are told of the token first
 */
function needsToken(route: string | undefined, url: string): boolean {
  return route === undefined ? /^\/v1(\/|\?|$)/.test(url) : !OPEN_ROUTES.has(route);
}

/** Whether the route judges a ticket itself. */
const hasTicket = (route: string | undefined, query: unknown): boolean =>
  route === '/v1/stream' && typeof query === 'object' && query !== null && 'ticket' in query;

export function measureRequests(app: App, metrics: Pick<HttpMetrics, 'requestSeconds'>): void {
  app.addHook('onResponse', (request, reply, done) => {
    metrics.requestSeconds.observe(
      {
        // The pattern, never the address: ids must not become labels.
        route: request.routeOptions.url ?? 'unknown',
        method: request.method,
        status: String(reply.statusCode),
      },
      reply.elapsedTime / 1000,
    );
    done();
  });
}

/** Who asked what, for whoever looks into a slow or busy server. Ids stand in addresses and bodies, so neither is logged. */
function logRequests(app: App, logger: Logger): void {
  app.addHook('onResponse', (request, reply, done) => {
    const { method, headers, routeOptions } = request;
    logger.debug(
      {
        user: userOf(headers),
        method,
        route: routeOptions.url,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      'answered',
    );
    done();
  });
}
