import {
  DescribeStreamSummaryCommand,
  ListShardsCommand,
  MergeShardsCommand,
  SplitShardCommand,
} from '@aws-sdk/client-kinesis';
import { beforeAll, describe, expect, it } from 'vitest';
import { registerConsumer } from '../../backend/src/commands/consumer.ts';
import { registerDoctor } from '../../backend/src/commands/doctor.ts';
import type { IngestWorld } from '../support/ingest-world.ts';
import { testEvents } from '../support/ingest-world.ts';
import { runInProcess, type CommandEnd } from '../support/command.ts';
import { eventually, kinesis, temporaryFolder, usePartsEnvironment } from '../support/parts.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';
import { WorkersWorld } from '../support/workers-world.ts';

/* Reading by SubscribeToShard on kinesis-local. */

beforeAll(() => usePartsEnvironment());
const { world, endsWithTest } = worldsOfEachTest();

const CLEAN = { code: 0, signal: null };
const FANOUT = { USERPULSE_READ: 'fanout' };

const consumer = async (w: IngestWorld, what: 'register' | 'deregister'): Promise<CommandEnd> =>
  runInProcess(registerConsumer, ['consumer', what], w.env(), { cwd: await temporaryFolder('consumer') });

const registered = async (options: Parameters<typeof world>[0]): Promise<IngestWorld> => {
  const w = await world({ ...options, env: { ...FANOUT, ...options?.env } });
  expect((await consumer(w, 'register')).error).toBeUndefined();
  return w;
};

const active = (w: IngestWorld): Promise<unknown> =>
  eventually(async () => {
    const { StreamDescriptionSummary: summary } = await kinesis().send(
      new DescribeStreamSummaryCommand({ StreamName: w.stream }),
    );
    return summary?.StreamStatus === 'ACTIVE';
  });

describe('ingest by fan-out', () => {
  it('is exact: plain, aggregated and repeated events, stopped and killed in between', async () => {
    const w = await registered({ shards: 2, archive: 's3', env: { USERPULSE_ARCHIVE_MAX_AGE_MS: '150' } });
    const plain = testEvents(200);
    await w.put(plain);
    await w.put(plain.slice(0, 20));
    const first = w.ingest();
    await w.putAggregated(testEvents(3_000), 100);
    await w.untilWritten();
    expect(await first.stop()).toEqual(CLEAN);
    for (let kill = 0; kill < 3; kill++) {
      await w.putAggregated(testEvents(2_000), 50);
      const ingest = w.ingest();
      await ingest.says('Reading a shard');
      await w.put(testEvents(100));
      ingest.kill('SIGKILL');
      await ingest.exit;
    }
    // Whichever way it is read, it goes on where the other has stopped.
    const polling = w.ingest({ USERPULSE_READ: 'polling' });
    await w.put(testEvents(100));
    await w.untilWritten();
    expect(await polling.stop()).toEqual(CLEAN);
    const last = w.ingest();
    await w.put(testEvents(100));
    await w.untilWritten();
    await w.untilArchived();
    expect(await last.stop()).toEqual(CLEAN);
    await w.expectExact();
  }, 180_000);

  it('reads every shard to its end through a split and a merge', async () => {
    const w = await registered({ shards: 1 });
    await w.put(testEvents(60));
    const ingest = w.ingest();
    await w.untilWritten();
    await kinesis().send(
      new SplitShardCommand({
        StreamName: w.stream,
        ShardToSplit: 'shardId-000000000000',
        NewStartingHashKey: String(2n ** 127n),
      }),
    );
    await active(w);
    await w.put(testEvents(60));
    await w.untilWritten(90_000);
    await kinesis().send(
      new MergeShardsCommand({
        StreamName: w.stream,
        ShardToMerge: 'shardId-000000000001',
        AdjacentShardToMerge: 'shardId-000000000002',
      }),
    );
    await active(w);
    const { Shards = [] } = await kinesis().send(new ListShardsCommand({ StreamName: w.stream }));
    expect(Shards).toHaveLength(4);
    await w.put(testEvents(60));
    await w.untilWritten(90_000);
    await w.untilArchived();
    expect(await ingest.stop()).toEqual(CLEAN);
    await w.expectExact();
  }, 240_000);

  it('waits for a consumer that is not registered, says how to, and goes on once it is', async () => {
    const w = await world({ env: { ...FANOUT, USERPULSE_CONSUMER: 'second' } });
    await w.put(testEvents(20));
    const refused = w.ingest({ USERPULSE_START_DEADLINE_MS: '0' });
    expect((await refused.exit).code).toBe(1);
    expect(refused.log).toContain(`Consumer "second" (USERPULSE_CONSUMER) is not registered on stream "${w.stream}"`);
    expect(refused.log).toContain('userpulse consumer register');
    // Without the line breaks that make a column of it.
    const look = async (): Promise<string> => {
      const cwd = await temporaryFolder('doctor');
      return (await runInProcess(registerDoctor, ['doctor'], w.env(), { cwd })).stdout.replace(/\s+/g, ' ');
    };
    expect(await look()).toContain('is not registered');

    expect((await consumer(w, 'register')).stdout).toBe(`Consumer second is registered on stream ${w.stream}.\n`);
    expect((await consumer(w, 'register')).stdout).toContain('was registered before');
    expect(await look()).toContain('Consumer "second" (USERPULSE_CONSUMER) is ACTIVE.');
    const ingest = w.ingest();
    await w.untilWritten();

    // Registered anew, the consumer has another ARN: ingest finds it by its name.
    expect((await consumer(w, 'deregister')).stdout).toBe(`Consumer second is deregistered on stream ${w.stream}.\n`);
    expect((await consumer(w, 'deregister')).stdout).toContain('was not registered');
    await consumer(w, 'register');
    await w.put(testEvents(20));
    await w.untilWritten(60_000);
    expect(await ingest.stop()).toEqual(CLEAN);
    await w.expectExact();
  }, 180_000);

  it('is shared by workers with leases', async () => {
    const w = await WorkersWorld.create({ shards: 2, env: FANOUT });
    endsWithTest(w.world);
    await consumer(w.world, 'register');
    await w.world.put(testEvents(200));
    const first = w.worker();
    await w.untilOwned(2, 1);
    const second = w.worker();
    await w.untilOwned(2, 2);
    await w.world.put(testEvents(200));
    await w.untilDurable();
    expect(await first.stop()).toEqual(CLEAN);
    await w.world.put(testEvents(200));
    await w.untilDurable();
    expect(await second.stop()).toEqual(CLEAN);
    await w.world.expectExact();
  }, 300_000);
});
