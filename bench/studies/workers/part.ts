import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { buildLeases } from '../../../tools/build-leases.ts';
import { startDynalite } from '../../../tools/parts/dynalite.ts';
import type { Server } from '../../../tools/parts/server.ts';
import { createProgress } from '../../../tools/progress.ts';
import { userpulse, type Wiring } from '../../ingest/consumers.ts';
import { FakeKinesis, FakeSinks } from '../../ingest/fakes.ts';
import { allShardsAsked } from '../../ingest/trial.ts';
import type { BenchContext, BenchPart } from '../../part.ts';
import { figure, number, spread } from '../../stats.ts';
import { cpuSeconds } from '../../usage.ts';

const SHARDS = 12;
const EVENTS = 240_000;
const EVENT_BYTES = 1_024;
const WAYS = [
  { name: 'one ingest, checkpoint in a folder', workers: 1, leases: false },
  { name: 'one worker', workers: 1, leases: true },
  { name: 'two workers', workers: 2, leases: true },
  { name: 'three workers', workers: 3, leases: true },
] as const;
const BALANCED_MS = 180_000;
const DONE_MS = 120_000;

interface Round {
  readonly perSecond: number;
  /** Of all workers, their lease programs included, for a million events. */
  readonly cpuSeconds: number;
  readonly leaseCpuSeconds: number;
}

export const part: BenchPart = {
  name: 'workers',
  title: 'One worker, two, three',
  run: async (context) => {
    await buildLeases(createProgress(process.stderr));
    const root = await mkdtemp(join(await realpath(tmpdir()), 'userpulse-bench-'));
    const stops: (() => Promise<void>)[] = [];
    try {
      const kinesis = await FakeKinesis.start(root);
      stops.push(() => kinesis.server.stop());
      const sinks = await FakeSinks.start(root);
      stops.push(() => sinks.server.stop());
      const dynamodb = await startDynalite(root);
      stops.push(() => dynamodb.server.stop());
      const rounds = new Map<string, Round[]>(WAYS.map(({ name }) => [name, []]));
      for (let n = 0; n < context.rounds; n++)
        for (const way of n % 2 === 0 ? WAYS : WAYS.toReversed()) {
          const round = await measure(way, { root, kinesis, sinks, dynamodb: dynamodb.endpoint, context });
          context.say(`${way.name}: ${number(round.perSecond)} events/s, ${number(round.cpuSeconds)} CPU s a million`);
          rounds.get(way.name)?.push(round);
        }
      return {
        method: `${number(EVENTS)} events of 1 KB on ${SHARDS} shards of a fake Kinesis without quotas, into a fake of InfluxDB that takes everything at once and an archive of files; leases in dynalite, failover 3 s. The workers have their shards before the stream opens. All of it shares two cores, so that events a second cannot grow here with the workers: what an event costs is the figure.`,
        tables: [
          {
            title: 'What an event costs',
            note: 'CPU seconds for a million events, of all workers together; of them those of the lease programs. Median (least–greatest).',
            columns: ['', 'CPU s', 'of them lease programs', 'events/s on these two cores'],
            rows: WAYS.map(({ name }) => {
              const of = (value: (round: Round) => number): string =>
                spread(figure((rounds.get(name) ?? []).map(value)));
              return [name, of((r) => r.cpuSeconds), of((r) => r.leaseCpuSeconds), of((r) => r.perSecond)];
            }),
          },
        ],
        plots: [],
        targets: [],
      };
    } finally {
      for (const stop of stops.reverse()) await stop();
      await rm(root, { recursive: true, force: true, maxRetries: 3 });
    }
  },
};

interface Parts {
  readonly root: string;
  readonly kinesis: FakeKinesis;
  readonly sinks: FakeSinks;
  readonly dynamodb: string;
  readonly context: BenchContext;
}

let serial = 0;

async function measure(
  { workers, leases }: (typeof WAYS)[number],
  { root, kinesis, sinks, dynamodb, context }: Parts,
): Promise<Round> {
  const stream = `workers-${serial++}`;
  const events = context.quick ? 12_000 : EVENTS;
  await kinesis.create({
    name: stream,
    shards: SHARDS,
    events,
    eventBytes: EVENT_BYTES,
    aggregated: false,
    writings: ['cbor'],
  });
  await kinesis.shut(stream);
  const access = { accessKeyId: 'bench', secretAccessKey: 'bench' };
  const wiring: Wiring = {
    root,
    stream,
    kinesis: kinesis.endpoint,
    influx: { url: sinks.influx, org: 'bench', token: 'bench' },
    s3: { url: sinks.s3, ...access },
  };
  const table = `leases-${stream}`;
  // The fake of S3 keeps nothing, and workers read what they have agreed on from the archive.
  const archive = { USERPULSE_ARCHIVE: pathToFileURL(join(root, `archive-${stream}`)).href };
  const shared = {
    USERPULSE_CHECKPOINT: `dynamodb://${table}`,
    USERPULSE_FAILOVER_MS: '3000',
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb,
    // The fake speaks JSON.
    JAVA_TOOL_OPTIONS: '-Daws.cborEnabled=false',
  };
  const running: Server[] = [];
  try {
    for (let n = 0; n < workers; n++) {
      const consumer = userpulse({ env: leases ? { ...archive, ...shared } : archive });
      running.push(await consumer.start(wiring));
    }
    await allShardsAsked(wiring, kinesis, 'Userpulse', () => running.map((server) => server.tail()).join('\n'));
    if (leases) await untilBalanced(table, workers, dynamodb);
    await sinks.reset();
    const used = (): { node: number; java: number } => {
      const pids = running.map(({ pid = 0 }) => pid);
      const sum = (some: readonly number[]): number => some.reduce((all, pid) => all + cpuSeconds(pid), 0);
      return { node: sum(pids), java: sum(childrenOf(pids)) };
    };
    const before = used();
    const { openedMs } = await kinesis.open(stream, false);
    for (;;) {
      const written = await sinks.written();
      if (written.events >= events) {
        const after = used();
        const [node, java] = [after.node - before.node, after.java - before.java];
        return {
          perSecond: events / ((written.lastMs - openedMs) / 1000),
          cpuSeconds: (node + java) / (events / 1e6),
          leaseCpuSeconds: java / (events / 1e6),
        };
      }
      if (Date.now() - openedMs > DONE_MS) throw new Error(`Only ${written.events} of ${events} events came.`);
      await sleep(40);
    }
  } finally {
    for (const server of running) await server.stop();
    await kinesis.remove(stream);
  }
}

/** Resolves when every worker has its share of the shards. */
async function untilBalanced(table: string, workers: number, endpoint: string): Promise<void> {
  const client = new DynamoDBClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
  });
  try {
    const deadline = Date.now() + BALANCED_MS;
    for (;;) {
      const { Items = [] } = await client.send(new ScanCommand({ TableName: table, ConsistentRead: true }));
      const owned = new Map<string, number>();
      for (const { leaseOwner, leaseKey } of Items)
        if (leaseOwner?.S !== undefined && leaseKey?.S?.startsWith('shardId-') === true)
          owned.set(leaseOwner.S, (owned.get(leaseOwner.S) ?? 0) + 1);
      if (owned.size === workers && [...owned.values()].every((count) => count === SHARDS / workers)) return;
      if (Date.now() > deadline)
        throw new Error(`The shards are not shared evenly: ${[...owned.values()].join(', ')}.`);
      await sleep(500);
    }
  } finally {
    client.destroy();
  }
}

/** Processes that these have started and that still run. */
function childrenOf(pids: readonly number[]): number[] {
  const parents = new Set(pids);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        return parents.has(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
      } catch {
        // It has ended meanwhile.
        return false;
      }
    });
}
