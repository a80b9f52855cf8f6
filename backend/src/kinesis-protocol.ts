import { AwsJson1_1Protocol } from '@aws-sdk/core/protocols';
import type { Readable } from 'node:stream';
import { readGetRecords } from './event/get-records.ts';

type DeserializeResponse = AwsJson1_1Protocol['deserializeResponse'];

/**
 * The SDK's protocol for Kinesis, but for the answer of GetRecords: walking a schema for every member of every record, and a regular expression
 * over every byte of data, cost more than all that Userpulse itself does with an event. Everything else (requests, signatures, errors, all
 * other operations) stays the SDK's.
 */
export class KinesisProtocol extends AwsJson1_1Protocol {
  readonly #memory = new ReusedMemory();

  override async deserializeResponse<Output extends Awaited<ReturnType<DeserializeResponse>>>(
    ...args: Parameters<DeserializeResponse>
  ): Promise<Output> {
    const [operation, , response] = args;
    if (operation.name !== 'GetRecords' || this.isErrorResponse(response.statusCode)) {
      return super.deserializeResponse(...args);
    }
    const answer = readGetRecords(this.#memory.join(await chunksOf(response.body as Readable)));
    // The operation's name says what its output is; the SDK's types cannot.
    return { ...answer, $metadata: this.deserializeMetadata(response) } as unknown as Output;
  }
}

function chunksOf(body: Readable): Promise<readonly Buffer[]> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    body.on('data', (chunk: Buffer) => chunks.push(chunk));
    body.once('end', () => resolve(chunks));
    body.once('error', reject);
    body.once('close', () => reject(new Error('The connection was closed in the middle of an answer.')));
  });
}

/** Joins an answer's chunks in memory that the next answer uses again: fresh megabytes for every page cost more than what is done with them. */
class ReusedMemory {
  #memory = Buffer.alloc(0);

  /** Valid until the next call. */
  join(chunks: readonly Buffer[]): Buffer {
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (length > this.#memory.length) this.#memory = Buffer.allocUnsafeSlow(Math.ceil(length * 1.25));
    let at = 0;
    for (const chunk of chunks) at += chunk.copy(this.#memory, at);
    return this.#memory.subarray(0, length);
  }
}
