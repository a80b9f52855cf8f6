import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Readable } from 'node:stream';

/**
 * For the clients of Kinesis and S3, which get region, endpoint and credentials from AWS's own variables and files.
 * HTTP/1.1 with keep-alive: local Kinesis servers support nothing else on a plain port, and polling gains nothing from HTTP/2.
 */
export const requestHandler = (maxSockets: number, requestTimeout = 30_000): NodeHttpHandler =>
  new NodeHttpHandler({
    connectionTimeout: 5_000,
    requestTimeout,
    throwOnRequestTimeout: true,
    httpAgent: new HttpAgent({ keepAlive: true, maxSockets }),
    httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets }),
  });

/** Longer than any answer lasts that is read (Kinesis ends a subscription after five minutes), so that only its reader decides when one is dead. */
const SESSION_MS = 600_000;

/**
 * For answers that are read for minutes: HTTP/2, and a connection for each answer, because what nobody reads holds up whatever else comes on its
 * connection.
 *
 * The SDK does the same by itself for event streams, but announces the end of the connection (GOAWAY) as soon as the answer begins. Servers may
 * then still finish the answer, and some (http4s, which kinesis-local uses) break it off.
 */
export class StreamingHandler extends NodeHttp2Handler {
  override async handle(
    ...[request, options]: Parameters<NodeHttp2Handler['handle']>
  ): ReturnType<NodeHttp2Handler['handle']> {
    const own = new NodeHttp2Handler({ sessionTimeout: SESSION_MS });
    const end = (): void => own.destroy();
    const signal = options?.abortSignal;
    if (signal instanceof AbortSignal) signal.addEventListener('abort', end, { once: true });
    const forget = (): void => {
      if (signal instanceof AbortSignal) signal.removeEventListener('abort', end);
      end();
    };
    try {
      const answer = await own.handle(request, { ...options, isEventStream: false });
      if (answer.response.body instanceof Readable) answer.response.body.once('close', forget);
      return answer;
    } catch (error) {
      forget();
      throw error;
    }
  }
}
