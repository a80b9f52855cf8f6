import { isIPv6 } from 'node:net';
import { UserpulseError } from '../errors.ts';
import type { App } from './v1.ts';

/**
 * Begins to listen. Port 0 takes a free one.
 * @returns the address as a URL
 * @throws UserpulseError config_invalid where the address is taken, forbidden or not of this machine
 */
export async function listen(app: App, address: { readonly host: string; readonly port: number }): Promise<string> {
  try {
    await app.listen({ host: address.host, port: address.port });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const why =
      code === 'EADDRINUSE'
        ? 'another process listens there'
        : code === 'EACCES'
          ? 'ports below 1024 need special rights'
          : code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND'
            ? 'the host is no address of this machine'
            : error instanceof Error
              ? error.message
              : String(error);
    throw new UserpulseError(
      'config_invalid',
      `cannot listen on ${address.host}:${address.port} (USERPULSE_LISTEN): ${why}.`,
      { hint: 'Set USERPULSE_LISTEN to another HOST:PORT.', cause: error },
    );
  }
  const bound = app.server.address();
  if (bound === null || typeof bound === 'string') return `http://${address.host}:${address.port}`;
  return `http://${isIPv6(bound.address) ? `[${bound.address}]` : bound.address}:${bound.port}`;
}
