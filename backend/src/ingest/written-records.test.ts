import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayOf } from '../archive/keys.ts';
import { decodeRecord, type DecodedItem, type DecodeOptions } from '../event/decode.ts';
import { aggregate } from '../event/kpl.ts';
import { StreamRecords } from '../kinesis/stream-records.ts';
import { WrittenRecords } from './written-records.ts';

const ARRIVAL_MS = Date.UTC(2026, 0, 31, 12);
const FORGOTTEN = '13';

const OPTIONS: DecodeOptions = {
  maxAheadMs: 0,
  decompress: ['gzip'],
  split: ['ndjson', 'array'],
  erase: (event) =>
    event.actorId === FORGOTTEN ? { event, line: Buffer.from(`{"erased":${event.eventId}}`) } : undefined,
};

const event = fc
  .record({
    eventId: fc.integer({ min: 1, max: 999 }).map(String),
    day: fc.nat({ max: 40 }),
    actorId: fc.constantFrom('12', FORGOTTEN),
    space: fc.constantFrom('', ' ', '\n'),
  })
  .map(
    ({ eventId, day, actorId, space }) =>
      `${space}{"eventId":"${eventId}",${space}"type":"like","occurredAt":${ARRIVAL_MS - day * 86_400_000},"actorId":"${actorId}","receiverId":2}${space}`,
  );
const one = fc.oneof(event, fc.constantFrom('', 'not json', '{}'));

/** A record of each kind that ingest takes. */
const data = fc.oneof(
  one.map((text) => Buffer.from(text)),
  one.map((text) => gzipSync(text)),
  fc.array(event, { minLength: 1, maxLength: 4 }).map((events) => Buffer.from(`[${events.join(',')}]`)),
  fc
    .array(one, { minLength: 1, maxLength: 4 })
    .map((texts) => Buffer.from(aggregate(texts.map((text) => ({ data: Buffer.from(text), partitionKey: 'k' }))).data)),
);

const archived = (item: DecodedItem) => {
  const { kind, subSequence } = item;
  if (kind === 'rejection') return { ...item, data: Buffer.from(item.data) };
  const { line } = item;
  return {
    kind: 'line',
    subSequence,
    day: dayOf(item.event.occurredAtMs),
    line: Buffer.from(line),
    data: Buffer.from(item.data),
  };
};

describe('WrittenRecords', () => {
  it('gives back the items of every record, and which of them were refused', () => {
    fc.assert(
      fc.property(fc.array(data, { maxLength: 8 }), fc.array(fc.nat({ max: 12 })), (datas, refused) => {
        const records = StreamRecords.of(
          datas.map((bytes, n) => ({
            data: bytes,
            partitionKey: 'k',
            sequenceNumber: String(n),
            approximateArrivalMs: ARRIVAL_MS,
          })),
        );
        const written = new WrittenRecords();
        const expected = datas.map((_, at) => {
          written.add(records, at);
          const record = written.data(at);
          const decoded = decodeRecord({ data: record, approximateArrivalMs: ARRIVAL_MS }, OPTIONS).items;
          for (const item of decoded) written.addItem(item, record);
          return decoded.map(archived);
        });
        for (const item of refused) if (item < written.items) written.refuse(item, `no ${item}`);

        expect(written.items).toBe(expected.flat().length);
        let number = 0;
        for (const [at, items] of expected.entries()) {
          expect(written.sequenceNumber(at)).toBe(String(at));
          expect(written.firstItem(at)).toBe(number);
          for (const item of items) {
            const found = written.item(at, number);
            const bytes = found.kind === 'line' ? { line: Buffer.from(found.line) } : {};
            expect({ ...found, ...bytes, data: Buffer.from(found.data) }).toEqual(item);
            expect(written.recordOf(number)).toBe(at);
            expect(written.refusal(number)).toBe(refused.includes(number) ? `no ${number}` : undefined);
            number++;
          }
          expect(written.firstItem(at + 1)).toBe(number);
        }
      }),
    );
  });
});
