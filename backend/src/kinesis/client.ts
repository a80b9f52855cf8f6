import { KinesisClient } from '@aws-sdk/client-kinesis';
import { requestHandler } from '../aws/request-handler.ts';
import { KinesisProtocol } from './protocol.ts';

/** Kinesis client. `maxAttempts` 1 leaves retries to the caller, who knows whether to slow down, get a new iterator or stop. */
export function createKinesisClient(
  options: { readonly maxAttempts?: number; readonly requestTimeoutMs?: number } = {},
): KinesisClient {
  const client = new KinesisClient({
    requestHandler: requestHandler(64, options.requestTimeoutMs),
    maxAttempts: options.maxAttempts ?? 3,
    protocol: KinesisProtocol,
  });
  // It walks through every record of every response to hide secrets, and then logs nothing, because there is no logger.
  client.middlewareStack.remove('loggerMiddleware');
  return client;
}
