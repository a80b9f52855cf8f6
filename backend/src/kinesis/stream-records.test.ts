import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordsBuilder, StreamRecords, type StreamRecord } from './stream-records.ts';

const record = fc.record({
  data: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    // Larger than a block of memory.
    fc.integer({ min: 65_000, max: 66_000 }).map((bytes) => new Uint8Array(bytes).fill(bytes)),
  ),
  partitionKey: fc.string({ unit: 'binary', maxLength: 40 }),
  sequenceNumber: fc.bigInt({ min: 0n, max: 2n ** 180n }).map(String),
  approximateArrivalMs: fc.integer({ min: 0, max: 2 ** 43 }),
});

/** Texts are compared faster than bytes. */
const plain = (records: Iterable<StreamRecord>) =>
  Array.from(records, ({ data, ...others }) => ({ ...others, data: Buffer.from(data).toString('base64') }));

describe('StreamRecords', () => {
  it('gives back what was added, whole and in slices, whatever is released meanwhile', () => {
    const released = fc.array(fc.boolean(), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 12 }),
        fc.array(record, { maxLength: 12 }),
        released,
        (input, later, flags) => {
          const records = StreamRecords.of(input);
          expect(records.length).toBe(input.length);
          expect(plain(records)).toEqual(plain(input));
          for (let at = 0; at < input.length; at++) if (flags[at]) records.release(at);
          // Takes memory that may have been released, and writes into it.
          const others = StreamRecords.of(later);
          for (let at = 0; at < input.length; at++) {
            const slice = records.slice(at, at + 1);
            expect(slice.dataBytes(0)).toBe(input[at]?.data.byteLength);
            expect(slice.arrivalMs(0)).toBe(input[at]?.approximateArrivalMs);
            if (flags[at]) expect(() => records.data(at)).toThrow('is released');
            else expect(plain(slice)).toEqual(plain(input.slice(at, at + 1)));
          }
          expect(plain(others)).toEqual(plain(later));
          records.releaseAll();
          others.releaseAll();
        },
      ),
    );
  });

  it('releases a record once, however often it is told to', () => {
    const pair = StreamRecords.of(
      ['a', 'b'].map((text) => ({
        data: Buffer.from(text),
        partitionKey: 'k',
        sequenceNumber: '1',
        approximateArrivalMs: 0,
      })),
    );
    // More often than the block has records: it would be taken for free.
    for (let n = 0; n < 100_000; n++) pair.slice(0, 1).release(0);
    StreamRecords.of(
      Array.from({ length: 300 }, () => ({
        data: Buffer.alloc(1_000, 0xff),
        partitionKey: 'k',
        sequenceNumber: '2',
        approximateArrivalMs: 0,
      })),
    );
    expect(pair.data(1).toString()).toBe('b');
  });

  it('takes base64, and refuses what is not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (data) => {
        const builder = new RecordsBuilder();
        builder.addBase64('7', 'é', Buffer.from(data).toString('base64'), 5);
        expect(plain(builder.records())).toEqual([
          {
            sequenceNumber: '7',
            partitionKey: 'é',
            approximateArrivalMs: 5,
            data: Buffer.from(data).toString('base64'),
          },
        ]);
      }),
    );
    expect(() => new RecordsBuilder().addBase64('7', 'k', 'A-*A', 0)).toThrow('base64');
  });
});
