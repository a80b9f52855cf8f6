import { AwsJson1_1Protocol } from '@aws-sdk/core/protocols';
import type { Readable } from 'node:stream';
import { GetRecordsReader, type GetRecordsResponse } from './get-records.ts';
import { SpareBuffers } from '../memory/spare-buffers.ts';

type DeserializeResponse = AwsJson1_1Protocol['deserializeResponse'];

/** For the part of a response that has arrived and is not parsed yet: a chunk of the socket, and an incomplete record. */
const scratch = new SpareBuffers(192 * 1024, 16);

/**
 * The SDK's protocol for Kinesis, except for what has records in it: walking a schema for every member of every record, and a regular
 * expression over every byte of data, cost more than all that Userpulse does with an event. GetRecords is parsed here. Of SubscribeToShard the
 * bytes are given as they arrive, because whoever reads them must know the size of an event before there is room for it; see event-frames.ts.
 * Requests, signatures, errors and all other operations stay the SDK's.
 */
export class KinesisProtocol extends AwsJson1_1Protocol {
  override async deserializeResponse<Output extends Awaited<ReturnType<DeserializeResponse>>>(
    ...args: Parameters<DeserializeResponse>
  ): Promise<Output> {
    const [operation, , http] = args;
    const hasRecords = operation.name === 'GetRecords' || operation.name === 'SubscribeToShard';
    if (!hasRecords || this.isErrorResponse(http.statusCode)) return super.deserializeResponse(...args);
    const body = http.body as Readable;
    const response = operation.name === 'GetRecords' ? await readResponse(body) : { EventStream: body };
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
