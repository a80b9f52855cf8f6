import { S3Client } from '@aws-sdk/client-s3';
import { AwsCredentials } from '../aws/credentials.ts';
import { httpStatus } from '../aws/failure.ts';
import { requestHandler } from '../aws/request-handler.ts';

/** S3 client. Servers other than AWS are addressed path-style, because few of them have a host name per bucket. */
export function createS3Client(options: {
  readonly customEndpoint: boolean;
  readonly maxAttempts?: number;
  /** Instead of the SDK's own. */ readonly region?: string | undefined;
}): S3Client {
  const credentials = new AwsCredentials();
  const client = new S3Client({
    ...(options.region === undefined ? {} : { region: options.region }),
    credentials: credentials.provider,
    requestHandler: requestHandler(16),
    maxAttempts: options.maxAttempts ?? 3,
    forcePathStyle: options.customEndpoint,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  client.middlewareStack.add((next) => (args) => credentials.watch(() => next(args)), {
    step: 'initialize',
    name: 'userpulseCredentials',
  });
  return client;
}

/** @param url `s3://BUCKET/PREFIX`. The prefix that comes back is empty or ends in a slash, and is followed by the archive's own keys. */
export function s3Location(url: URL): { readonly bucket: string; readonly prefix: string } {
  const path = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, '');
  return { bucket: url.hostname, prefix: path === '' ? '' : `${path}/` };
}

/** 412: a conditional write found its key taken. */
export const isTaken = (error: unknown): boolean => httpStatus(error) === 412;
