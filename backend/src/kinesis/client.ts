import { KinesisClient } from '@aws-sdk/client-kinesis';
import { AwsCredentials } from '../aws/credentials.ts';
import { requestHandler } from '../aws/request-handler.ts';
import { KinesisProtocol } from './protocol.ts';

/** Kinesis client. `maxAttempts` 1 leaves retries to the caller, who knows whether to slow down, get a new iterator or stop. */
export function createKinesisClient(
  options: { readonly maxAttempts?: number; readonly requestTimeoutMs?: number } = {},
): KinesisClient {
  const credentials = new AwsCredentials();
  const client = new KinesisClient({
    credentials: credentials.provider,
    requestHandler: requestHandler(64, options.requestTimeoutMs),
    maxAttempts: options.maxAttempts ?? 3,
    protocol: KinesisProtocol,
  });
  client.middlewareStack.add((next) => (args) => credentials.watch(() => next(args)), {
    step: 'initialize',
    name: 'userpulseCredentials',
  });
  // It walks through every record of every response to hide secrets, and then logs nothing, because there is no logger.
  client.middlewareStack.remove('loggerMiddleware');
  return client;
}
