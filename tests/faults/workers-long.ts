import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startLocalParts } from '../../tools/parts/index.ts';
import { formatDuration, grouped, markdownTable } from '../../tools/text.ts';
import { useParts } from '../support/parts.ts';
import { seeded } from '../support/seeded.ts';
import { report } from './ledger.ts';
import { command, settings } from './settings.ts';
import { childOf, WorkersCampaign } from './workers-campaign.ts';

/** The long form of workers.test.ts (`make faults-workers`): three workers, eight shards, everything that may happen to them, and a table. */
const SETTINGS = settings({ FAULTS_SEED: 1, FAULTS_KILLS: 20, FAULTS_RATE: 150, FAULTS_AWAY_MS: 60_000 });
const { FAULTS_SEED: seed, FAULTS_KILLS: kills, FAULTS_RATE: rate, FAULTS_AWAY_MS: awayMs } = SETTINGS;
const FOLDER = join('artifacts', 'faults');
const FILE = join(FOLDER, 'workers.md');
const SHARDS = 8;
const WORKERS = 3;
/** How long the lease programs are watched, ms. */
const WATCHED_MS = 30_000;
const TICKS_PER_SECOND = 100;

const rows: string[][] = [];
const seconds = (ms: number): string => (ms / 1000).toFixed(1);

async function step(name: string, run: () => Promise<string>): Promise<void> {
  const startedMs = Date.now();
  const figure = await run();
  rows.push([name, figure]);
  console.error(`${name}: ${figure} (${formatDuration(Date.now() - startedMs)})`);
}

/** Resident memory and processor time of a process. */
function costOf(pid: number): { readonly residentMb: number; readonly cpuS: number } {
  const kb = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  // After the name, which may hold blanks: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return { residentMb: kb / 1024, cpuS: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND };
}

async function campaign(): Promise<boolean> {
  const c = await WorkersCampaign.create(SHARDS, seeded(seed));
  try {
    c.start(WORKERS);
    await c.untilOwnedByAll();
    await c.underTraffic(rate, async () => {
      await step('lease program of a worker, under traffic', async () => {
        const jvm = await childOf(c.anyProcess());
        const before = costOf(jvm);
        await sleep(WATCHED_MS);
        const after = costOf(jvm);
        const share = ((after.cpuS - before.cpuS) / (WATCHED_MS / 1000)) * 100;
        return `${after.residentMb.toFixed(0)} MB resident, ${share.toFixed(1)} % of a core`;
      });
      await step(`kill -9 of a worker, ${kills} times`, async () => {
        for (let n = 0; n < kills; n++) await c.kill();
        const sorted = [...c.takeOverMs].sort((a, b) => a - b);
        return `taken over after ${seconds(sorted[Math.floor(sorted.length / 2)] ?? 0)} s (median), ${seconds(sorted.at(-1) ?? 0)} s (longest)`;
      });
      await step('stands still beyond the failover, then goes on', async () => {
        for (let n = 0; n < 3; n++) await c.suspend();
        return '3 times';
      });
      await step('only the JVM is killed', async () => `the worker ends after ${seconds(await c.killJvm())} s`);
      await step('only the Node process is killed', async () => `its JVM ends after ${seconds(await c.killNode())} s`);
      await step('DynamoDB is away', async () => {
        await c.dynamodbAway(awayMs);
        return `${seconds(awayMs)} s`;
      });
      await step('8 → 4 → 8 shards', async () => {
        await c.updateShardCount(SHARDS / 2);
        await c.updateShardCount(SHARDS);
        return 'every shard read to its end, children after their parents';
      });
      await step('rolling deploy', async () => {
        await c.rollingDeploy();
        return `${WORKERS} workers replaced`;
      });
    });
    await c.drain();
    await step(
      'ranges left by a killed worker, redone by another under the same keys',
      async () => `${await c.redoneAsTheyWere()} of ${c.redone.length}`,
    );
    console.error('Comparing with the oracle …');
    const wrong = await compare(c);
    report(FILE, markdownTable(['scenario', 'figure'], rows, 1));
    for (const end of c.unexpectedEnds) report(FILE, `\nA worker ended by itself:\n${end}`);
    return !wrong && c.unexpectedEnds.length === 0 && (await c.redoneAsTheyWere()) === c.redone.length;
  } finally {
    await c.end();
  }
}

async function stops(): Promise<boolean> {
  const c = await WorkersCampaign.create(SHARDS, seeded(seed));
  try {
    c.start(WORKERS);
    await c.untilOwnedByAll();
    await c.underTraffic(rate, () => c.stopOneByOne());
    const again = (await c.drain()) - c.w.world.records;
    const wrong = await compare(c);
    report(
      FILE,
      `\nSIGTERM to one worker after another: ${grouped(c.w.world.records)} records, ${grouped(again)} read twice.`,
    );
    return !wrong && again === 0 && c.unexpectedEnds.length === 0;
  } finally {
    await c.end();
  }
}

/** @returns whether something is lost, doubled or wrong */
async function compare(c: WorkersCampaign): Promise<boolean> {
  const verdicts = [...(await c.w.world.verdicts())];
  report(
    FILE,
    `\n${markdownTable(
      ['contents', 'expected', 'lost', 'duplicated or wrong'],
      verdicts.map(([what, { expected, missing, surplus }]) => [
        what,
        grouped(expected),
        grouped(missing.length),
        grouped(surplus.length),
      ]),
      1,
    )}\n`,
  );
  return verdicts.some(([, { missing, surplus }]) => missing.length + surplus.length > 0);
}

mkdirSync(FOLDER, { recursive: true });
rmSync(FILE, { force: true });
const COMMAND = command(SETTINGS, 'faults-workers');
console.error(`Repeat with: ${COMMAND}`);
const parts = await startLocalParts({ influx: true, kinesis: true, s3: true, dynamodb: true });
let exact = false;
try {
  useParts(parts);
  exact = (await campaign()) && (await stops());
} catch (error) {
  console.error(error);
} finally {
  await parts.stop();
}
if (!exact) console.error(`\nFAILED. Repeat with: ${COMMAND}`);
process.exit(exact ? 0 : 1);
