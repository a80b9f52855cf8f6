import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { freePorts } from '../../tools/parts/ports.ts';
import { percentile } from '../stats.ts';
import { userpulse, type Wiring } from './consumers.ts';
import type { FakeKinesis } from './fakes.ts';
import { allShardsAsked } from './trial.ts';
import { cpuSeconds } from '../usage.ts';

/** How often the total is asked for: the resolution of the figures. */
const POLL_MS = 20;
const PROBE = { actorId: '9007199254740993', perSecond: 50 };
/** Events of the first seconds are not looked at: the compiler is warming up. */
const WARM_MS = 2_000;
const LATE_MS = 20_000;

const answer = z.object({
  results: z.object({
    A: z.object({ frames: z.array(z.object({ data: z.object({ values: z.array(z.array(z.number())) }) })) }),
  }),
});

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  /** Probe events looked at. */
  readonly events: number;
  readonly missing: number;
  readonly cpuShare: number;
}

/**
 * Time from an event's arrival on the stream (its ApproximateArrivalTimestamp) to the answer of /v1/query that first counts it, at a constant load.
 * One user makes 50 events a second on one of the shards; a shard is read in order, so the n-th is visible when the user's total has reached n.
 */
export async function measureLatency(
  wiring: Omit<Wiring, 'stream'>,
  kinesis: FakeKinesis,
  load: { readonly perSecond: number; readonly seconds: number; readonly shards: number; readonly eventBytes: number },
  env: Readonly<Record<string, string>>,
): Promise<Latency> {
  const stream = `live-${Date.now()}`;
  const { perSecond, seconds, shards, eventBytes } = load;
  const events = Math.round(perSecond * seconds);
  await kinesis.create({
    name: stream,
    shards,
    events,
    eventBytes,
    aggregated: false,
    writings: ['cbor'],
    live: { perSecond, probe: PROBE },
  });
  const [port = 0] = await freePorts(1);
  const server = await userpulse({ command: 'start', port, env }).start({ ...wiring, stream });
  try {
    await allShardsAsked({ ...wiring, stream }, kinesis, 'Userpulse', () => server.tail());
    const { openedMs } = await kinesis.open(stream);
    const total = async (): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${port}/v1/query`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          from: openedMs - 1_000,
          to: openedMs + seconds * 1_000 + LATE_MS,
          queries: [{ refId: 'A', preset: 'made', ids: [PROBE.actorId], calc: 'total', groupBy: [] }],
        }),
      });
      return answer.parse(await response.json()).results.A.frames[0]?.data.values.at(-1)?.[0] ?? 0;
    };
    const expected = Math.floor(seconds * PROBE.perSecond) - 1;
    const seenMs: number[] = [];
    const pid = server.pid ?? 0;
    const begin = { cpu: cpuSeconds(pid), ms: Date.now() };
    while (seenMs.length < expected && Date.now() < openedMs + seconds * 1_000 + LATE_MS) {
      const count = await total();
      const now = Date.now();
      while (seenMs.length < count) seenMs.push(now);
      await sleep(POLL_MS);
    }
    const cpuShare = (cpuSeconds(pid) - begin.cpu) / ((Date.now() - begin.ms) / 1000);
    const delays = seenMs
      .slice(0, expected)
      .map((ms, n) => ({
        afterMs: (n / PROBE.perSecond) * 1000,
        delay: ms - Math.floor(openedMs + (n / PROBE.perSecond) * 1000),
      }))
      .filter(({ afterMs }) => afterMs >= WARM_MS)
      .map(({ delay }) => delay)
      .sort((a, b) => a - b);
    return {
      p50: percentile(delays, 0.5),
      p99: percentile(delays, 0.99),
      events: delays.length,
      missing: Math.max(0, expected - seenMs.length),
      cpuShare,
    };
  } finally {
    await server.stop();
    await kinesis.remove(stream);
  }
}
