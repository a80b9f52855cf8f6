import { KinesisClient } from '@aws-sdk/client-kinesis';
import { AwsCredentials } from '../aws/credentials.ts';
import { requestHandler, StreamingHandler } from '../aws/request-handler.ts';
import { kinesisProtocol } from './protocol.ts';
import { RecordsFormat } from './records-format.ts';

/**
 * Kinesis client. `maxAttempts` 1 leaves retries to the caller, who knows whether to slow down, get a new iterator or stop.
 * @param options.onJson called once, where the server does not speak CBOR
 */
export const createKinesisClient = (
  options: { readonly maxAttempts?: number; readonly requestTimeoutMs?: number; readonly onJson?: () => void } = {},
): KinesisClient =>
  createClient(requestHandler(64, options.requestTimeoutMs), options.maxAttempts ?? 3, options.onJson);

/** For SubscribeToShard, which Kinesis serves over HTTP/2 only. */
export const createSubscriptionClient = (): KinesisClient => createClient(new StreamingHandler(), 1);

function createClient(
  handler: ReturnType<typeof requestHandler> | StreamingHandler,
  maxAttempts: number,
  onJson?: () => void,
): KinesisClient {
  const credentials = new AwsCredentials();
  const format = new RecordsFormat(onJson);
  const client = new KinesisClient({
    credentials: credentials.provider,
    requestHandler: handler,
    maxAttempts,
    protocol: kinesisProtocol(format),
  });
  client.middlewareStack.add((next) => (args) => credentials.watch(() => next(args)), {
    step: 'initialize',
    name: 'userpulseCredentials',
  });
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) =>
        commandName === 'GetRecordsCommand' ? format.understood(() => next(args)) : next(args),
    { step: 'initialize', name: 'userpulseRecordsFormat' },
  );
  // It walks through every record of every response to hide secrets, and then logs nothing, because there is no logger.
  client.middlewareStack.remove('loggerMiddleware');
  return client;
}
