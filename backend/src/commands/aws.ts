import { createS3Client } from '../archive/s3.ts';
import { createDynamoClient } from '../checkpoint/lease-table.ts';
import { resolveAws, type AwsPlaces } from '../aws/places.ts';
import { createKinesisClient } from '../kinesis/client.ts';

/** Where the AWS SDK goes, for all commands: asked once, of clients like those that they use. */
export async function findAws(): Promise<AwsPlaces> {
  const clients = {
    kinesis: createKinesisClient(),
    s3: createS3Client({ customEndpoint: false }),
    dynamodb: createDynamoClient(),
  };
  try {
    return await resolveAws(clients);
  } finally {
    clients.kinesis.destroy();
    clients.s3.destroy();
    clients.dynamodb.destroy();
  }
}
