import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { registerConsumer } from '../../backend/src/commands/consumer.ts';
import { createSubscriptionClient } from '../../backend/src/kinesis/client.ts';
import { StreamConsumer } from '../../backend/src/kinesis/consumer.ts';
import { KinesisSubscriptions } from '../../backend/src/kinesis/subscriptions.ts';
import { runInProcess } from '../support/command.ts';
import { FaultyTcpProxy } from '../support/faulty-tcp-proxy.ts';
import type { IngestProcess } from '../support/ingest-process.ts';
import { testEvents, type IngestWorld } from '../support/ingest-world.ts';
import { eventually, kinesis, parts, temporaryFolder, usePartsEnvironment } from '../support/parts.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';

/*
 * Fan-out on kinesis-local where the subscription of a shard is in use by a connection that ingest has lost: kinesis-local takes it for alive for five
 * minutes, as long as all of a test may take.
 */

beforeAll(() => usePartsEnvironment());
const { world } = worldsOfEachTest();
let ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends) await end();
  ends = [];
});

const CLEAN = { code: 0, signal: null };
const IN_USE = 'The shard is polled until it can be subscribed to';
const AGAIN = 'The shard is subscribed to again';

const linked = async (): Promise<{
  readonly w: IngestWorld;
  readonly proxy: FaultyTcpProxy;
  readonly ingest: () => IngestProcess;
}> => {
  const w = await world({ env: { USERPULSE_READ: 'fanout' }, program: 'built' });
  const cwd = await temporaryFolder('consumer');
  expect((await runInProcess(registerConsumer, ['consumer', 'register'], w.env(), { cwd })).error).toBeUndefined();
  const proxy = await FaultyTcpProxy.start(parts().kinesis.endpoint);
  ends.push(() => proxy.close());
  return { w, proxy, ingest: () => w.ingest({ AWS_ENDPOINT_URL_KINESIS: proxy.url }) };
};

/** How often the log says something. */
const times = ({ log }: IngestProcess, text: string): number => log.split(text).length - 1;

const shardsPolledInstead = async (ingest: IngestProcess): Promise<string | undefined> =>
  /^userpulse_shards_polled_instead (\d+)$/m.exec(await ingest.metrics())?.[1];

/** Puts events while the subscription is in use, and again when Kinesis has let go of it. */
async function goesOn(w: IngestWorld, ingest: IngestProcess, isInUse: () => boolean, release: () => void) {
  for (let round = 0; round < 3; round++) {
    await w.put(testEvents(50));
    await w.untilWritten(90_000);
  }
  expect(isInUse(), 'in use to the end').toBe(true);
  expect(times(ingest, IN_USE)).toBe(1);
  expect(await shardsPolledInstead(ingest)).toBe('1');
  expect((await fetch(new URL('/readyz', ingest.url))).status).toBe(200);
  expect(times(ingest, AGAIN)).toBe(0);
  release();
  await ingest.says(AGAIN, 60_000);
  await w.put(testEvents(50));
  await w.untilWritten(60_000);
  await w.untilArchived();
  expect(await shardsPolledInstead(ingest)).toBe('0');
  expect(times(ingest, IN_USE)).toBe(1);
  expect(await ingest.stop()).toEqual(CLEAN);
  await w.expectExact();
}

describe('fan-out whose subscription is in use', () => {
  it.each(['cut', 'silence'] as const)(
    'reads on by polling, exactly, where its connection is lost (%s)',
    async (fault) => {
      const { w, proxy, ingest: start } = await linked();
      await w.put(testEvents(50));
      const ingest = start();
      await w.untilWritten();
      await eventually(() => proxy.whole === 1, { what: 'a subscription' });
      proxy.inject(fault);
      await w.put(testEvents(100));
      await eventually(() => proxy.kept === 1, { what: 'a connection that is lost' });
      await goesOn(
        w,
        ingest,
        () => proxy.kept === 1,
        () => proxy.release(),
      );
    },
    240_000,
  );

  it('reads on by polling, exactly, where it is lost again and again', async () => {
    const { w, proxy, ingest: start } = await linked();
    const ingest = start();
    for (let cut = 1; cut <= 3; cut++) {
      await eventually(() => proxy.whole === 1, { what: 'a subscription' });
      proxy.inject('cut');
      await w.put(testEvents(100));
      await eventually(() => proxy.kept === 1, { what: 'a connection that is lost' });
      await w.put(testEvents(20));
      await w.untilWritten(90_000);
      expect(proxy.kept).toBe(1);
      expect(times(ingest, IN_USE)).toBe(cut);
      proxy.release();
      await eventually(() => times(ingest, AGAIN) === cut, { what: 'a new one', timeoutMs: 60_000 });
    }
    await w.put(testEvents(50));
    await w.untilWritten(60_000);
    await w.untilArchived();
    expect(await ingest.stop()).toEqual(CLEAN);
    await w.expectExact();
  }, 240_000);

  it('reads by polling, exactly, where somebody else has the subscription from the start', async () => {
    const { w, ingest: start } = await linked();
    const client = createSubscriptionClient();
    const consumer = new StreamConsumer(kinesis(), { stream: w.stream, consumer: 'userpulse' });
    const rival = new AbortController();
    ends.push(() => {
      rival.abort();
      client.destroy();
    });
    const subscription = await new KinesisSubscriptions(client, consumer).subscribe(
      'shardId-000000000000',
      { kind: 'trim_horizon' },
      rival.signal,
    );
    const bytes = subscription[Symbol.asyncIterator]();
    let isOver = false;
    const listen = async (): Promise<void> => {
      while ((await bytes.next()).done !== true);
    };
    void listen()
      .catch(() => undefined)
      .then(() => (isOver = true));
    await w.put(testEvents(50));
    const ingest = start();
    await goesOn(
      w,
      ingest,
      () => !isOver,
      () => rival.abort(),
    );
  }, 240_000);
});
