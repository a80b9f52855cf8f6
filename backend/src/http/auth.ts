import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { UserpulseError } from '../errors.ts';
import type { Secret } from '../secrets.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();

/** Names that lead to this machine or one inside the network, and that no stranger can own in the public DNS. */
const LOCAL_NAME = /^(localhost|.+\.localhost|.+\.internal)$/;

/**
 * Without a token only loopback is listened on, which browsers of this machine reach all the same: a page may make its own name point to
 * 127.0.0.1 and read the answers ("DNS rebinding"). Its name then stands in the Host header, so only addresses and local names pass.
 */
function localHost(host: string | undefined): void {
  const name = (host ?? '').replace(/:\d*$/, '').toLowerCase();
  if (isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0 || LOCAL_NAME.test(name)) return;
  throw new UserpulseError(
    'unauthorized',
    `Without a token only requests to a local address are answered, not to "${name.slice(0, 60)}".`,
    { hint: 'Start the server with USERPULSE_API_TOKEN, or ask it as 127.0.0.1.' },
  );
}

/**
 * A guard for the Authorization header. Both tokens are hashed before they are compared, so that the time taken tells neither the
 * token's length nor its beginning. Without a token everyone on this machine may
 * pass: then only loopback is listened on (see config.ts).
 */
export function bearerGuard(token: Secret | undefined): (headers: IncomingHttpHeaders) => void {
  if (token === undefined) return ({ host }) => localHost(host);
  return ({ authorization }) => {
    const given = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (given === undefined) {
      throw new UserpulseError(
        'unauthorized',
        authorization === undefined
          ? 'The API token is missing.'
          : 'The Authorization header does not hold a bearer token.',
        { hint: 'Send the header "Authorization: Bearer TOKEN" with the value of USERPULSE_API_TOKEN.' },
      );
    }
    if (!timingSafeEqual(digest(given), digest(token.current()))) {
      throw new UserpulseError('unauthorized', 'The API token is wrong.', {
        hint: 'Send the value of USERPULSE_API_TOKEN, or of the file in USERPULSE_API_TOKEN_FILE, that the server has.',
      });
    }
  };
}
