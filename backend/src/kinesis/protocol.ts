import { AwsJson1_1Protocol } from '@aws-sdk/core/protocols';
import type { Readable } from 'node:stream';
import { GetRecordsReader, type GetRecordsResponse } from './get-records.ts';
import { SpareBuffers } from '../memory/spare-buffers.ts';

type DeserializeResponse = AwsJson1_1Protocol['deserializeResponse'];

/** For the part of a response that has arrived and is not parsed yet: a chunk of the socket, and an incomplete record. */
const scratch = new SpareBuffers(192 * 1024, 16);

/**
 * The SDK's protocol for Kinesis, except for responses of GetRecords: walking a schema for every member of every record, and a regular
 * expression over every byte of data, cost more than all that Userpulse does with an event. Requests, signatures, errors and all other
 * operations stay the SDK's.
 */
export class KinesisProtocol extends AwsJson1_1Protocol {
  override async deserializeResponse<Output extends Awaited<ReturnType<DeserializeResponse>>>(
    ...args: Parameters<DeserializeResponse>
  ): Promise<Output> {
    const [operation, , http] = args;
    if (operation.name !== 'GetRecords' || this.isErrorResponse(http.statusCode)) {
      return super.deserializeResponse(...args);
    }
    const response = await readResponse(http.body as Readable);
    // The operation's name determines the type of its output, which the SDK's types do not express.
    return { ...response, $metadata: this.deserializeMetadata(http) } as unknown as Output;
  }
}

/** Parses each chunk as it arrives, so that of pages that arrive concurrently only the records are held. */
async function readResponse(body: Readable): Promise<GetRecordsResponse> {
  const memory = scratch.take();
  const reader = new GetRecordsReader(memory);
  await new Promise<void>((resolve, reject) => {
    body.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        body.destroy();
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    body.once('end', resolve);
    body.once('error', reject);
    body.once('close', () => reject(new Error('The connection was closed in the middle of a response.')));
  });
  const response = reader.end();
  scratch.give(memory);
  return response;
}
