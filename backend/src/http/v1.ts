import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { Readable } from 'node:stream';
import { UserpulseError } from '../errors.ts';
import type { QueryBudget } from '../query/budget.ts';
import type { Call, QueryService } from '../query/service.ts';
import type { Schema } from '../schema/buckets.ts';
import type { CheckResult } from '../check.ts';
import type { HttpLimits } from './limits.ts';
import type { HttpMetrics } from './metrics.ts';
import { errorBody } from './schemas.ts';
import type { StreamTickets } from './stream-tickets.ts';

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
  readonly budget: QueryBudget;
  readonly tickets: StreamTickets;
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

/** A cache between us and the client that should not answer by itself (RFC 9111, 5.2.1.4). The gateway says so for alert rules. */
const NO_CACHE = /(^|,)\s*no-cache\s*(,|$)/i;

/**
 * Runs a query when there is room for it, stops it when the client leaves, and measures it. What it holds is released when its answer has been
 * sent, or cannot be sent any more.
 */
export async function answerQuery<T extends { readonly ageMs: number }>(
  v1: V1,
  preset: string,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (call: Call) => Promise<T>,
): Promise<T> {
  const signal = clientSignal(request, reply);
  const claim = v1.budget.claim();
  // Of an injected request only the first comes.
  reply.raw.once('finish', () => claim.release());
  reply.raw.once('close', () => claim.release());
  if (signal.aborted || reply.raw.closed) claim.release();
  const done = v1.metrics.querySeconds.startTimer({ preset });
  try {
    const result = await work({ signal, claim, fresh: NO_CACHE.test(request.headers['cache-control'] ?? '') });
    if (result.ageMs > 0) reply.header('age', String(Math.ceil(result.ageMs / 1000)));
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
  413: 'The body is too large, or the answer would take more memory than the server has for all queries together.',
  415: 'The body is not JSON.',
  500: 'A defect of the server.',
  502: 'InfluxDB refused the query or the token of the server.',
  429: 'The server is busy: other queries take what it has. Retry-After says when to try again.',
  503: 'InfluxDB cannot be reached; Retry-After says when to try again.',
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

export const QUERY_ERRORS = [400, 401, 413, 429, 500, 502, 503, 504] as const;

/**
 * Sends a result as JSON. The schemas of the answers are for the document: fastify's typing would want mutable arrays where the query
 * service gives readonly ones. That answers fit the document is a test.
 */
export function sendJson<R extends { send(body: unknown): unknown }>(reply: R, body: unknown): R {
  reply.send(body);
  return reply;
}

/** Bytes of an answer that wait for the client, beside one piece. */
const SENT_AHEAD = 65_536;

/** Sends an answer piece by piece, as the client takes it; what is one piece anyway is sent whole, with its length. */
export function sendPieces<R extends { type(mediaType: string): unknown; send(body: unknown): unknown }>(
  reply: R,
  mediaType: string,
  pieces: Generator<Buffer>,
): R {
  const first = pieces.next();
  const second = pieces.next();
  reply.type(`${mediaType}; charset=utf-8`);
  if (first.done === true) reply.send('');
  else if (second.done === true) reply.send(first.value);
  else {
    const all = before([first.value, second.value], pieces);
    reply.send(Readable.from(all, { objectMode: false, highWaterMark: SENT_AHEAD }));
  }
  return reply;
}

function* before<T>(begun: readonly T[], rest: Iterable<T>): Generator<T> {
  yield* begun;
  yield* rest;
}
