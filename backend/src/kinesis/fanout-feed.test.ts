import { describe, expect, it } from 'vitest';
import { eventFrame, exceptionFrame } from '../../../tests/support/models/subscriptions.ts';
import { VirtualClock } from '../../../tests/support/virtual-clock.ts';
import { StreamRecords } from './stream-records.ts';
import { ByteBudget } from '../memory/byte-budget.ts';
import { fanout } from './fanout-feed.ts';
import type { FeedPage, ShardFeed } from './shard-feed.ts';
import { SourceError, type Position } from './stream-source.ts';

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

const inUse = exceptionFrame('ResourceInUseException', 'Another active subscription exists.');

/** A subscription that is refused before it begins. */
const REFUSED = 'refused';
type FakeBody = typeof REFUSED | readonly (Buffer | number)[];

/**
 * On a fake Kinesis.
 * @param bodies of subscriptions, one after the other; a pause in ms between two pieces
 * @param polledMs how long a poll takes; the first one ends the shard where it is not given
 */
function feedOf(bodies: readonly FakeBody[], maxBytes = 4_000_000, polledMs?: number) {
  const clock = new VirtualClock();
  const signal = new AbortController().signal;
  const budget = new ByteBudget(maxBytes);
  const subscribed: { readonly atMs: number; readonly ended: AbortSignal }[] = [];
  let pulled = 0;
  const polled: FeedPage[] = [];
  const told: string[] = [];
  let isOpen = false;
  let iterators = 0;
  const fakePolling: ShardFeed = {
    next: async (begin) => {
      if (!isOpen) await begin(() => Promise.resolve(iterators++));
      isOpen = true;
      if (polledMs !== undefined) await clock.sleep(polledMs, signal);
      const reservation = await budget.reserve(1, signal);
      const ended = polledMs === undefined;
      const records = StreamRecords.of([]);
      const page = { records, reservation, millisBehindLatest: 0, atTip: true, askedMs: clock.now(), ended };
      polled.push(page);
      return page;
    },
    close: () => void (isOpen = false),
  };
  const feed = fanout({
    polling: () => fakePolling,
    random: () => 0,
    subscriptions: {
      subscribe: async (_shard, _position, ended) => {
        await Promise.resolve();
        const body = bodies[subscribed.length] ?? [];
        subscribed.push({ atMs: clock.now(), ended });
        if (body === REFUSED) throw new SourceError('in_use', 'Another active subscription exists.');
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
  })({
    shardId: 'shardId-000000000000',
    clock,
    signal,
    budget,
    pageBytes: 100_000,
    events: {
      polledInstead: (message) => told.push(message),
      notPolledInstead: (by) => told.push(by),
    },
  });
  const next = (): Promise<FeedPage> => feed.next((open) => open(START));
  return { feed, next, clock, budget, subscribed, polled, told, pulled: () => pulled, iterators: () => iterators };
}
const sequences = ({ records }: FeedPage): string[] => [...records].map(({ sequenceNumber }) => sequenceNumber);

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

  it.each([
    { refusal: 'before it begins', bodies: [REFUSED, REFUSED, [event(1)]] },
    { refusal: 'in its first event', bodies: [[inUse], [inUse], [event(1)]] },
  ] as const)('polls while the subscription is in use, as is said $refusal, and asks again', async ({ bodies }) => {
    const { next, clock, subscribed, polled, told, iterators } = feedOf(bodies, 4_000_000, 1_000);
    const begunMs = clock.now();
    let page = await next();
    for (; page.records.length === 0; page = await next()) page.reservation.release();
    expect(sequences(page)).toEqual(['1']);
    expect(subscribed.map(({ atMs }) => atMs - begunMs)).toEqual([0, 10_000, 20_000]);
    expect(polled).toHaveLength(20);
    // A refused subscription may have moved the reader's position, so polling begins anew behind it.
    expect(iterators()).toBe(2);
    expect(told.map((text) => text.replace(/.*Another active.*/, 'in use'))).toEqual([
      'in use',
      'in use',
      'subscription',
    ]);
  });

  it('polls when somebody else takes its subscription over', async () => {
    const { next, polled, told } = feedOf([[event(1), inUse], [event(2)]], 4_000_000, 1_000);
    expect(sequences(await next())).toEqual(['1']);
    (await next()).reservation.release();
    expect(polled).toHaveLength(1);
    expect(told).toHaveLength(1);
    let page = await next();
    for (; page.records.length === 0; page = await next()) page.reservation.release();
    expect(sequences(page)).toEqual(['2']);
  });

  it('tells that it polls no more when it is closed, and subscribes first when it is used again', async () => {
    const { feed, next, told, subscribed } = feedOf([REFUSED, [event(1)]], 4_000_000, 1_000);
    (await next()).reservation.release();
    feed.close();
    feed.close();
    expect(told.slice(1)).toEqual(['close']);
    expect(sequences(await next())).toEqual(['1']);
    expect(subscribed).toHaveLength(2);
  });

  it('is closed with its connection', async () => {
    const { feed, next, subscribed } = feedOf([[event(1), event(2)]]);
    await next();
    feed.close();
    expect(subscribed[0]?.ended.aborted).toBe(true);
  });
});
