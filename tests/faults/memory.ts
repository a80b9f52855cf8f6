import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { renderChart } from '../../tools/chart.ts';
import { startLocalParts } from '../../tools/parts/index.ts';
import { createProgress } from '../../tools/progress.ts';
import { grouped } from '../../tools/text.ts';
import { IMAGE_ALLOCATOR } from '../../tools/userpulse.ts';
import type { IngestProcess } from '../support/ingest-process.ts';
import { eventually, useParts } from '../support/parts.ts';
import { underTraffic } from './campaign.ts';
import { FaultyWorld } from './faulty-world.ts';
import { command, settings } from './settings.ts';

/**
 * Memory with both sinks down (`make faults-memory`): every buffer is full within seconds, because far more waits on the stream than ingest may
 * hold, and more keeps coming. Then both come back, all of it drains, and the oracle looks at it.
 */
const SETTINGS = settings({ FAULTS_SEED: 1, FAULTS_OUTAGE_S: 600, FAULTS_SHARDS: 16, FAULTS_BACKLOG_MB: 120 });
const COMMAND = command(SETTINGS, 'faults-memory');
const PICTURE = 'docs/img/memory-sinks-down.svg';
const LIMIT_MIB = 256;
/** What may be held unwritten: two fifths of the default of USERPULSE_BUFFER_MAX_BYTES. */
const READ_AHEAD_MIB = 8;
const MIB = 1024 * 1024;
/** With what a million events of this traffic weigh. */
const EVENTS_PER_MB = 5_500;
const EVENTS_PER_SECOND = 1_500;

/** A second of the run. */
interface Sample {
  /** s since the start of ingest */
  readonly at: number;
  /** MiB */
  readonly resident: number;
  /** MiB that ingest counts in its budget */
  readonly budget: number;
}

/** Where the memory is, as Node tells it. */
async function memoryOf(ingest: IngestProcess): Promise<string> {
  const metrics = await ingest.metrics();
  const mib = (name: string): string => {
    const bytes = Number(new RegExp(`^${name} (\\S+)`, 'm').exec(metrics)?.[1] ?? 0);
    return `${name.replace(/^nodejs_|_bytes$/g, '')} ${(bytes / MIB).toFixed(0)}`;
  };
  return `MiB: ${['process_resident_memory_bytes', 'nodejs_heap_size_used_bytes', 'nodejs_heap_size_total_bytes', 'nodejs_external_memory_bytes', 'userpulse_inflight_bytes'].map(mib).join(', ')}`;
}

async function measure(w: FaultyWorld): Promise<boolean> {
  const progress = createProgress(process.stderr);
  const say = (text: string): void => progress.status(text);
  const backlog = SETTINGS.FAULTS_BACKLOG_MB * EVENTS_PER_MB;
  for (let put = 0; put < backlog; put += 5_000) {
    say(`filling the stream: ${grouped(put)} of ${grouped(backlog)} events`);
    await w.put(5_000);
  }
  w.run();
  await w.process.says('"msg":"ingesting"', 60_000);
  const { process: ingest } = w;
  const startedMs = Date.now();
  const seconds = (): number => (Date.now() - startedMs) / 1000;
  const samples: Sample[] = [];
  const sampler = new AbortController();
  const sampling = (async () => {
    while (!sampler.signal.aborted) {
      samples.push({
        at: seconds(),
        resident: (ingest.residentBytes() ?? 0) / MIB,
        budget: (await w.inflightBytes()) / MIB,
      });
      await sleep(1_000);
    }
  })();
  let outage: readonly [number, number] = [0, 0];
  await underTraffic(w, EVENTS_PER_SECOND, async () => {
    await sleep(10_000);
    const from = seconds();
    await Promise.all([w.influx.down('InfluxDB: down'), w.s3.down('S3: down')]);
    await eventually(async () => (await w.inflightBytes()) > READ_AHEAD_MIB * 0.9 * MIB, {
      what: 'a full buffer',
      timeoutMs: 120_000,
    });
    const full = seconds();
    for (const end = from + SETTINGS.FAULTS_OUTAGE_S; seconds() < end;) {
      say(
        `both sinks down for ${Math.round(seconds() - from)} of ${SETTINGS.FAULTS_OUTAGE_S} s, ${Math.round(samples.at(-1)?.resident ?? 0)} MiB resident`,
      );
      await sleep(1_000);
    }
    console.log(await memoryOf(ingest));
    await Promise.all([w.influx.up(), w.s3.up()]);
    outage = [from, seconds()];
    console.log(`All that may be read ahead was read ${(full - from).toFixed(1)} s after both sinks had gone.`);
  });
  say('draining');
  await w.world.untilDurable(undefined, 600_000);
  console.log(`Everything was durable ${(seconds() - outage[1]).toFixed(1)} s after both had come back.`);
  await sleep(5_000);
  sampler.abort();
  await sampling;
  await w.drain();
  progress.keep();
  const peak = Math.max(...samples.map((sample) => sample.resident));
  const peakDown = Math.max(...samples.filter(({ at }) => at >= outage[0] && at <= outage[1]).map((s) => s.resident));
  console.log(
    `Resident memory at most ${peak.toFixed(0)} MiB, ${peakDown.toFixed(0)} MiB while both were down; the limit is ${LIMIT_MIB} MiB.`,
  );
  mkdirSync(dirname(PICTURE), { recursive: true });
  const chart = renderChart({
    title: `Memory of ingest, ${SETTINGS.FAULTS_SHARDS} shards, more on the stream than it may hold`,
    x: { label: 'seconds' },
    y: { label: 'MiB' },
    series: [
      { name: 'resident memory', points: samples.map(({ at, resident }) => [at, resident] as const) },
      { name: 'bytes of events that ingest holds', points: samples.map(({ at, budget }) => [at, budget] as const) },
    ],
    span: { from: outage[0], to: outage[1], label: 'InfluxDB and S3 down' },
    limit: { at: LIMIT_MIB, label: `limit ${LIMIT_MIB} MiB` },
  });
  writeFileSync(PICTURE, chart);
  const wrong = [...(await w.world.verdicts())].filter(([, v]) => v.missing.length + v.surplus.length > 0);
  for (const [what, { missing, surplus }] of wrong) {
    console.log(
      `${what}: ${missing.length} lost, ${surplus.length} too many; first: ${missing[0] ?? surplus[0] ?? ''}`,
    );
  }
  console.log(
    `${grouped(w.world.oracle.events)} events in ${grouped(w.world.records)} records: ${wrong.length === 0 ? 'every point, line and dead letter is there once' : 'NOT EXACT'}.`,
  );
  return wrong.length === 0 && peak < LIMIT_MIB && w.kills === 0 && w.unexpectedEnds.length === 0;
}

async function main(): Promise<number> {
  const parts = await startLocalParts({ influx: true, kinesis: true, s3: true });
  let world: FaultyWorld | undefined;
  try {
    useParts(parts);
    // Everything at its default but the age of a segment, which would make the end of the run a wait. The allocator as in the image.
    world = await FaultyWorld.create({
      seed: SETTINGS.FAULTS_SEED,
      shards: SETTINGS.FAULTS_SHARDS,
      env: { USERPULSE_ARCHIVE_MAX_AGE_MS: '5000', ...IMAGE_ALLOCATOR },
      traffic: { poison: 0.001, aggregated: 300, plain: 0.02, refused: 0.0002 },
    });
    if (await measure(world)) return 0;
  } catch (error) {
    console.error(error, world?.lastLog.slice(-3000));
  } finally {
    await world?.end();
    await parts.stop();
  }
  console.error(`FAILED. Repeat with: ${COMMAND}`);
  return 1;
}

process.exit(await main());
