import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { aggregate } from '../event/kpl.ts';
import { Segment } from './segment.ts';

describe('a segment', () => {
  it('keeps the bytes received of a refused event, white space and all, alone and within an aggregated record', async () => {
    const line = Buffer.from('{"a":1}');
    const received = Buffer.from(' {"a":1}\n');
    const { data } = aggregate([
      { data: Buffer.from('{}'), partitionKey: 'p' },
      { data: received, partitionKey: 'p' },
    ]);
    const refused = {
      kind: 'line' as const,
      occurredAtMs: 1_341_100_972_000,
      line,
      data: received,
      refused: 'made: no',
    };
    const record = { partitionKey: 'p', arrivalMs: 1_341_100_973_000 };
    const segment = new Segment('shardId-000000000000', 0, 'gzip');
    segment.append({ ...record, sequenceNumber: '1', data: received, items: [{ ...refused, subSequence: undefined }] });
    segment.append({ ...record, sequenceNumber: '2', data, items: [{ ...refused, subSequence: 1 }] });
    const [object, ...others] = await segment.objects();
    expect(others).toEqual([]);
    const letters = gunzipSync(Buffer.concat(object?.chunks ?? []))
      .toString()
      .trim()
      .split('\n');
    expect(letters).toHaveLength(2);
    for (const letter of letters)
      expect(JSON.parse(letter)).toMatchObject({ code: 'influx_refused', data: received.toString('base64') });
  });
});
