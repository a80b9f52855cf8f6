import { KinesisClient } from '@aws-sdk/client-kinesis';
import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { KinesisProtocol } from './kinesis-protocol.ts';

/**
 * Both clients take region, endpoint and credentials from AWS's own variables and files; nothing of that is configured twice.
 * HTTP/1.1 with keep-alive on purpose: local Kinesis servers speak nothing else on a plain port, and polling gains nothing from HTTP/2.
 */
const requestHandler = (maxSockets: number, requestTimeout = 30_000): NodeHttpHandler =>
  new NodeHttpHandler({
    connectionTimeout: 5_000,
    requestTimeout,
    throwOnRequestTimeout: true,
    httpAgent: new HttpAgent({ keepAlive: true, maxSockets }),
    httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets }),
  });

/** Kinesis client. `maxAttempts` 1 leaves retries to the caller, who knows whether to slow down, re-iterate or stop. */
export function createKinesisClient(
  options: { readonly maxAttempts?: number; readonly requestTimeoutMs?: number } = {},
): KinesisClient {
  const client = new KinesisClient({
    requestHandler: requestHandler(64, options.requestTimeoutMs),
    maxAttempts: options.maxAttempts ?? 3,
    protocol: KinesisProtocol,
  });
  // It goes through every record of every answer to hide what is secret, and then logs nothing, because there is no logger.
  client.middlewareStack.remove('loggerMiddleware');
  return client;
}

/** S3 client; path-style addressing where another server than AWS is named, because few of those have a host name per bucket. */
export function createS3Client(options: { readonly customEndpoint: boolean; readonly maxAttempts?: number }): S3Client {
  return new S3Client({
    requestHandler: requestHandler(16),
    maxAttempts: options.maxAttempts ?? 3,
    forcePathStyle: options.customEndpoint,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
}
