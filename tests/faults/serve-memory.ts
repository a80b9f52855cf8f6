import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { renderChart } from '../../tools/chart.ts';
import { startLocalParts } from '../../tools/parts/index.ts';
import { createProgress } from '../../tools/progress.ts';
import { grouped } from '../../tools/text.ts';
import { IMAGE_ALLOCATOR } from '../../tools/userpulse.ts';
import { UserpulseServer } from '../support/cli.ts';
import { eventually, useParts } from '../support/parts.ts';
import { fillWorld, metricOf, runClients, type LoadOutcome } from '../support/query-load.ts';
import { command, settings } from './settings.ts';

/**
 * Memory of `serve` under clients that ask for the largest answers there are (`make serve-memory`): whatever they ask, resident memory stays
 * below the limit, and every answer is right, or one of the budget's own refusals.
 */
const SETTINGS = settings({ LOAD_SEED: 1, LOAD_SECONDS: 600, LOAD_CLIENTS: 32, LOAD_TYPES: 100, LOAD_WINDOWS: 11_000 });
const COMMAND = command(SETTINGS, 'serve-memory');
const PICTURE = 'docs/img/memory-serve.svg';
/** What the chart gives `serve`. */
const LIMIT_MIB = 512;
const MIB = 1024 * 1024;

interface Sample {
  /** s since the clients began */
  readonly at: number;
  /** MiB */
  readonly resident: number;
  /** MiB that the budget counts, kept answers included */
  readonly counted: number;
}

function print({ tallies, wrong }: LoadOutcome): void {
  const row = (cells: readonly (string | number)[]): void =>
    console.log(
      cells.map((cell, i) => (i === 0 ? String(cell).padEnd(30) : grouped(Number(cell)).padStart(9))).join(' '),
    );
  console.log(
    `${'question'.padEnd(30)} ${['200', '413', '429', 'left', 'MB'].map((name) => name.padStart(9)).join(' ')}`,
  );
  for (const { kind, answered, tooLarge, busy, left, bytes } of tallies)
    row([kind, answered, tooLarge, busy, left, Math.round(bytes / 1e6)]);
  for (const problem of wrong.slice(0, 10)) console.log(`WRONG: ${problem}`);
}

async function measure(server: UserpulseServer, run: () => Promise<LoadOutcome>): Promise<boolean> {
  const progress = createProgress(process.stderr);
  const startedMs = Date.now();
  const samples: Sample[] = [];
  const ended = new AbortController();
  const sampling = (async () => {
    while (!ended.signal.aborted) {
      const resident = (server.process.residentBytes() ?? 0) / MIB;
      const metrics = await server.metrics();
      const counted =
        ['userpulse_query_bytes', 'userpulse_query_kept_bytes', 'userpulse_query_kept_hours_bytes']
          .map((name) => metricOf(metrics, name))
          .reduce((sum, bytes) => sum + bytes, 0) / MIB;
      samples.push({ at: (Date.now() - startedMs) / 1000, resident, counted });
      progress.status(
        `${Math.round(samples.at(-1)?.at ?? 0)} s, ${resident.toFixed(0)} MiB resident, ${counted.toFixed(0)} MiB counted`,
      );
      await sleep(500);
    }
  })();
  const outcome = await run();
  await sleep(5_000);
  ended.abort();
  await sampling;
  progress.keep();
  await eventually(async () => metricOf(await server.metrics(), 'userpulse_query_bytes') === 0, {
    what: 'an empty budget',
    timeoutMs: 60_000,
  });
  const metrics = await server.metrics();
  print(outcome);
  for (const source of ['read', 'shared', 'kept'])
    console.log(
      `answers ${source}: ${grouped(
        metricOf(
          metrics
            .split('\n')
            .filter((line) => line.includes(`source="${source}"`))
            .join('\n'),
          'userpulse_query_answers_total',
        ),
      )}`,
    );
  const peak = Math.max(...samples.map(({ resident }) => resident));
  const most = Math.max(...samples.map(({ counted }) => counted));
  const sorted = samples.map(({ resident }) => resident).sort((a, b) => a - b);
  console.log(
    `Resident memory: first ${(samples[0]?.resident ?? 0).toFixed(0)}, median ${(sorted[sorted.length >> 1] ?? 0).toFixed(0)}, at most ${peak.toFixed(0)} MiB; counted at most ${most.toFixed(0)} MiB; the limit is ${LIMIT_MIB} MiB.`,
  );
  mkdirSync(dirname(PICTURE), { recursive: true });
  const chart = renderChart({
    title: `Memory of serve, ${SETTINGS.LOAD_CLIENTS} clients that ask for the largest answers`,
    x: { label: 'seconds' },
    y: { label: 'MiB' },
    series: [
      { name: 'resident memory', points: samples.map(({ at, resident }) => [at, resident] as const) },
      { name: 'bytes that the budget counts', points: samples.map(({ at, counted }) => [at, counted] as const) },
    ],
    limit: { at: LIMIT_MIB, label: `limit ${LIMIT_MIB} MiB` },
  });
  writeFileSync(PICTURE, chart);
  return outcome.wrong.length === 0 && peak < LIMIT_MIB && server.process.ended === undefined;
}

async function main(): Promise<number> {
  const parts = await startLocalParts({ influx: true, kinesis: true, s3: true });
  let server: UserpulseServer | undefined;
  try {
    useParts(parts);
    const progress = createProgress(process.stderr);
    const size = { types: SETTINGS.LOAD_TYPES, windows: SETTINGS.LOAD_WINDOWS };
    const world = await fillWorld(size, Date.now(), (text) => progress.status(text));
    progress.keep();
    const started = (server = await UserpulseServer.start('serve', {
      ...world.buckets.env,
      ...IMAGE_ALLOCATOR,
    }));
    const run = (): Promise<LoadOutcome> =>
      runClients(started, world, {
        clients: SETTINGS.LOAD_CLIENTS,
        seed: SETTINGS.LOAD_SEED,
        until: AbortSignal.timeout(SETTINGS.LOAD_SECONDS * 1000),
      });
    if (await measure(started, run)) return 0;
  } catch (error) {
    console.error(error, server?.log.slice(-3000));
  } finally {
    await server?.stop();
    await parts.stop();
  }
  console.error(`FAILED. Repeat with: ${COMMAND}`);
  return 1;
}

process.exit(await main());
