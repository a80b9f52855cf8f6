import { KinesisClient } from '@aws-sdk/client-kinesis';
import { AwsCredentials } from '../aws/credentials.ts';
import { requestHandler, StreamingHandler } from '../aws/request-handler.ts';
import { KinesisProtocol } from './protocol.ts';

/** Kinesis client. `maxAttempts` 1 leaves retries to the caller, who knows whether to slow down, get a new iterator or stop. */
export const createKinesisClient = (
  options: { readonly maxAttempts?: number; readonly requestTimeoutMs?: number } = {},
): KinesisClient => createClient(requestHandler(64, options.requestTimeoutMs), options.maxAttempts ?? 3);

/** For SubscribeToShard, which Kinesis serves over HTTP/2 only. */
export const createSubscriptionClient = (): KinesisClient => createClient(new StreamingHandler(), 1);

function createClient(
  handler: ReturnType<typeof requestHandler> | StreamingHandler,
  maxAttempts: number,
): KinesisClient {
  const credentials = new AwsCredentials();
  const client = new KinesisClient({
    credentials: credentials.provider,
    requestHandler: handler,
    maxAttempts,
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
