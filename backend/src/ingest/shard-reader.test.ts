import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../tests/support/virtual-clock.ts';
import { ByteBudget } from '../memory/byte-budget.ts';
import { StreamRecords, type StreamRecord } from '../kinesis/stream-records.ts';
import { polling } from '../kinesis/polling-feed.ts';
import { heldBytes, readShard, type ReadEvents } from './shard-reader.ts';
import { SourceError, type Position, type StreamSource } from '../kinesis/stream-source.ts';

const NO_EVENTS: ReadEvents = {
  retrying: () => undefined,
  succeeded: () => undefined,
  gap: () => undefined,
  polledInstead: () => undefined,
  notPolledInstead: () => undefined,
};

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
  records: () => Promise.resolve({ records: StreamRecords.of([]), next: undefined, millisBehindLatest: 0 }),
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
    feed: polling(source, 250),
    budget: new ByteBudget(Infinity),
    pageBytes: 1_000_000,
    events: NO_EVENTS,
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

describe('a page larger than was reserved for it', () => {
  const record = (n: number, bytes: number): StreamRecord => ({
    data: Buffer.alloc(bytes),
    partitionKey: 'p',
    sequenceNumber: String(n),
    approximateArrivalMs: 0,
  });

  /** One closed shard whose records come in one answer, whatever was asked for. */
  const fakeSourceOf = (records: readonly StreamRecord[]): StreamSource => ({
    stream: 's',
    describe: () => Promise.reject(new Error('not asked')),
    listShards: () => Promise.reject(new Error('not asked')),
    iterator: () => Promise.resolve('iterator'),
    records: () => Promise.resolve({ records: StreamRecords.of(records), next: undefined, millisBehindLatest: 0 }),
  });

  it('is handed on in pieces as memory has room, whole and in order, and only the last one ends the shard', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 500, max: 8_000 }), async (bytes, pageBytes) => {
        const records = bytes.map((size, n) => record(n, size));
        const budget = new ByteBudget(8_000);
        const read: StreamRecord[] = [];
        let ended = false;
        const source = fakeSourceOf(records);
        const pages = readShard({
          source,
          shardId: 'shardId-000000000000',
          clock: new VirtualClock(),
          signal: new AbortController().signal,
          start: { kind: 'trim_horizon' },
          after: { sequenceNumber: null, completeToMs: 0 },
          feed: polling(source, 250),
          budget,
          pageBytes,
          events: NO_EVENTS,
        });
        for await (const page of pages) {
          expect(ended).toBe(false);
          ended = page.ended;
          expect(page.atTip).toBe(ended);
          expect(page.reservation.bytes).toBe(
            [...page.records].reduce((sum, { data }) => sum + heldBytes(data.byteLength), 0),
          );
          expect(budget.used).toBeLessThanOrEqual(8_000);
          read.push(...page.records);
          // The sinks are slower than the reader.
          setImmediate(() => page.reservation.release());
        }
        expect(ended).toBe(true);
        expect(read).toEqual(records);
      }),
    );
  });
});
