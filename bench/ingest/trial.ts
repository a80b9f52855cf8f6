import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumer, Wiring, Written } from './consumers.ts';
import type { FakeKinesis } from './fakes.ts';
import {
  cpuSeconds,
  cpuSecondsByThread,
  cpuSecondsOfEndedChildren,
  parentOf,
  peakRssMegabytes,
  type ThreadSeconds,
} from '../usage.ts';

const POLL_MS = 40;
const READY_MS = 60_000;
/** The points of the last events come into several buckets, one after the other; when no more have come for so long, all have. */
const QUIET_MS = 500;
/** A consumer that has not written all events by then is reported as it stands: one that writes 5,000 a second has. */
const deadlineMs = (events: number): number => 60_000 + events / 5;
/** So is one that has written nothing more for so long. */
const STALLED_MS = 30_000;

export interface Trial {
  readonly events: number;
  readonly points: number;
  /** From the moment the events could be read to the answer of the write that held the last point. */
  readonly seconds: number;
  /** CPU of the consumer from that moment to its end, stopping and writing open archive objects included. */
  readonly cpuSeconds: number;
  /** The same by thread, up to the last point. */
  readonly threads: ThreadSeconds;
  readonly peakRssMegabytes: number;
  /** CPU of the fake Kinesis meanwhile. */
  readonly kinesisCpuSeconds: number;
  readonly throttled: number;
}

/** A consumer that has ended by itself, with what it said last. */
export class ConsumerEnded extends Error {}

/**
 * One consumer reads one backlog, once. The stream is shut until the consumer has asked every shard, so that starting up is not part of
 * the figures.
 */
export async function runTrial(
  consumer: Consumer,
  wiring: Wiring,
  kinesis: FakeKinesis,
  written: () => Promise<Written>,
): Promise<Trial> {
  await kinesis.shut(wiring.stream);
  const server = await consumer.start(wiring);
  try {
    const pid = server.pid;
    const ended = (): ConsumerEnded => new ConsumerEnded(`${consumer.name} has ended early. ${server.tail()}`);
    const throwIfEnded = (): void => {
      if (server.pid === undefined) throw ended();
    };
    if (pid === undefined) throw ended();
    const supervisor = parentOf(pid);
    await allShardsAsked(wiring, kinesis, consumer.name, () => server.tail(), throwIfEnded);

    const before = cpuSeconds(pid);
    const threadsBefore = cpuSecondsByThread(pid);
    const kinesisPid = kinesis.server.pid ?? 0;
    const kinesisBefore = cpuSeconds(kinesisPid);
    const { events, openedMs } = await kinesis.open(wiring.stream, consumer.heldToQuotas);
    let done: Written = { events: 0, points: 0, lastMs: openedMs };
    let changedMs = openedMs;
    while (done.events < events || Date.now() - changedMs < QUIET_MS) {
      await sleep(POLL_MS);
      throwIfEnded();
      const now = await written();
      if (now.points !== done.points) {
        done = now;
        changedMs = Date.now();
      }
      if (Date.now() - openedMs > deadlineMs(events) || Date.now() - changedMs > STALLED_MS) break;
    }
    const threads = cpuSecondsByThread(pid);
    const peak = peakRssMegabytes(pid);
    const stats = await kinesis.stats(wiring.stream);
    server.kill('SIGTERM');
    await server.ended();
    return {
      events: done.events,
      points: done.points,
      seconds: (done.lastMs - openedMs) / 1000,
      cpuSeconds: cpuSecondsOfEndedChildren(supervisor) - before,
      threads: {
        main: threads.main - threadsBefore.main,
        engine: threads.engine - threadsBefore.engine,
        pool: threads.pool - threadsBefore.pool,
      },
      peakRssMegabytes: peak,
      kinesisCpuSeconds: cpuSeconds(kinesisPid) - kinesisBefore,
      throttled: stats.throttled,
    };
  } finally {
    await server.stop();
    await kinesis.shut(wiring.stream);
  }
}

/** @param check called while it waits */
export async function allShardsAsked(
  wiring: Wiring,
  kinesis: FakeKinesis,
  name: string,
  tail: () => string,
  check: () => void = () => undefined,
): Promise<void> {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    const { shardsAsked, shards } = await kinesis.stats(wiring.stream);
    if (shardsAsked >= shards) return;
    check();
    if (Date.now() > deadline) {
      throw new Error(`${name} has asked ${shardsAsked} of ${shards} shards in ${READY_MS / 1000} s. ${tail()}`);
    }
    await sleep(POLL_MS);
  }
}
