import { CreateStreamCommand, DescribeStreamSummaryCommand, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { childEnvironment, startLocalParts, type LocalParts } from '../../../tools/parts/index.ts';
import { freePorts, LOOPBACK } from '../../../tools/parts/ports.ts';
import { kinesisClient } from '../../../tools/stores.ts';
import { runCommand, startService } from '../../../tools/userpulse.ts';
import type { BenchContext, BenchPart } from '../../part.ts';
import { figure, number, percentile, spread } from '../../stats.ts';
import { usageOf } from '../../usage.ts';

const WAYS = ['polling', 'fanout'] as const;
type Way = (typeof WAYS)[number];

const ACTOR = '9007199254740993';
/** Between two events whose way is timed, in ms, so that they fall anywhere between two polls. */
const pauseMs = (n: number): number => 150 + ((n * 97) % 310);
const BURST = { records: 5_000, perRequest: 500 };

const answer = z.object({
  results: z.object({
    A: z.object({ frames: z.array(z.object({ data: z.object({ values: z.array(z.array(z.number())) }) })) }),
  }),
});

interface Round {
  /** From the answer of PutRecords to that of the first query which counts the event, ms. */
  readonly delays: readonly number[];
  /** Of ingest and serve in one process, for {@link BURST}. */
  readonly cpuSeconds: number;
}

export const part: BenchPart = {
  name: 'fanout',
  title: 'Enhanced fan-out beside polling',
  run: async (context) => {
    const parts = await startLocalParts({ kinesis: true, influx: true });
    try {
      const rounds: Record<Way, Round[]> = { polling: [], fanout: [] };
      for (let n = 0; n < context.rounds; n++)
        for (const way of n % 2 === 0 ? WAYS : WAYS.toReversed()) {
          const round = await measure(parts, way, n, context);
          context.say(
            `${way}: ${number(
              percentile(
                round.delays.toSorted((a, b) => a - b),
                0.5,
              ),
            )} ms, ${number(round.cpuSeconds)} CPU s`,
          );
          rounds[way].push(round);
        }
      return {
        method: `\`userpulse start\` on kinesis-local and influxd, one shard, everything at its default. Delays are from the answer of PutRecords to the answer of the first query that counts the event, asked every 5 ms, one event at a time. CPU is that of the process for ${number(BURST.records)} events of 200 bytes that lie ready.`,
        tables: [
          {
            title: 'Latency and CPU',
            note: 'p50 and p99 over all events; CPU is the median of the rounds.',
            columns: ['', 'p50, ms', 'p99, ms', `CPU s for ${number(BURST.records)} events`],
            rows: WAYS.map((way) => {
              const delays = rounds[way].flatMap((round) => round.delays).sort((a, b) => a - b);
              const cpu = figure(rounds[way].map((round) => round.cpuSeconds));
              return [way, number(percentile(delays, 0.5)), number(percentile(delays, 0.99)), spread(cpu)];
            }),
          },
        ],
        plots: [],
        targets: [],
      };
    } finally {
      await parts.stop();
    }
  },
};

async function measure(
  parts: LocalParts<{ kinesis: true; influx: true }>,
  way: Way,
  round: number,
  context: BenchContext,
): Promise<Round> {
  const kinesis = kinesisClient(parts.kinesis.endpoint);
  const stream = `${way}-${round}`;
  const root = join(parts.dir, stream);
  await mkdir(root);
  const [port = 0] = await freePorts(1);
  const url = `http://${LOOPBACK}:${port}`;
  const env = childEnvironment(process.env, {
    ...parts.env,
    USERPULSE_STREAM: stream,
    USERPULSE_READ: way,
    USERPULSE_ARCHIVE: pathToFileURL(join(root, 'archive')).href,
    USERPULSE_CHECKPOINT: pathToFileURL(join(root, 'checkpoint')).href,
    USERPULSE_LISTEN: `${LOOPBACK}:${port}`,
    USERPULSE_LOG_LEVEL: 'warn',
    ...Object.fromEntries(
      ['MADE', 'RECEIVED', 'SHARE', 'TOTAL'].map((role) => [`USERPULSE_BUCKET_${role}`, `${stream}-${role}`]),
    ),
  });
  await kinesis.send(new CreateStreamCommand({ StreamName: stream, ShardCount: 1 }));
  while (
    (await kinesis.send(new DescribeStreamSummaryCommand({ StreamName: stream }))).StreamDescriptionSummary
      ?.StreamStatus !== 'ACTIVE'
  )
    await sleep(50);
  await runCommand(['setup', '--create'], env);
  if (way === 'fanout') await runCommand(['consumer', 'register'], env);
  let serial = 0;
  const put = async (actorId: string, count: number): Promise<void> => {
    const Records = Array.from({ length: count }, () => {
      const event = {
        eventId: `${stream}-${serial++}`,
        type: 'like',
        occurredAt: Date.now(),
        actorId,
        receiverId: 1 + (serial % 900),
      };
      return { Data: Buffer.from(JSON.stringify({ ...event, note: 'x'.repeat(80) })), PartitionKey: String(serial) };
    });
    const { FailedRecordCount } = await kinesis.send(new PutRecordsCommand({ StreamName: stream, Records }));
    if (FailedRecordCount !== 0) throw new Error('kinesis-local has refused records.');
  };
  const from = Date.now() - 60_000;
  const total = async (): Promise<number> => {
    const response = await fetch(`${url}/v1/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        from,
        to: Date.now() + 600_000,
        queries: [{ refId: 'A', preset: 'made', ids: [ACTOR], calc: 'total', groupBy: [] }],
      }),
    });
    return answer.parse(await response.json()).results.A.frames[0]?.data.values.at(-1)?.[0] ?? 0;
  };
  const until = async (count: number): Promise<void> => {
    while ((await total()) < count) await sleep(5);
  };
  const service = await startService({ command: 'start', root, url, env });
  try {
    await put(ACTOR, 20);
    await until(20);
    const delays: number[] = [];
    for (let n = 0; n < (context.quick ? 5 : 60); n++) {
      await sleep(pauseMs(n));
      await put(ACTOR, 1);
      const begun = performance.now();
      await until(21 + n);
      delays.push(performance.now() - begun);
    }
    const before = usageOf(service.pid).cpuSeconds;
    for (let sent = 0; sent < (context.quick ? 1_000 : BURST.records); sent += BURST.perRequest)
      await put('677', BURST.perRequest);
    await put(ACTOR, 1);
    const expected = 20 + delays.length + 1;
    while ((await total()) < expected) await sleep(100);
    return { delays, cpuSeconds: usageOf(service.pid).cpuSeconds - before };
  } finally {
    await service.stop();
    kinesis.destroy();
  }
}
