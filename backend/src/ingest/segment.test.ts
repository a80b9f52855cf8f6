import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeRecord } from '../event/decode.ts';
import { aggregate } from '../event/kpl.ts';
import { StreamRecords } from '../kinesis/stream-records.ts';
import { Segment } from './segment.ts';
import { WrittenRecords } from './written-records.ts';

const ARRIVAL_MS = 1_341_100_973_000;

describe('a segment', () => {
  it('keeps the bytes received of a refused event, white space and all, alone and within an aggregated record', async () => {
    const event = { eventId: 'e', type: 'like', occurredAt: ARRIVAL_MS, actorId: 1, receiverId: 2 };
    const received = Buffer.from(` ${JSON.stringify(event)}\n`);
    const { data } = aggregate([
      { data: Buffer.from('{}'), partitionKey: 'p' },
      { data: received, partitionKey: 'p' },
    ]);
    const segment = new Segment('shardId-000000000000', 0, 'gzip');
    for (const [sequenceNumber, bytes, item] of [
      ['1', received, 0],
      ['2', data, 1],
    ] as const) {
      const record = { data: bytes, partitionKey: 'p', sequenceNumber, approximateArrivalMs: ARRIVAL_MS };
      const written = new WrittenRecords();
      written.add(StreamRecords.of([record]), 0);
      for (const each of decodeRecord({ ...record, data: written.data(0) }, { maxAheadMs: 0 }).items)
        written.addItem(each, written.data(0));
      written.refuse(item, 'made: no');
      segment.append(written, 0);
    }
    const [object, ...others] = await segment.objects();
    expect(others).toEqual([]);
    const letters = gunzipSync(Buffer.concat(object?.chunks ?? []))
      .toString()
      .trim()
      .split('\n')
      .map((letter) => JSON.parse(letter) as { readonly code: string; readonly data: string });
    const refused = letters.filter(({ code }) => code === 'influx_refused');
    expect(refused.map((letter) => letter.data)).toEqual([received.toString('base64'), received.toString('base64')]);
    expect(letters).toHaveLength(3);
  });
});
