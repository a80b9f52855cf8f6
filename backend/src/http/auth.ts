import { createHash, timingSafeEqual } from 'node:crypto';
import { UserpulseError } from '../errors.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();

/**
 * A guard for the Authorization header. Both tokens are hashed before they are compared, so that the time taken tells neither the
 * token's length nor its beginning. Without a token everyone may pass: then only loopback is listened on (see config.ts).
 */
export function bearerGuard(token: string | undefined): (authorization: string | undefined) => void {
  if (token === undefined) return () => undefined;
  const expected = digest(token);
  return (authorization) => {
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
    if (!timingSafeEqual(digest(given), expected)) {
      throw new UserpulseError('unauthorized', 'The API token is wrong.', {
        hint: 'Send the value of USERPULSE_API_TOKEN that the server was started with.',
      });
    }
  };
}
