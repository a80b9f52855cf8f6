import { EventStreamCodec } from '@smithy/core/event-streams';
import { objectOf, stringIn } from './api-record.ts';
import { readGetRecords, type GetRecordsResponse } from './get-records.ts';

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text, 'utf8'),
);

/**
 * What a frame of SubscribeToShard says.
 * @param frame used up: the records do not lie in it
 * @returns undefined for what has no records, such as the initial response
 * @throws Error named as the exception that Kinesis sends instead of an event, as the SDK does it; or where the frame is damaged
 */
export function readSubscriptionEvent(frame: Buffer): GetRecordsResponse | undefined {
  const { headers, body } = codec.decode(frame);
  const header = (name: string): string | undefined => {
    const value = headers[name]?.value;
    return typeof value === 'string' ? value : undefined;
  };
  const payload = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  switch (header(':message-type')) {
    case 'event':
      return header(':event-type') === 'SubscribeToShardEvent' ? readGetRecords(payload) : undefined;
    case 'exception':
      throw answered(header(':exception-type'), messageIn(payload));
    case 'error':
      throw answered(header(':error-code'), header(':error-message'));
    default:
      throw new Error('Kinesis sent a message that is neither an event nor an error.');
  }
}

/** As if Kinesis had answered so before the first event, with the status that its API gives to such an answer. */
const answered = (name = 'UnknownError', message = ''): Error =>
  Object.assign(new Error(message), {
    name,
    $metadata: { httpStatusCode: name === 'InternalFailureException' || name === 'UnknownError' ? 500 : 400 },
  });

function messageIn(payload: Buffer): string | undefined {
  if (payload.length === 0) return undefined;
  const object = objectOf(payload.toString('utf8'));
  return stringIn(object, 'message') ?? stringIn(object, 'Message');
}
