import { AwsJson1_1Protocol } from '@aws-sdk/core/protocols';
import type { Readable } from 'node:stream';
import { GetRecordsReader, type GetRecordsAnswer } from './get-records.ts';
import { SpareBuffers } from '../memory/spare-buffers.ts';

type DeserializeResponse = AwsJson1_1Protocol['deserializeResponse'];

/** For what of an answer has come and is not read yet: a piece of what the socket gave, and a record that is not complete. */
const scratch = new SpareBuffers(192 * 1024, 16);

/**
 * The SDK's protocol for Kinesis, but for the answer of GetRecords: walking a schema for every member of every record, and a regular expression
 * over every byte of data, cost more than all that Userpulse itself does with an event. Everything else (requests, signatures, errors, all
 * other operations) stays the SDK's.
 */
export class KinesisProtocol extends AwsJson1_1Protocol {
  override async deserializeResponse<Output extends Awaited<ReturnType<DeserializeResponse>>>(
    ...args: Parameters<DeserializeResponse>
  ): Promise<Output> {
    const [operation, , response] = args;
    if (operation.name !== 'GetRecords' || this.isErrorResponse(response.statusCode)) {
      return super.deserializeResponse(...args);
    }
    const answer = await readAnswer(response.body as Readable);
    // The operation's name says what its output is; the SDK's types cannot.
    return { ...answer, $metadata: this.deserializeMetadata(response) } as unknown as Output;
  }
}

/** Reads each piece as it comes: of pages that come side by side nothing is held but their records. */
async function readAnswer(body: Readable): Promise<GetRecordsAnswer> {
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
    body.once('close', () => reject(new Error('The connection was closed in the middle of an answer.')));
  });
  const answer = reader.end();
  scratch.give(memory);
  return answer;
}
