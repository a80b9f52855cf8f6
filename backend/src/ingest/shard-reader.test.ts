import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../tests/support/virtual-clock.ts';
import { readShard } from './shard-reader.ts';
import { SourceError, type Position, type StreamSource } from '../kinesis/stream-source.ts';

/** Kinesis whose clock is behind ours, with one empty shard that is closed: it refuses iterators at a time that has not come for it. */
const fakeSourceBehind = (clock: VirtualClock, behindMs: number, asked: Position[]): StreamSource => ({
  stream: 's',
  describe: () => Promise.reject(new Error('not asked')),
  listShards: () => Promise.reject(new Error('not asked')),
  iterator: (_shardId, position) => {
    asked.push(position);
    return position.kind === 'time' && position.ms > clock.now() - behindMs
      ? Promise.reject(new SourceError('invalid', 'The timestamp cannot be greater than the current one.'))
      : Promise.resolve('iterator');
  },
  records: () => Promise.resolve({ records: [], next: undefined, millisBehindLatest: 0 }),
});

const read = async (clock: VirtualClock, source: StreamSource, ms: number): Promise<number> => {
  let pages = 0;
  const reading = readShard({
    source,
    shardId: 'shardId-000000000000',
    clock,
    signal: new AbortController().signal,
    start: { kind: 'time', ms },
    after: { sequenceNumber: null, completeToMs: 0 },
    pollIntervalMs: 250,
    budget: undefined,
    pageBytes: 1_000_000,
    onRetry: () => undefined,
    onSuccess: () => undefined,
    onGap: () => undefined,
    random: () => 1,
  });
  for await (const { records } of reading) pages += 1 + records.length;
  return pages;
};

describe('a shard that is read from a time on', () => {
  it('is waited for where Kinesis has not come to that time yet, because its clock is behind ours', async () => {
    const clock = new VirtualClock();
    const asked: Position[] = [];
    const startMs = clock.now();
    expect(await read(clock, fakeSourceBehind(clock, 2_500, asked), startMs)).toBe(1);
    expect(asked.length).toBeGreaterThan(1);
    expect(new Set(asked.map((position) => position.kind === 'time' && position.ms))).toEqual(new Set([startMs]));
  });

  it('is an error where that time lies in the future', async () => {
    const clock = new VirtualClock();
    const reading = read(clock, fakeSourceBehind(clock, 0, []), clock.now() + 3_600_000);
    await expect(reading).rejects.toMatchObject({ code: 'stream_unreachable', hint: /must not lie in the future/ });
  });
});
