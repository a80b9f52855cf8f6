import { describe, expect, it } from 'vitest';
import { eventFrame } from '../../../tests/support/models/subscriptions.ts';
import { VirtualClock } from '../../../tests/support/virtual-clock.ts';
import { ByteBudget } from '../memory/byte-budget.ts';
import { fanout } from './fanout-feed.ts';
import type { FeedPage, ShardFeed } from './shard-feed.ts';
import type { Position } from './stream-source.ts';

const START: Position = { kind: 'trim_horizon' };

/** @param size of a record's data, base64 */
const event = (sequence: number, size = 4, more: object = {}): Buffer =>
  eventFrame({
    Records: [
      { Data: 'A'.repeat(size), PartitionKey: 'k', SequenceNumber: String(sequence), ApproximateArrivalTimestamp: 1 },
    ],
    ContinuationSequenceNumber: String(sequence),
    MillisBehindLatest: 0,
    ...more,
  });
const nothing = eventFrame({ Records: [], ContinuationSequenceNumber: '0', MillisBehindLatest: 0 });

/** Bodies of subscriptions, one after the other; a pause in ms between two pieces. */
function feedOf(bodies: readonly (readonly (Buffer | number)[])[], maxBytes = 4_000_000) {
  const clock = new VirtualClock();
  const signal = new AbortController().signal;
  const budget = new ByteBudget(maxBytes);
  const subscribed: { readonly atMs: number; readonly ended: AbortSignal }[] = [];
  let pulled = 0;
  const polled: FeedPage[] = [];
  const polling: ShardFeed = {
    next: async (begin) => {
      await begin(() => Promise.resolve());
      const reservation = await budget.reserve(1, signal);
      const page = { records: [], reservation, millisBehindLatest: 0, atTip: true, askedMs: clock.now(), ended: true };
      polled.push(page);
      return page;
    },
    close: () => undefined,
  };
  const feed = fanout({
    polling: () => polling,
    random: () => 0,
    subscriptions: {
      subscribe: async (_shard, _position, ended) => {
        await Promise.resolve();
        const body = bodies[subscribed.length] ?? [];
        subscribed.push({ atMs: clock.now(), ended });
        return (async function* () {
          for (const piece of body) {
            if (typeof piece === 'number') await clock.sleep(piece, ended);
            else {
              pulled++;
              yield piece;
            }
          }
        })();
      },
    },
  })({ shardId: 'shardId-000000000000', clock, signal, budget, pageBytes: 100_000 });
  const next = (): Promise<FeedPage> => feed.next((open) => open(START));
  return { feed, next, clock, budget, subscribed, polled, pulled: () => pulled };
}
const sequences = ({ records }: FeedPage): string[] => records.map(({ sequenceNumber }) => sequenceNumber);

describe('the feed of fan-out', () => {
  it('gives an event as it comes, and the end of a shard with its last records', async () => {
    const { next } = feedOf([[event(1), event(2, 4, { ChildShards: [{ ShardId: 'shardId-000000000001' }] })]]);
    expect(await next().then((page) => [sequences(page), page.ended])).toEqual([['1'], false]);
    expect(await next().then((page) => [sequences(page), page.ended])).toEqual([['2'], true]);
  });

  it('takes nothing from the connection while there is no room', async () => {
    const { next, budget, pulled } = feedOf([[event(1, 40_000), event(2, 40_000), event(3, 40_000)]], 70_000);
    const first = await next();
    const second = next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pulled()).toBe(2);
    expect(budget.maxBytes).toBe(70_000);
    first.reservation.release();
    const page = await second;
    expect(sequences(page)).toEqual(['2']);
    expect(pulled()).toBe(2);
    page.reservation.release();
    expect(sequences(await next())).toEqual(['3']);
  });

  it('takes a connection for dead that says nothing for half a minute, and closes it', async () => {
    const { next, clock, subscribed } = feedOf([[event(1), 60_000, event(2)], [event(2)]]);
    await next();
    const beganMs = clock.now();
    await expect(next()).rejects.toMatchObject({ kind: 'network', message: expect.stringContaining('30 s') });
    expect(clock.now() - beganMs).toBe(30_000);
    expect(subscribed[0]?.ended.aborted).toBe(true);
    expect(sequences(await next())).toEqual(['2']);
  });

  it('subscribes anew before five minutes are over, or after half a minute with nothing new, and looks by polling at the tip', async () => {
    const busy = Array.from({ length: 80 }, (_, n) => [5_000, event(n + 1)]).flat();
    const quiet = Array.from({ length: 8 }, () => [5_000, nothing]).flat();
    const { next, clock, subscribed, polled } = feedOf([busy, quiet]);
    const begunMs = clock.now();
    while (polled.length === 0) (await next()).reservation.release();
    expect(clock.now() - begunMs).toBe(300_000);
    expect(subscribed[0]?.ended.aborted).toBe(true);
    while (polled.length === 1) (await next()).reservation.release();
    expect(clock.now() - begunMs).toBe(330_000);
    expect(subscribed).toHaveLength(2);
  });

  it('fails where a subscription ends before anything came, and within an event', async () => {
    const { next } = feedOf([[], [event(1).subarray(0, 50)]]);
    await expect(next()).rejects.toThrow('ended before its first event');
    await expect(next()).rejects.toThrow('middle of an event');
  });

  it('does not subscribe more often than once a second', async () => {
    const { next, clock, subscribed } = feedOf([[], [], [event(1)]]);
    const begunMs = clock.now();
    await expect(next()).rejects.toThrow();
    await expect(next()).rejects.toThrow();
    await next();
    expect(subscribed.map(({ atMs }) => atMs - begunMs)).toEqual([0, 1_000, 2_000]);
  });

  it('is closed with its connection', async () => {
    const { feed, next, subscribed } = feedOf([[event(1), event(2)]]);
    await next();
    feed.close();
    expect(subscribed[0]?.ended.aborted).toBe(true);
  });
});
