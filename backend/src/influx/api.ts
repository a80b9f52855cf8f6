import { request } from 'undici';
import { clause } from '../format.ts';
import { withoutToken, type Secret } from '../secrets.ts';

/** Which InfluxDB, which organisation, and with which token. */
export interface InfluxTarget {
  /** Base URL, from INFLUX_HOST. */
  readonly host: string;
  readonly org: string;
  readonly token: Secret;
}

/** A response of InfluxDB, of any status; `text` is the whole body. */
export interface InfluxAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * One administrative call to InfluxDB's HTTP API. Responses of any status are returned, because the meaning of a 401 or a 404 depends on the
 * request. Throws only where there is no response (network, abort).
 */
export async function callInflux(
  target: InfluxTarget,
  call: {
    readonly method: 'GET' | 'POST';
    readonly path: string;
    readonly query?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly contentType?: string;
    readonly accept?: string;
    /** The rest of a body is not read after this many bytes. */
    readonly maxBytes?: number;
  },
  signal: AbortSignal,
): Promise<InfluxAnswer> {
  const url = new URL(call.path, target.host.endsWith('/') ? target.host : `${target.host}/`);
  for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.set(name, value);
  const token = target.token.current();
  const answer = await request(url, {
    method: call.method,
    signal,
    headers: {
      authorization: `Token ${token}`,
      accept: call.accept ?? 'application/json',
      ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
    },
    ...(call.body === undefined ? {} : { body: call.body }),
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (call.maxBytes !== undefined && size >= call.maxBytes) break;
  }
  if (answer.statusCode === 401) target.token.refused();
  return { status: answer.statusCode, text: withoutToken(Buffer.concat(chunks).toString('utf8'), token) };
}

/** InfluxDB's own error message, from its JSON error body; the text itself where it is something else. Without a full stop; '' where there is none. */
export function influxMessage(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string') {
      return clause(body.message);
    }
  } catch {
    // Not JSON: a proxy's page or plain text.
  }
  return clause(text.trim().slice(0, 200));
}
