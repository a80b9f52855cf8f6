import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchContext, Figure, PartResult, Picture, SummaryRow, Table, Target } from '../part.ts';
import { figure, number, spread } from '../stats.ts';
import { BYTES_PER_SECOND } from './fake-stream.ts';
import type { Measured, Series } from './measured.ts';
import { STAGES, type Stage } from './stages.ts';
import type { Trial } from './trial.ts';

const method = (main: Series, own: readonly Series[]): string => {
  const other = own.find(({ workload }) => workload.spec.events !== main.workload.spec.events);
  const others = other === undefined ? '' : `, and ${number(other.workload.spec.events)} of each other kind`;
  return `A [fake Kinesis](../bench/ingest/fake-kinesis.ts) (prepared answers, HTTP/1.1, in CBOR to Userpulse and in JSON to the peers, as each asks; it enforces 5 reads and 2 MB per second and shard) holds a backlog on ${main.workload.spec.shards} shards. It releases the backlog once the consumer has asked every shard.
**A run** reads ${number(main.workload.spec.events)} events of the main workload (1 KB, plain), whoever reads it${others}. Runs of 200,000, as earlier reports have them, are over in five seconds, and a third of what V8’s own threads take then is compiling: they say too much of a million events.
**events/s** counts from the release to the answer to the write with the last point. **CPU** is user + system time of the whole process from the release to its end, so it includes stopping and writing the open archive objects. Everything runs on one machine: fakes, sinks and consumer share its cores.
**Stub sinks** are a [process](../bench/ingest/fake-sinks.ts) that accepts InfluxDB and S3 writes over HTTP, answers at once, stores nothing, and counts the points: none may be missing. The consumer does its full compression and HTTP work.
The events are the first of a generated week (a million users, ten million events, Zipf-distributed), filled up to size, and the Higgs file. What fills **1 KB, plain** up stands for an opaque text that a producer sends along, such as a trace or a token: a JSON parser passes over it as one string. **With a client’s context**, it is what an analytics library sends instead: a nested object of some thirty members with device, locale, session and user agent.`;
};

const perSecond = (trials: readonly Trial[]): Figure => figure(trials.map((t) => t.events / t.seconds));
const perMillion = (trials: readonly Trial[]): Figure => figure(trials.map((t) => (t.cpuSeconds * 1e6) / t.events));
const perCpuSecond = (trials: readonly Trial[]): Figure => figure(trials.map((t) => t.events / t.cpuSeconds));
const pointsPerCpuSecond = (trials: readonly Trial[]): Figure => figure(trials.map((t) => t.points / t.cpuSeconds));
const rss = (trials: readonly Trial[]): Figure => figure(trials.map((t) => t.peakRssMegabytes));

export function report(measured: Measured, context: BenchContext): PartResult {
  const [main] = measured.own;
  if (main === undefined) throw new Error('Nothing was measured.');
  const { latencies } = measured;
  return {
    method: method(main, measured.own),
    tables: [
      ceilingTable(measured),
      ownTable(measured.own),
      peersTable([main, measured.zstd, measured.sameWork, ...measured.peers, ...measured.fewer]),
      stagesTable(measured, main),
      realTable(measured),
      latencyTable(measured),
    ],
    plots: [
      {
        file: 'ingest-latency.svg',
        title: 'Put to queryable, by load (real influxd and S3, two cores for everything)',
        x: { label: 'events/s' },
        y: { label: 'ms', log: true },
        series: [
          {
            name: 'p50',
            points: latencies.map((l) => [l.perSecond, figure(l.rounds.map((r) => r.p50)).median] as const),
          },
          {
            name: 'p99',
            points: latencies.map((l) => [l.perSecond, figure(l.rounds.map((r) => r.p99)).median] as const),
          },
        ],
      },
    ],
    pictures: pictures(measured, context),
    targets: context.quick ? [] : targets(measured, main),
    summary: context.quick ? [] : summary(measured, main),
  };
}

function pictures(measured: Measured, context: BenchContext): Picture[] {
  const before = 'ingest-flame-before.svg';
  return [
    ...(existsSync(join(context.pictures, before))
      ? [
          {
            file: before,
            caption:
              'Flame graph before, as of version 0.1 on 2026-11-25 (kept by hand): plain 1 KB events, records as objects, JSON.',
          },
        ]
      : []),
    { file: measured.profiled.flame, caption: 'Flame graph of this run: main thread of ingest, plain 1 KB events.' },
  ];
}

function ceilingTable({ ceiling }: Measured): Table {
  return {
    title: 'Ceiling of the fake Kinesis',
    note: 'A bare client requests pages of 1,000 records of 1 KB from all shards at once, without quotas, and discards the answers. Client and server share the two cores.',
    columns: ['events/s', 'its CPU s per million events'],
    rows: [
      [
        spread(figure(ceiling.map((c) => c.eventsPerSecond))),
        spread(figure(ceiling.map((c) => c.cpuSecondsPerMillion))),
      ],
    ],
  };
}

const COLUMNS = ['events/s', 'CPU s per million events', 'events per CPU second', 'peak RSS, MB'];
const cells = (trials: readonly Trial[]): string[] =>
  [perSecond(trials), perMillion(trials), perCpuSecond(trials), rss(trials)].map(spread);

function ownTable(own: readonly Series[]): Table {
  return {
    title: 'Userpulse, stub sinks',
    note: 'One process with default settings. An event becomes 3 to 4 points in four buckets, and one archive line.',
    columns: ['events', ...COLUMNS],
    rows: own.map(({ workload, trials }) => [workload.title, ...cells(trials)]),
  };
}

function peersTable(series: readonly Series[]): Table {
  return {
    title: 'Peers, stub sinks, plain 1 KB events',
    note:
      `The peers do less work: they read, parse, and write **one** point per event. Userpulse writes to four buckets, keeps colliding points apart, archives every record, and advances its checkpoint only after both. **Userpulse reduced to the peers’ work** is not a product but a [build](../bench/ingest/same-work.ts) for this comparison. It writes one point per event and discards the archive’s lines; everything else, checkpoints included, is unchanged. The difference to the first row is the cost of four buckets and the archive. Telegraf runs \`kinesis_consumer\` → \`json_v2\` → \`influxdb_v2\` with batches of 5,000, 50,000 undelivered messages, and no checkpoint store. lifion-kinesis is the library with thirty lines around it that write one POST per page; its DynamoDB is dynalite, which is not counted. What an event costs a consumer also depends on the number of shards; the last rows are from fewer. On the clock, the quotas of the shards hold readers to ${quotas(series)}. Telegraf alone is not held to them: it asks for pages of 10 MB and is refused for seconds after each; reads then also fail in its SDK, the plugin gives up a shard whose read fails, and of a million events one run never wrote 139,604. Userpulse compresses what it writes to InfluxDB over https only, so none of them does here; all compressed until ADR 22.` +
      endedNote(series),
    columns: [
      'consumer',
      'shards',
      'points per event',
      'archive',
      'events written',
      ...COLUMNS,
      'points per CPU second',
    ],
    rows: series.map(({ consumer, trials, workload }) => [
      consumer.name,
      String(workload.spec.shards),
      number(figure(trials.map((t) => t.points / t.events)).median),
      consumer.pointsPerEvent === 'one' ? 'no' : 'yes',
      `${number(figure(trials.map((t) => (100 * t.events) / workload.spec.events)).min)} %`,
      ...cells(trials),
      spread(pointsPerCpuSecond(trials)),
    ]),
  };
}

const quotas = (series: readonly Series[]): string =>
  [...new Map(series.map(({ workload: { spec } }) => [spec.shards, spec.eventBytes]))]
    .map(([shards, eventBytes]) => `${number((shards * BYTES_PER_SECOND) / eventBytes)} events/s from ${shards} shards`)
    .join(' and ');

const endedNote = (series: readonly Series[]): string =>
  series
    .filter(({ ended }) => ended.length > 0)
    .map(({ consumer, workload, ended, trials }) => {
      const why = /^fatal error: .*$/m.exec(ended[0] ?? '')?.[0];
      const said = why === undefined ? '' : ` (“${why}”)`;
      return ` ${consumer.name} ended by itself in ${ended.length} of ${ended.length + trials.length} runs from ${workload.spec.shards} shards${said}; these were repeated.`;
    })
    .join('');

/** CPU seconds per million events of each stage: the profile's shares of the first thread, scaled to what the timed runs took. */
export function stageSeconds(
  { profiled }: Measured,
  main: Series,
): Readonly<Record<Stage | 'pool' | 'engine' | 'end', Figure>> {
  const per = (pick: (trial: Trial) => number): Figure =>
    figure(main.trials.map((trial) => (pick(trial) * 1e6) / trial.events));
  const stages = Object.fromEntries(
    STAGES.map((stage) => [stage, per(({ threads }) => threads.main * profiled.shares[stage])]),
  ) as Record<Stage, Figure>;
  return {
    ...stages,
    pool: per(({ threads }) => threads.pool),
    engine: per(({ threads }) => threads.engine),
    end: per(({ cpuSeconds, threads }) => cpuSeconds - threads.main - threads.pool - threads.engine),
  };
}

function stagesTable(measured: Measured, main: Series): Table {
  const stages = stageSeconds(measured, main);
  const rows: readonly (readonly [string, string, Figure])[] = [
    ['read', 'main: HTTP, signatures, CBOR of GetRecords, pacing', stages.read],
    ['decode', 'main: UTF-8, JSON, rules of the contract', stages.decode],
    ['encode', 'main: point identity, line protocol, batches', stages.encode],
    ['gzip', 'main: collecting lines, SHA-256 and CRC of archive objects, handing over to the pool', stages.gzip],
    ['gzip', 'thread pool: compression of archive objects', stages.pool],
    ['write', 'main: HTTP to InfluxDB and S3', stages.write],
    ['–', 'main: garbage collection', stages['garbage collection']],
    ['–', 'other threads of V8: collecting garbage, compiling', stages.engine],
    ['–', 'main: event loop, metrics, everything else', stages.other],
    ['–', 'after the last point: writing open archive objects, stopping', stages.end],
  ];
  const like = stages.read.median + stages.decode.median + stages.encode.median + stages.write.median;
  const [telegraf] = measured.peers;
  const peer =
    telegraf === undefined
      ? ''
      : ` ${telegraf.consumer.name} in total: ${number(perMillion(telegraf.trials).median)} s.`;
  return {
    title: 'CPU by stage, plain 1 KB events',
    note: `CPU seconds per million events. Linux tells the threads apart. V8's sampling profiler tells the main thread's stages apart, in a run of its own: a sample belongs to the first function from the leaf upwards whose file belongs to a stage, and the shares are scaled to the main thread's CPU in the timed runs. To compare like with like: read, decode, encode and write of all points take ${number(like)} s, without compression, archive and garbage collection.${peer}`,
    columns: ['stage', 'where', 'CPU s per million events'],
    rows: rows.map(([stage, where, value]) => [stage, where, spread(value)]),
  };
}

function realTable({ real }: Measured): Table {
  return {
    title: 'Userpulse into the real influxd and S3 server, plain 1 KB events',
    note: 'influxd 2.7 and versitygw run as local processes on the same two cores as everything else. Every run has fresh buckets.',
    columns: [
      'events/s',
      'points/s',
      'ingest: CPU s per million events',
      'influxd',
      'S3 server',
      'peak RSS of ingest, MB',
    ],
    rows: [
      [
        perSecond(real),
        figure(real.map((t) => t.points / t.seconds)),
        perMillion(real),
        figure(real.map((t) => (t.influxdCpuSeconds * 1e6) / t.events)),
        figure(real.map((t) => (t.s3CpuSeconds * 1e6) / t.events)),
        rss(real),
      ].map(spread),
    ],
  };
}

function latencyTable({ latencies }: Measured): Table {
  return {
    title: 'Put to queryable',
    note: 'The load is constant: 1 KB events on 16 shards, as a fraction of the capacity above. influxd and S3 are real, and `userpulse start` ingests and answers. The time runs from an event’s arrival on the stream (ApproximateArrivalTimestamp) to the answer of `/v1/query` that first counts it, queried every 20 ms. Measured on one user’s 50 events/s on one shard, without the first 2 s.',
    columns: [
      'load',
      'events/s',
      'p50, ms',
      'p99, ms',
      'probe events a round',
      'never seen',
      'CPU s per s of userpulse',
    ],
    rows: latencies.map(({ load, perSecond: rate, rounds }) => [
      `${load * 100} %`,
      number(rate),
      spread(figure(rounds.map((r) => r.p50))),
      spread(figure(rounds.map((r) => r.p99))),
      number(figure(rounds.map((r) => r.events)).median),
      String(rounds.reduce((sum, r) => sum + r.missing, 0)),
      spread(figure(rounds.map((r) => r.cpuShare))),
    ]),
  };
}

function targets(measured: Measured, main: Series): Target[] {
  const perCore = perCpuSecond(main.trials);
  const cpu = perMillion(main.trials);
  const real = perSecond(measured.real);
  const points = figure(measured.real.map((t) => t.points / t.seconds));
  const half = measured.latencies.find(({ load }) => load === 0.5);
  const p99 = figure((half?.rounds ?? []).map((r) => r.p99));
  const peak = rss(main.trials);
  const [ofFewer, ...fewerPeers] = measured.fewer;
  const missed = (met: boolean, why: string): Pick<Target, 'met' | 'why'> => (met ? { met } : { met, why });
  const by = (value: number, target: number): string => `${number(Math.abs(100 * (value / target - 1)))} %`;
  return [
    {
      figure: '1 KB events, stub sinks: events/s per core (events per CPU second)',
      target: '≥ 25,000',
      measured: `${spread(perCore)}; ${spread(perSecond(main.trials))} on the clock`,
      ...missed(perCore.median >= 25_000, `${by(perCore.median, 25_000)} below; see the stages`),
    },
    {
      figure: 'the same: CPU seconds per million events',
      target: '≤ 20',
      measured: spread(cpu),
      ...missed(cpu.median <= 20, `${by(cpu.median, 20)} above; see the stages`),
    },
    aheadOf(main, measured.peers),
    ...(ofFewer === undefined ? [] : [aheadOf(ofFewer, fewerPeers)]),
    {
      figure: 'real influxd and S3 on the same cores: events/s (points/s)',
      target: '≥ 10,000 (30,000)',
      measured: `${spread(real)} (${spread(points)})`,
      ...missed(real.median >= 10_000, `${by(real.median, 10_000)} below; influxd takes most of the two cores`),
    },
    {
      figure: 'put to queryable at half load, p99, ms',
      target: '≤ 1,000',
      measured: spread(p99),
      ...missed(p99.median <= 1_000, `${by(p99.median, 1_000)} above`),
    },
    {
      figure: 'RSS of ingest at full load, MB',
      target: '≤ 256',
      measured: spread(peak),
      ...missed(
        peak.median <= 256,
        `${by(peak.median, 256)} above: V8's young generation and the garbage between two full collections come on top of the buffers`,
      ),
    },
  ];
}

function aheadOf(own: Series, peers: readonly Series[]): Target {
  const rates = peers.map(({ consumer, trials }) => ({
    name: consumer.name,
    rate: perSecond(trials).median,
    perCore: perCpuSecond(trials).median,
    points: pointsPerCpuSecond(trials).median,
  }));
  const [rate, perCore] = [perSecond(own.trials).median, perCpuSecond(own.trials).median];
  const namesOf = (ahead: (peer: (typeof rates)[number]) => boolean): string =>
    rates
      .filter(ahead)
      .map(({ name }) => name)
      .join(', ') || 'none';
  const met = rates.every((peer) => peer.perCore < perCore && peer.rate < rate);
  return {
    figure: `the same: ahead of every peer, events/s and events per CPU second, from ${own.workload.spec.shards} shards`,
    target: `> ${rates.map((p) => `${p.name}: ${number(p.rate)} and ${number(p.perCore)}`).join('; ')}`,
    measured: `${number(rate)} and ${number(perCore)}`,
    met,
    ...(met
      ? {}
      : {
          why: `ahead of it on the clock: ${namesOf((peer) => peer.rate >= rate)}; by events per CPU second: ${namesOf((peer) => peer.perCore >= perCore)}. By points Userpulse has ${number(pointsPerCpuSecond(own.trials).median)} per CPU second against ${rates.map(({ points }) => number(points)).join(' and ')}. By CPU, it is limited by the archive, which they do not have, and three more points per event; on the clock, Telegraf is not held to the quotas of the shards`,
        }),
  };
}

function summary({ peers, fewer, zstd, sameWork, real, latencies }: Measured, main: Series): SummaryRow[] {
  const beside = (say: (trials: readonly Trial[]) => Figure, all: readonly Series[] = peers): string =>
    all.map(({ consumer, trials }) => `${consumer.name} ${number(say(trials).median)}`).join(', ');
  const half = latencies.find(({ load }) => load === 0.5)?.rounds ?? [];
  return [
    {
      question: 'CPU s for a million events of 1 KB, as four points each and a line of the archive',
      answer: `${number(perMillion(main.trials).median)}; ${number(perMillion(zstd.trials).median)} with the archive in zstd`,
      beside: `${beside(perMillion)}: one point each, no archive`,
    },
    ...fewer.slice(0, 1).map(({ workload, trials }) => ({
      question: `the same from ${workload.spec.shards} shards instead of ${main.workload.spec.shards}`,
      answer: number(perMillion(trials).median),
      beside: beside(perMillion, fewer.slice(1)),
    })),
    {
      question: `of ${main.workload.spec.shards} again, reduced to that work: one point each, no archive`,
      answer: number(perMillion(sameWork.trials).median),
      beside: beside(perMillion),
    },
    {
      question: 'points written for a second of CPU',
      answer: number(pointsPerCpuSecond(main.trials).median),
      beside: beside(pointsPerCpuSecond),
    },
    {
      question: 'memory of ingest at full load, MB',
      answer: number(rss(main.trials).median),
      beside: beside(rss),
    },
    {
      question: 'events/s into influxd and S3 on the same two cores',
      answer: number(perSecond(real).median),
      beside: `influxd takes ${number(figure(real.map((t) => (t.influxdCpuSeconds * 1e6) / t.events)).median)} CPU s a million of them`,
    },
    {
      question: 'from put to queryable at half that load, p99, ms',
      answer: number(figure(half.map((r) => r.p99)).median),
      beside: `p50 ${number(figure(half.map((r) => r.p50)).median)}`,
    },
  ];
}
