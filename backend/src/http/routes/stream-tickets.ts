import { UserpulseError } from '../../errors.ts';
import { streamTicketBody, streamTicketResponse } from '../schemas.ts';
import { errors, sendJson, type App, type V1 } from '../v1.ts';

/** Judges a question, and reads nothing. */
const UNREAD = AbortSignal.abort(new UserpulseError('aborted', 'Only judged.'));

/** `POST /v1/stream-tickets`: what lets a browser open one live stream, since EventSource sends no Authorization header. */
export function registerStreamTickets(app: App, v1: V1): void {
  app.route({
    method: 'POST',
    url: '/stream-tickets',
    schema: {
      tags: ['interactions'],
      summary: 'A ticket that opens one live stream without the bearer token, for minutes',
      body: streamTicketBody,
      response: {
        200: { description: 'The ticket.', content: { 'application/json': { schema: streamTicketResponse } } },
        ...errors(400, 401, 413, 415, 429, 500),
      },
    },
    handler: async (request, reply) => {
      const { ids = [], types = [], ...asked } = request.body;
      const question = { ...asked, ids, types };
      v1.service.live(question, UNREAD);
      const { ticket, expiresAtMs } = v1.tickets.issue(question);
      return sendJson(reply, {
        ticket,
        expiresAt: new Date(expiresAtMs).toISOString(),
        path: `/v1/stream?ticket=${ticket}`,
      });
    },
  });
}
