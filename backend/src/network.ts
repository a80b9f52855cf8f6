import { clause } from './format.ts';

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'unknown host name',
  EAI_AGAIN: 'the host name lookup failed',
  ECONNRESET: 'the connection was closed',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  UND_ERR_HEADERS_TIMEOUT: 'timed out waiting for a response',
  UND_ERR_SOCKET: 'the connection was closed',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed (set NODE_EXTRA_CA_CERTS to its certificate authority)',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is self-signed (set NODE_EXTRA_CA_CERTS to its certificate authority)',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not use TLS; try http:// instead of https://',
  HPE_INVALID_CONSTANT: 'it is not an HTTP server',
};

/** Why there was no response, in words; for HTTP to any server. */
export function networkReason(error: unknown): string {
  for (let e: unknown = error, depth = 0; e instanceof Error && depth < 5; e = e.cause, depth += 1) {
    if (e instanceof AggregateError && e.errors.length > 0) return networkReason(e.errors[0]);
    const code = 'code' in e && typeof e.code === 'string' ? e.code : undefined;
    const known = code === undefined ? undefined : NETWORK[code];
    if (known !== undefined) return known;
    if (e.name === 'AbortError' || e.name === 'TimeoutError') return 'timed out waiting for a response';
  }
  return clause(error instanceof Error && error.message !== '' ? error.message : String(error));
}
