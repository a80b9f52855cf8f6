import rateLimit from '@fastify/rate-limit';
import type { IncomingHttpHeaders } from 'node:http';
import { UserpulseError } from '../errors.ts';
import type { App } from './v1.ts';

/** Characters of a login, or of the mail address that stands for one. */
const MOST_CHARACTERS = 254;

/**
 * Who asks through Grafana, as the data source says where it is set to send the user's name. Whoever has the API token could say anything, so it is
 * for logs and for fair shares, never for rights.
 *
 * @returns undefined where nobody is named: requests of other programs, of alert rules, and live streams, which their viewers share
 * @throws UserpulseError bad_request
 */
export function userOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers['x-grafana-user'];
  // Node reads headers as Latin-1, and Grafana writes them as UTF-8.
  const name = Buffer.from(String(given ?? ''), 'latin1')
    .toString('utf8')
    .trim();
  if (name.length > MOST_CHARACTERS) {
    throw new UserpulseError('bad_request', `The X-Grafana-User header has more than ${MOST_CHARACTERS} characters.`, {
      hint: 'Send the login name of the user, or no such header.',
    });
  }
  return name === '' ? undefined : name;
}

/**
 * Lets nobody who is named ask more often than this, so that one person's dashboards leave room for the others'. Must be registered before the routes
 * it holds for. Counts only what the token has let pass: a stranger cannot use up anybody's share.
 */
export async function registerUserLimit(app: App, perMinute: number): Promise<void> {
  if (perMinute === 0) return;
  const hidden = { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false };
  await app.register(rateLimit, {
    hook: 'preHandler',
    max: perMinute,
    timeWindow: 60_000,
    keyGenerator: ({ headers }) => userOf(headers) ?? '',
    allowList: ({ headers }) => userOf(headers) === undefined,
    addHeaders: hidden,
    addHeadersOnExceeding: hidden,
    errorResponseBuilder: ({ headers }, { ttl }) =>
      new UserpulseError(
        'overloaded',
        `${userOf(headers) ?? ''} has asked ${perMinute} times within a minute, and no more is allowed.`,
        {
          hint: `Try again in ${Math.ceil(ttl / 1000)} s, let dashboards refresh less often, or raise USERPULSE_USER_REQUESTS_PER_MINUTE.`,
        },
      ),
  });
}
