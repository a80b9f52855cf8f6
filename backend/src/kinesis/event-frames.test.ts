import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventFrame, frameOf } from '../../../tests/support/models/subscriptions.ts';
import { EventFrames } from './event-frames.ts';
import { readSubscriptionEvent } from './subscription-event.ts';

/** What comes of a body that arrives in these pieces. */
async function framesOf(pieces: readonly Buffer[]): Promise<Buffer[]> {
  const rest = [...pieces];
  const frames = new EventFrames(() => Promise.resolve(rest.shift()));
  const out: Buffer[] = [];
  for (let length = await frames.begin(); length !== undefined; length = await frames.begin()) {
    const frame = Buffer.alloc(length);
    await frames.read(frame);
    out.push(frame);
  }
  return out;
}

const bodies = fc.array(fc.string({ maxLength: 300 }), { minLength: 1, maxLength: 6 });

describe('EventFrames', () => {
  it('gives the frames as they were sent, however their bytes arrive', async () => {
    await fc.assert(
      fc.asyncProperty(bodies, fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), async (texts, sizes) => {
        const frames = texts.map((value) => eventFrame({ value }));
        const body = Buffer.concat(frames);
        const pieces: Buffer[] = [];
        for (let at = 0; at < body.length; at += pieces.at(-1)?.length ?? 1) {
          // A server may send nothing, too.
          if (pieces.length % 5 === 4) pieces.push(Buffer.alloc(0));
          pieces.push(body.subarray(at, at + (sizes[pieces.length % sizes.length] ?? 1)));
        }
        expect(await framesOf(pieces)).toEqual(frames);
      }),
    );
  });

  it('says where a body ends within a frame, at whichever byte', async () => {
    const frame = eventFrame({ value: 'x' });
    for (let length = 1; length < frame.length; length++)
      await expect(framesOf([frame, frame.subarray(0, length)])).rejects.toThrow('middle of an event');
    expect(await framesOf([frame])).toEqual([frame]);
    expect(await framesOf([])).toEqual([]);
  });

  it('says where the bytes are those of something else', async () => {
    await expect(framesOf([Buffer.from('HTTP/1.1 502 Bad Gateway\r\n\r\n')])).rejects.toThrow('not an event stream');
  });
});

describe('readSubscriptionEvent', () => {
  const record = {
    Data: 'aGVsbG8=',
    PartitionKey: 'k',
    SequenceNumber: '49',
    ApproximateArrivalTimestamp: 1_767_000_000.123,
  };

  it('reads records, what is behind them, and the end of a shard', () => {
    const event = readSubscriptionEvent(
      eventFrame({
        Records: [record],
        ContinuationSequenceNumber: '49',
        MillisBehindLatest: 17,
        ChildShards: [{}, {}],
      }),
    );
    const [first, ...others] = event?.Records ?? [];
    expect([String(first?.data), first?.sequenceNumber]).toEqual(['hello', '49']);
    expect(first?.approximateArrivalMs).toBe(1_767_000_000_123);
    expect(others).toEqual([]);
    expect(event).toMatchObject({ MillisBehindLatest: 17, ChildShards: [{}, {}] });
  });

  it('passes over what has no records', () => {
    expect(
      readSubscriptionEvent(frameOf({ ':message-type': 'event', ':event-type': 'initial-response' }, {})),
    ).toBeUndefined();
  });

  it.each([
    [
      'exception',
      { ':exception-type': 'ResourceInUseException' },
      'ResourceInUseException',
      'Somebody else reads.',
      400,
    ],
    [
      'exception',
      { ':exception-type': 'InternalFailureException' },
      'InternalFailureException',
      'Somebody else reads.',
      500,
    ],
    ['error', { ':error-code': 'BadRequest', ':error-message': 'What?' }, 'BadRequest', 'What?', 400],
  ])('throws an %s as the SDK would (%j)', (kind, headers, name, message, httpStatusCode) => {
    const frame = frameOf(
      { ':message-type': kind, ...(headers as Record<string, string>) },
      { message: 'Somebody else reads.' },
    );
    expect(() => readSubscriptionEvent(frame)).toThrow(
      expect.objectContaining({ name, message, $metadata: { httpStatusCode } }) as Error,
    );
  });

  it('refuses a frame whose bytes have changed on the way', () => {
    const frame = eventFrame({ Records: [record] });
    frame[frame.length - 10] = (frame[frame.length - 10] ?? 0) ^ 1;
    expect(() => readSubscriptionEvent(frame)).toThrow();
  });
});
