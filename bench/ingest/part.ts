import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findHiggsFile } from '../../tools/higgs.ts';
import type { BenchContext, BenchPart } from '../part.ts';
import { figure } from '../stats.ts';
import { measureCeiling } from './ceiling.ts';
import { userpulse } from './consumers.ts';
import { FakeKinesis, FakeSinks } from './fakes.ts';
import { measureLatency } from './latency.ts';
import type { LoadLatency, Measured, Series, Workload } from './measured.ts';
import { lifion, telegraf } from './peers.ts';
import { profileRun } from './profile.ts';
import { RealSinks, type RealTrial } from './real.ts';
import { report } from './report.ts';
import { userpulseAtPeersWork } from './same-work.ts';
import { ConsumerEnded, runTrial, type Trial } from './trial.ts';

/** Their quota is 2 MB/s each, 80 MB/s, so that it is the reader that binds. */
const SHARDS = 40;
/** What each consumer costs depends on the number of shards, and on that of a peer more than on ours: the main workload is read from fewer, too. */
const FEWER_SHARDS = 24;
/** Of the main workload: a figure per million events is then measured over a million, and V8's compiling, a third of a short run, is not most of it. */
const MAIN_EVENTS = 1_000_000;
/** Of the others, which are compared with each other only. */
const OTHER_EVENTS = 500_000;
const QUICK_EVENTS = 20_000;
/** Their quota is 32 MB/s, which the highest load stays below on a fast machine too. */
const LIVE = { shards: 16, eventBytes: 1024 };
/** Runs of a peer that may end by themselves. */
const MOST_ENDED = 3;
/** Loads at which the time from put to queryable is measured, as fractions of the capacity. */
const LOADS = [0.1, 0.5, 0.9] as const;

export const part: BenchPart = {
  name: 'ingest',
  title: 'Ingest: from Kinesis to InfluxDB and the archive',
  run: async (context) => {
    const root = await mkdtemp(join(await realpath(tmpdir()), 'userpulse-bench-'));
    const stops: (() => Promise<void>)[] = [];
    try {
      return report(await measure(root, context, stops), context);
    } finally {
      for (const stop of stops.reverse()) await stop();
      await rm(root, { recursive: true, force: true, maxRetries: 3 });
    }
  },
};

function workloads(quick: boolean): readonly [Workload, ...Workload[]] {
  const other = (title: string, name: string, eventBytes: number, aggregated: boolean): Workload => ({
    title,
    spec: {
      name,
      shards: SHARDS,
      events: quick ? QUICK_EVENTS : OTHER_EVENTS,
      eventBytes,
      aggregated,
      writings: ['cbor'],
    },
  });
  const plain = other('1 KB, plain', 'plain-1k', 1024, false);
  const withContext = other('1 KB with a client’s context, plain', 'client-1k', 1024, false);
  const higgsFile = findHiggsFile();
  const higgs = other('Higgs, plain', 'higgs', 1, false);
  return [
    // The peers ask for JSON.
    { ...plain, spec: { ...plain.spec, events: quick ? QUICK_EVENTS : MAIN_EVENTS, writings: ['cbor', 'json'] } },
    { ...withContext, spec: { ...withContext.spec, context: 'object' } },
    other('0.2 KB, plain', 'plain-200', 200, false),
    other('1 KB, KPL-aggregated', 'kpl-1k', 1024, true),
    other('0.2 KB, KPL-aggregated', 'kpl-200', 200, true),
    ...(higgsFile === undefined ? [] : [{ ...higgs, spec: { ...higgs.spec, higgsFile } }]),
  ];
}

/** A peer may have faults of its own: a run that it ends is repeated, and the report says so. */
async function untilItLasts({ ended }: Series, run: () => Promise<Trial>, say: BenchContext['say']): Promise<Trial> {
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof ConsumerEnded) || ended.push(error.message) > MOST_ENDED) throw error;
      say(error.message);
    }
  }
}

async function measure(root: string, context: BenchContext, stops: (() => Promise<void>)[]): Promise<Measured> {
  const { quick, rounds, say } = context;
  const kinesis = await FakeKinesis.start(root);
  stops.push(() => kinesis.server.stop());
  const sinks = await FakeSinks.start(root);
  stops.push(() => sinks.server.stop());
  const { consumer: telegrafConsumer } = await telegraf();
  const { consumer: lifionConsumer, table } = await lifion(root);
  stops.push(() => table.stop());

  const all = workloads(quick);
  const [main] = all;
  const records = new Map<string, number>();
  for (const { title, spec } of all) {
    say(`making ${spec.events} events: ${title}`);
    records.set(spec.name, await kinesis.create(spec));
  }
  const own = all.map((workload): Series => ({ workload, consumer: userpulse(), trials: [], ended: [] }));
  const peers = [telegrafConsumer, lifionConsumer].map((consumer): Series => ({
    workload: main,
    consumer,
    trials: [],
    ended: [],
  }));
  const ofFewer: Workload = { ...main, spec: { ...main.spec, name: `${main.spec.name}-fewer`, shards: FEWER_SHARDS } };
  await kinesis.create(ofFewer.spec);
  const fewer = [userpulse(), telegrafConsumer, lifionConsumer].map((consumer): Series => ({
    workload: ofFewer,
    consumer,
    trials: [],
    ended: [],
  }));
  const zstd: Series = {
    workload: main,
    consumer: { ...userpulse({ env: { USERPULSE_ARCHIVE_CODEC: 'zstd' } }), name: 'Userpulse, its archive in zstd' },
    trials: [],
    ended: [],
  };
  const sameWork: Series = { workload: main, consumer: await userpulseAtPeersWork(), trials: [], ended: [] };
  const wiring = {
    root,
    kinesis: kinesis.endpoint,
    influx: { url: sinks.influx, org: 'bench', token: 'bench' },
    s3: { url: sinks.s3, accessKeyId: 'bench', secretAccessKey: 'bench' },
  };

  const ceiling: Measured['ceiling'] = [];
  for (let round = 1; round <= rounds; round++) {
    ceiling.push(
      await measureCeiling(kinesis, {
        name: main.spec.name,
        shards: SHARDS,
        records: records.get(main.spec.name) ?? 0,
      }),
    );
    for (const series of [...own, zstd, sameWork, ...peers, ...fewer]) {
      const { workload, consumer, trials } = series;
      const run = async (): Promise<Trial> => {
        await sinks.reset();
        return runTrial(consumer, { ...wiring, stream: workload.spec.name }, kinesis, () => sinks.written());
      };
      const trial = await (series.consumer.pointsPerEvent === 'one' ? untilItLasts(series, run, say) : run());
      trials.push(trial);
      // Marks of hours are points, too.
      if (consumer.pointsPerEvent === 'one' && trial.points > trial.events * 1.01)
        throw new Error(
          `${consumer.name} has written ${trial.points} points of ${trial.events} events, not one of each.`,
        );
      say(`round ${round}: ${consumer.name}, ${workload.title}, ${workload.spec.shards} shards: ${described(trial)}`);
    }
  }
  const profiled = await profileRun({ ...wiring, stream: main.spec.name }, kinesis, sinks, context);
  for (const { spec } of [ofFewer, ...all.slice(1)]) await kinesis.remove(spec.name);

  const realSinks = await RealSinks.start(kinesis);
  stops.push(() => realSinks.stop());
  const real: RealTrial[] = [];
  for (let round = 1; round <= rounds; round++) {
    const trial = await realSinks.trial(root, main.spec.name);
    real.push(trial);
    say(`round ${round}: Userpulse into influxd and S3: ${described(trial)}`);
  }
  const capacity = figure(real.map(({ events, seconds }) => events / seconds)).median;
  const latencies = LOADS.map((load): LoadLatency => ({ load, perSecond: Math.round(capacity * load), rounds: [] }));
  for (let round = 1; round <= rounds; round++) {
    for (const { perSecond, rounds: into } of latencies) {
      const env = await realSinks.freshBuckets(root, main.spec.name);
      const latency = await measureLatency(
        realSinks.wiring(root),
        kinesis,
        { perSecond, seconds: quick ? 5 : 9, ...LIVE },
        env,
      );
      into.push(latency);
      say(
        `round ${round}: ${perSecond} events/s: put to queryable p50 ${Math.round(latency.p50)} ms, p99 ${Math.round(latency.p99)} ms`,
      );
    }
  }
  return { ceiling, own, peers, fewer, zstd, sameWork, profiled, real, latencies };
}

const described = ({ events, seconds, cpuSeconds }: Trial): string =>
  `${Math.round(events / seconds)} events/s, ${((cpuSeconds * 1e6) / events).toFixed(1)} CPU s per million`;
