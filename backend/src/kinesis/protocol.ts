import { AwsJson1_1Protocol } from '@aws-sdk/core/protocols';
import { cbor } from '@smithy/core/cbor';
import { Readable } from 'node:stream';
import { cborObject } from './cbor-record.ts';
import { CborResponseReader } from './cbor-response.ts';
import { GetRecordsReader, type GetRecordsResponse, type ResponseReader } from './get-records.ts';
import type { RecordsFormat } from './records-format.ts';
import { SpareBuffers } from '../memory/spare-buffers.ts';

type SerializeRequest = AwsJson1_1Protocol['serializeRequest'];
type DeserializeResponse = AwsJson1_1Protocol['deserializeResponse'];
type Http = Parameters<DeserializeResponse>[2];

const CBOR_TYPE = 'application/x-amz-cbor-1.1';

/** For the part of a response that has arrived and is not parsed yet: a chunk of the socket, and an incomplete record. */
const scratch = new SpareBuffers(192 * 1024, 16);

/**
 * The SDK's protocol for Kinesis, except for what has records in it: walking a schema for every member of every record, and a regular
 * expression over every byte of data, cost more than all that Userpulse does with an event. GetRecords is asked in CBOR, as the SDK for Java does
 * it, and parsed here. Of SubscribeToShard the bytes are given as they arrive, because whoever reads them must know the size of an event before
 * there is room for it; see event-frames.ts. Signatures, errors and all other operations stay the SDK's.
 *
 * @param format of the client, which it changes
 */
export function kinesisProtocol(format: RecordsFormat): typeof AwsJson1_1Protocol {
  return class KinesisProtocol extends AwsJson1_1Protocol {
    override async serializeRequest(...args: Parameters<SerializeRequest>): ReturnType<SerializeRequest> {
      const [operation, input] = args;
      const request = await super.serializeRequest(...args);
      if (operation.name !== 'GetRecords' || format.current === 'json') return request;
      request.headers['content-type'] = CBOR_TYPE;
      request.body = cbor.serialize(input);
      return request;
    }

    override async deserializeResponse<Output extends Awaited<ReturnType<DeserializeResponse>>>(
      ...args: Parameters<DeserializeResponse>
    ): Promise<Output> {
      const [operation, context, http] = args;
      if (operation.name === 'SubscribeToShard' && !this.isErrorResponse(http.statusCode)) {
        return { EventStream: http.body as Readable, $metadata: this.deserializeMetadata(http) } as unknown as Output;
      }
      if (operation.name !== 'GetRecords') return super.deserializeResponse(...args);
      if (this.isErrorResponse(http.statusCode))
        return super.deserializeResponse(operation, context, await inJson(http));
      const { response, spoken } = await readResponse(http.body as Readable);
      if (spoken === 'json') format.answeredInJson();
      // The operation's name determines the type of its output, which the SDK's types do not express.
      return { ...response, $metadata: this.deserializeMetadata(http) } as unknown as Output;
    }
  };
}

/** Parses each chunk as it arrives, so that of pages that arrive concurrently only the records are held. */
async function readResponse(
  body: Readable,
): Promise<{ readonly response: GetRecordsResponse; readonly spoken: RecordsFormat['current'] }> {
  const memory = scratch.take();
  let spoken: RecordsFormat['current'] = 'json';
  let reader: ResponseReader | undefined;
  await new Promise<void>((resolve, reject) => {
    body.on('data', (chunk: Buffer) => {
      try {
        if (reader === undefined) {
          if (isCbor(chunk)) spoken = 'cbor';
          reader = spoken === 'cbor' ? new CborResponseReader(memory) : new GetRecordsReader(memory);
        }
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
  const response = (reader ?? new GetRecordsReader(memory)).end();
  scratch.give(memory);
  return { response, spoken };
}

/**
 * Whether a body begins with a map of CBOR. The bytes are asked, not the header: Kinesis has been seen to answer in JSON and to call it CBOR
 * (aws-sdk-java-v2#1595).
 */
const isCbor = (body: Uint8Array): boolean => (body[0] ?? 0) >> 5 === 5;

/** An error response as the SDK reads it. In CBOR it has the same members. */
async function inJson(http: Http): Promise<Http> {
  const chunks: Buffer[] = [];
  for await (const chunk of http.body as Readable) chunks.push(chunk as Buffer);
  let body = Buffer.concat(chunks);
  if (isCbor(body)) body = Buffer.from(JSON.stringify(cborObject(body)));
  return Object.assign(http, { body: Readable.from(body.length === 0 ? [] : [body]) });
}
