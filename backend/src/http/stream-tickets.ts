import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { UserpulseError } from '../errors.ts';
import type { Secret } from '../secrets.ts';

/** The question of a live stream. */
const question = z.strictObject({
  preset: z.string(),
  ids: z.array(z.string()),
  types: z.array(z.string()),
  every: z.string(),
  calc: z.string().optional(),
  groupBy: z.array(z.string()).optional(),
  direction: z.string().optional(),
  timezone: z.string().optional(),
});
export type StreamQuestion = z.output<typeof question>;

const content = z.strictObject({ question, expiresAtMs: z.number() });

export interface StreamTicket {
  readonly ticket: string;
  /** Epoch ms. */
  readonly expiresAtMs: number;
}

/** Characters of a ticket at most: it is a part of an address, and request line and headers together have 16 KiB. */
const MAX_TICKET = 8_192;
const NEW_TICKET = 'Ask POST /v1/stream-tickets for a new one.';

/**
 * Tickets for live streams: one question each, for minutes, readable by whoever holds it and worth nothing else. They are signed and not stored, so
 * every instance of `serve` with the same API token takes them, and another token ends them all. A key of its own is derived from the token
 * (RFC 5869), so that no ticket helps to guess it.
 */
export class StreamTickets {
  readonly #token: Secret | undefined;
  readonly #lifeMs: number;
  readonly #now: () => number;
  /** Where there is no API token: of this process alone. */
  readonly #own = randomBytes(32).toString('hex');

  constructor(options: { readonly token: Secret | undefined; readonly lifeMs: number; readonly now: () => number }) {
    this.#token = options.token;
    this.#lifeMs = options.lifeMs;
    this.#now = options.now;
  }

  /** @throws UserpulseError bad_request where the question has too many ids for an address */
  issue(asked: StreamQuestion): StreamTicket {
    const expiresAtMs = this.#now() + this.#lifeMs;
    const payload = Buffer.from(JSON.stringify({ question: asked, expiresAtMs })).toString('base64url');
    const ticket = `${payload}.${this.#sign(payload).toString('base64url')}`;
    if (ticket.length > MAX_TICKET) {
      throw new UserpulseError('bad_request', 'The ticket would be too long for an address.', {
        hint: 'Ask for fewer ids or types.',
      });
    }
    return { ticket, expiresAtMs };
  }

  /** @throws UserpulseError unauthorized for what is no ticket of ours, or no longer one */
  open(ticket: string): StreamQuestion {
    const [payload = '', signature = '', more] = ticket.split('.');
    const given = Buffer.from(signature, 'base64url');
    const wanted = this.#sign(payload);
    if (
      more !== undefined ||
      ticket.length > MAX_TICKET ||
      given.length !== wanted.length ||
      !timingSafeEqual(given, wanted) ||
      // Of several texts with the same bytes only the one that was issued.
      given.toString('base64url') !== signature
    ) {
      throw new UserpulseError('unauthorized', 'This is not a valid stream ticket.', {
        hint: `It was cut off, or the server has another API token by now. ${NEW_TICKET}`,
      });
    }
    const { question: asked, expiresAtMs } = content.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
    if (this.#now() >= expiresAtMs) {
      throw new UserpulseError('unauthorized', `The stream ticket expired at ${new Date(expiresAtMs).toISOString()}.`, {
        hint: NEW_TICKET,
      });
    }
    return asked;
  }

  #sign(payload: string): Buffer {
    const key = Buffer.from(hkdfSync('sha256', this.#token?.current() ?? this.#own, '', 'userpulse stream ticket', 32));
    return createHmac('sha256', key).update(payload).digest();
  }
}
