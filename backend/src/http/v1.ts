import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { UserpulseError } from '../errors.ts';
import type { QueryService } from '../query/service.ts';
import type { Schema } from '../schema/buckets.ts';
import type { CheckResult } from '../check.ts';
import type { QueryGate } from './gate.ts';
import type { HttpLimits } from './limits.ts';
import type { HttpMetrics } from './metrics.ts';
import { errorBody } from './schemas.ts';

/** A fastify instance whose routes are typed by their zod schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What the routes of /v1 work with. */
export interface V1 {
  readonly service: QueryService;
  readonly schema: Schema;
  readonly health: (signal: AbortSignal) => Promise<readonly CheckResult[]>;
  readonly gate: QueryGate;
  readonly limits: HttpLimits;
  readonly metrics: HttpMetrics;
  readonly logger: Logger;
  /** Aborted when the server begins to close: streams end, requests that run are finished. */
  readonly closing: AbortSignal;
}

/** Aborts when the client goes away before its answer is complete, so that its query stops too. */
export function clientSignal(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new UserpulseError('aborted', 'The client went away.'));
  });
  if (request.raw.destroyed && !request.raw.readableEnded) {
    gone.abort(new UserpulseError('aborted', 'The client went away.'));
  }
  return gone.signal;
}

/** Runs a query in its turn, stops it when the client leaves, and measures it. */
export async function answerQuery<T>(
  v1: V1,
  preset: string,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const signal = clientSignal(request, reply);
  const done = v1.metrics.querySeconds.startTimer({ preset });
  try {
    const result = await v1.gate.run(signal, () => work(signal));
    done({ outcome: 'ok' });
    return result;
  } catch (error) {
    done({ outcome: error instanceof UserpulseError ? error.code : 'internal' });
    throw error;
  }
}

const DESCRIPTION: Readonly<Record<number, string>> = {
  400: 'The request is malformed or asks for too much; the message says what to change.',
  401: 'The bearer token is missing or wrong.',
  404: 'There is no such address.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  500: 'A defect of the server.',
  502: 'InfluxDB refused the query or the token of the server.',
  503: 'The server is busy, or InfluxDB cannot be reached; Retry-After says when to try again.',
  504: 'InfluxDB took too long.',
};

interface ErrorResponse {
  readonly description: string;
  readonly content: { readonly 'application/json': { readonly schema: typeof errorBody } };
}

/** The error answers of a route, for the OpenAPI document. */
export const errors = <S extends number>(...statuses: readonly S[]): Record<S, ErrorResponse> =>
  Object.fromEntries(
    statuses.map((s) => [
      s,
      { description: DESCRIPTION[s] ?? '', content: { 'application/json': { schema: errorBody } } },
    ]),
  ) as Record<S, ErrorResponse>;

export const QUERY_ERRORS = [400, 401, 500, 502, 503, 504] as const;

/**
 * Sends a result as JSON. The schemas of the answers are for the document: fastify's typing would want mutable arrays where the query
 * service gives readonly ones. That answers fit the document is a test.
 */
export function sendJson<R extends { send(body: unknown): unknown }>(reply: R, body: unknown): R {
  reply.send(body);
  return reply;
}
