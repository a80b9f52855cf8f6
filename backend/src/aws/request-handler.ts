import { NodeHttpHandler } from '@smithy/node-http-handler';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

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
