import { S3Client } from '@aws-sdk/client-s3';
import { requestHandler } from '../aws/request-handler.ts';

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
