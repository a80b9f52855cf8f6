import { describe, expect, it } from 'vitest';
import { decodeFrame, hashOfPartitionKey } from '../event/kpl.ts';
import { AGGREGATE_MAX_BYTES, AGGREGATE_MAX_RECORDS, AggregatingPacker, recordsIn, type Entry } from './entry.ts';
import type { Outgoing } from './entry.ts';

const MAX = 2n ** 128n - 1n;
const ENDS = [MAX / 3n, (MAX / 3n) * 2n, MAX];

const outgoing = (n: number, bytes = 150): Outgoing => ({
  data: Buffer.alloc(bytes, n % 251),
  partitionKey: String(n),
  kind: n % 10 === 0 ? 'invalid' : 'event',
});

const pack = (records: readonly Outgoing[]): Entry[] => {
  const packer = new AggregatingPacker(ENDS);
  const entries = records.flatMap((record) => packer.add(record));
  const rest = packer.rest();
  expect(packer.rest()).toEqual([]);
  return [...entries, ...rest];
};

const shardOf = (hash: bigint): number => ENDS.findIndex((end) => hash <= end);

describe('AggregatingPacker', () => {
  it('loses nothing, and keeps each user record in the shard that its own key belongs to', () => {
    const records = Array.from({ length: 5_000 }, (_, n) => outgoing(n));
    const entries = pack(records);
    const keys: string[] = [];
    for (const entry of entries) {
      const frame = decodeFrame(entry.data);
      if ('code' in frame) throw new Error(frame.reason);
      expect(recordsIn(entry.counts)).toBe(frame.records.length);
      for (const record of frame.records) {
        if (record.kind === 'broken') throw new Error(record.reason);
        keys.push(record.partitionKey);
        expect(shardOf(hashOfPartitionKey(record.partitionKey))).toBe(shardOf(BigInt(entry.explicitHashKey!)));
      }
    }
    expect(keys.toSorted()).toEqual(records.map((record) => record.partitionKey).toSorted());
    expect(entries.reduce((sum, entry) => sum + entry.counts.invalid, 0)).toBe(500);
    expect(new Set(entries.map((entry) => shardOf(BigInt(entry.explicitHashKey!)))).size).toBe(3);
  });

  it('closes an aggregate that has enough records or bytes', () => {
    for (const bytes of [150, 30_000]) {
      for (const entry of pack(Array.from({ length: 2_000 }, (_, n) => outgoing(n, bytes)))) {
        expect(recordsIn(entry.counts)).toBeLessThanOrEqual(AGGREGATE_MAX_RECORDS);
        expect(entry.data.length).toBeLessThan(AGGREGATE_MAX_BYTES + 20_000);
      }
    }
  });
});
