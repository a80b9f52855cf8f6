import type { OutgoingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import { UserpulseError } from '../../errors.ts';
import { httpError } from '../errors.ts';
import { streamHeaders, streamQuery, streamResponse } from '../schemas.ts';
import { sseComment, sseEvent, sseRetry, sseWrite } from '../sse.ts';
import type { StreamQuestion } from '../stream-tickets.ts';
import { clientSignal, errors, type App, type V1 } from '../v1.ts';

/** A server that restarts is back by then, and a panel that waits longer would look frozen. */
const RETRY_MS = 2_000;

/** `GET /v1/stream`: server-sent events, one per new or changed window, until the client leaves or the server stops. */
export function registerStream(app: App, v1: V1): void {
  let clients = 0;
  app.route({
    method: 'GET',
    url: '/stream',
    // A HEAD has no body to stream: it would wait for the end of a stream that has none.
    exposeHeadRoute: false,
    schema: {
      tags: ['interactions'],
      summary: 'Windows as they change, as server-sent events',
      headers: streamHeaders,
      querystring: streamQuery,
      response: {
        200: { description: 'The stream.', content: { 'text/event-stream': { schema: streamResponse } } },
        ...errors(400, 401, 413, 429, 500, 503),
      },
    },
    handler: async (request, reply) => {
      const { limits, logger, metrics } = v1;
      if (clients >= limits.streams) {
        throw new UserpulseError('overloaded', `${limits.streams} live streams are open, and no more are allowed.`, {
          hint: 'Close one, or try again later.',
        });
      }
      const question = questionOf(v1, request);
      const lastEventId = request.headers['last-event-id'] ?? request.query.lastEventId;
      const end = new AbortController();
      const signal = AbortSignal.any([end.signal, clientSignal(request, reply), v1.closing]);
      // Throws on a bad question, while an ordinary error answer is still possible.
      const windows = v1.service.live(question, signal, lastEventId === undefined ? undefined : Number(lastEventId));

      const response = reply.raw;
      reply.hijack();
      clients += 1;
      metrics.streamClients.set(clients);
      // What hooks have set, as the headers of CORS.
      response.writeHead(200, {
        ...(reply.getHeaders() as OutgoingHttpHeaders),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        // nginx buffers answers unless told not to.
        'x-accel-buffering': 'no',
      });
      const drop = (): void => {
        metrics.streamsDropped.inc();
        logger.warn(
          { remote: request.ip, waitedMs: limits.streamPatienceMs },
          'a client of /v1/stream reads too slowly and was disconnected',
        );
        end.abort();
        response.destroy();
      };
      let writing = false;
      const write = async (text: string): Promise<boolean> => {
        writing = true;
        const outcome = await sseWrite(response, text, limits.streamPatienceMs, signal);
        writing = false;
        if (outcome === 'too_slow') drop();
        return outcome === 'written';
      };
      // A write that waits shows by itself whether the client still reads.
      const heartbeat = setInterval(() => {
        if (!writing) void write(sseComment('heartbeat'));
      }, limits.heartbeatMs);
      try {
        await write(sseComment('open') + sseRetry(RETRY_MS));
        for await (const update of windows) {
          const text =
            update.kind === 'gap'
              ? sseEvent('gap', { from: update.fromMs, to: update.toMs })
              : sseEvent('window', update.window, update.placeMs);
          if (!(await write(text))) break;
        }
      } catch (error) {
        const { body, unexpected } = httpError(error, limits.bodyBytes);
        if (!signal.aborted) {
          logger[unexpected ? 'error' : 'warn']({ err: error }, 'a live stream ended with an error');
          await write(sseEvent('error', body));
        }
      } finally {
        clearInterval(heartbeat);
        end.abort();
        response.end();
        clients -= 1;
        metrics.streamClients.set(clients);
      }
    },
  });
}

/** `id,type`, in any order; `none` because an empty parameter could as well mean that nothing was said. */
const labelsOf = (groupBy: string): string[] =>
  groupBy.trim() === 'none' ? [] : groupBy.split(',').map((label) => label.trim());

/** @throws UserpulseError bad_request, unauthorized */
function questionOf(
  { tickets }: V1,
  {
    headers,
    query,
  }: {
    readonly headers: { readonly authorization?: string | undefined };
    readonly query: z.output<typeof streamQuery>;
  },
): StreamQuestion {
  const { ticket, preset = '', ids, types, every = '', calc, groupBy, direction, timezone } = query;
  if (ticket === undefined)
    return {
      preset,
      ids,
      types,
      every,
      calc,
      groupBy: groupBy === undefined ? undefined : labelsOf(groupBy),
      direction,
      timezone,
    };
  if (headers.authorization !== undefined) {
    throw new UserpulseError('bad_request', 'The request has an Authorization header and a ticket.', {
      hint: 'Send one of them.',
    });
  }
  return tickets.open(ticket);
}
