import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { S3Client } from '@aws-sdk/client-s3';
import { shownUrl } from '../secrets.ts';

/** Where the AWS SDK goes: by its own reading of variables and of `~/.aws/config`, so that nothing reads them a second time in another way. */
export interface AwsPlaces {
  /** Undefined where none is set anywhere. */
  readonly region: string | undefined;
  /** For messages: endpoints other than AWS's own, without credentials. */
  readonly endpoints: {
    readonly kinesis: string | undefined;
    readonly s3: string | undefined;
    readonly dynamodb: string | undefined;
  };
}

interface Resolvable {
  readonly config: {
    readonly region: () => Promise<string>;
    /** What the SDK itself asks before a request; not in its types. */
    readonly serviceConfiguredEndpoint?: () => Promise<string | undefined>;
  };
}

/** @param clients that make no request */
export async function resolveAws(clients: {
  readonly kinesis: KinesisClient;
  readonly s3: S3Client;
  readonly dynamodb: DynamoDBClient;
}): Promise<AwsPlaces> {
  const [region, kinesis, s3, dynamodb] = await Promise.all([
    // What is wrong with the files is told by the first request, in the SDK's words.
    clients.kinesis.config.region().catch(() => undefined),
    endpointOf(clients.kinesis),
    endpointOf(clients.s3),
    endpointOf(clients.dynamodb),
  ]);
  return { region, endpoints: { kinesis, s3, dynamodb } };
}

async function endpointOf({ config }: Resolvable): Promise<string | undefined> {
  const endpoint = await config.serviceConfiguredEndpoint?.().catch(() => undefined);
  return endpoint === undefined ? undefined : shownUrl(endpoint);
}
