import { request } from 'undici';
import { withoutToken } from '../secrets.ts';

/** Which InfluxDB, which organisation, and with which token. */
export interface InfluxTarget {
  /** Base URL, from INFLUX_HOST. */
  readonly host: string;
  readonly org: string;
  readonly token: string;
}

/** An answer of InfluxDB, of any status; `text` is the whole body. */
export interface InfluxAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * One administrative call to InfluxDB's HTTP API. Answers of any status come back as they are: what a 401 or a 404 means depends
 * on what was asked. Throws only where no answer came (network, abort).
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
    /** Bytes after which the rest of a body is not read: a check needs the first lines only. */
    readonly maxBytes?: number;
  },
  signal: AbortSignal,
): Promise<InfluxAnswer> {
  const url = new URL(call.path, target.host.endsWith('/') ? target.host : `${target.host}/`);
  for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.set(name, value);
  const answer = await request(url, {
    method: call.method,
    signal,
    headers: {
      authorization: `Token ${target.token}`,
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
  return { status: answer.statusCode, text: withoutToken(Buffer.concat(chunks).toString('utf8'), target.token) };
}

/** InfluxDB's own words for a refusal, from its JSON error body; the raw text where it is something else. */
export function influxMessage(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string') {
      return body.message;
    }
  } catch {
    // Not JSON: a proxy's page or plain text.
  }
  return text.trim().slice(0, 200);
}
