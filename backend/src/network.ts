const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there (connection refused)',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name could not be looked up',
  ECONNRESET: 'the connection was closed',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  UND_ERR_HEADERS_TIMEOUT: 'no answer came in time',
  UND_ERR_SOCKET: 'the connection was closed',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed (NODE_EXTRA_CA_CERTS can name its authority)',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is self-signed (NODE_EXTRA_CA_CERTS can name its authority)',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: try http:// instead of https://',
  HPE_INVALID_CONSTANT: 'it does not speak HTTP there',
};

/** Why no answer came, in words; for HTTP to any server. */
export function networkReason(error: unknown): string {
  for (let e: unknown = error, depth = 0; e instanceof Error && depth < 5; e = e.cause, depth += 1) {
    if (e instanceof AggregateError && e.errors.length > 0) return networkReason(e.errors[0]);
    const code = 'code' in e && typeof e.code === 'string' ? e.code : undefined;
    const known = code === undefined ? undefined : NETWORK[code];
    if (known !== undefined) return known;
    if (e.name === 'AbortError' || e.name === 'TimeoutError') return 'no answer came in time';
  }
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}
