import { PutRecordCommand } from '@aws-sdk/client-kinesis';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { createKinesisClient } from '../backend/src/aws.ts';
import { runCommand, startService } from '../tools/demo/userpulse.ts';
import { childEnvironment, startLocalParts } from '../tools/parts/index.ts';
import { freePorts } from '../tools/parts/ports.ts';

/**
 * Time from the call of PutRecord to the answer of /v1/query that first counts the event: `npx tsx bench/latency.ts [events] [per second]`.
 * Real influxd, Kinesis API server, S3 server and the built backend. One user makes all events, so the n-th event is visible when
 * the user's total has reached n; the total is asked for every POLL_MS, which is the resolution of the figures.
 */
const EVENTS = Number(process.argv[2] ?? 1000);
const PER_SECOND = Number(process.argv[3] ?? 100);
const POLL_MS = 15;
const ACTOR = '9007199254740993';

const answer = z.object({
  results: z.object({
    A: z.object({ frames: z.array(z.object({ data: z.object({ values: z.array(z.array(z.number())) }) })) }),
  }),
});

const parts = await startLocalParts({ influx: true, kinesis: true, s3: true });
try {
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const env = childEnvironment(process.env, {
    ...parts.env,
    USERPULSE_STREAM: 'latency',
    USERPULSE_ARCHIVE: 's3://userpulse-latency/events',
    USERPULSE_CHECKPOINT: `file://${parts.dir}/checkpoint`,
    USERPULSE_LISTEN: `127.0.0.1:${port}`,
    USERPULSE_LOG_LEVEL: 'warn',
  });
  Object.assign(process.env, parts.env);
  await runCommand(['setup', '--create'], env);
  const service = await startService(parts.dir, url, env);
  const kinesis = createKinesisClient();

  const from = Date.now() - 60_000;
  const total = async (): Promise<number> => {
    const response = await fetch(`${url}/v1/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        from,
        to: Date.now() + 60_000,
        queries: [{ refId: 'A', preset: 'made', ids: [ACTOR], calc: 'total', groupBy: [] }],
      }),
    });
    return answer.parse(await response.json()).results.A.frames[0]?.data.values.at(-1)?.[0] ?? 0;
  };

  const putAt: number[] = [];
  const seenAt: number[] = [];
  let sending = true;
  const watch = async (): Promise<void> => {
    const giveUp = performance.now() + (EVENTS / PER_SECOND) * 1000 + 60_000;
    while ((sending || seenAt.length < EVENTS) && performance.now() < giveUp) {
      const count = await total();
      const now = performance.now();
      while (seenAt.length < count) seenAt.push(now);
      await sleep(POLL_MS);
    }
  };
  const watching = watch();
  const puts: Promise<unknown>[] = [];
  const begin = performance.now();
  for (let n = 0; n < EVENTS; n++) {
    await sleep(Math.max(0, begin + (n * 1000) / PER_SECOND - performance.now()));
    putAt.push(performance.now());
    const event = {
      eventId: `latency-${n}`,
      type: 'like',
      occurredAt: Date.now(),
      actorId: ACTOR,
      receiverId: String(n + 1),
    };
    puts.push(
      kinesis.send(
        new PutRecordCommand({ StreamName: 'latency', PartitionKey: ACTOR, Data: Buffer.from(JSON.stringify(event)) }),
      ),
    );
  }
  await Promise.all(puts);
  sending = false;
  await watching;
  await service.stop();
  kinesis.destroy();

  const delays = seenAt.map((at, n) => at - (putAt[n] ?? at)).sort((a, b) => a - b);
  const percentile = (p: number): string =>
    `${Math.round(delays[Math.min(delays.length - 1, Math.floor(delays.length * p))] ?? Number.NaN)} ms`;
  process.stdout.write(
    `put to visible in /v1/query: ${delays.length} of ${EVENTS} events at ${PER_SECOND}/s, p50 ${percentile(0.5)}, p90 ${percentile(0.9)}, p99 ${percentile(0.99)}, max ${percentile(1)}\n`,
  );
  if (delays.length < EVENTS) process.exitCode = 1;
} finally {
  await parts.stop();
}
