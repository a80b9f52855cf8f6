import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { archiveKey } from '../backend/src/archive/keys.ts';
import { CODECS, DEFAULT_CODEC } from '../backend/src/archive/codecs.ts';
import { seededRandom } from '../backend/src/produce/random.ts';
import { events, type BenchEvent } from './data/events.ts';
import { cpuSeconds, peakRssMegabytes } from './usage.ts';

/*
 * What `userpulse compact` takes for a day, and what SQL takes on its table and on the NDJSON objects:
 *   node --import tsx bench/table.ts --events 1000000 [--order arrival|shuffled]
 * The day is archived as ingest does it: by its codec, five minutes of two shards to an object.
 */

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    order: { type: 'string', default: 'arrival' },
    rounds: { type: 'string', default: '5' },
  },
});
const COUNT = Number(values.events);
const DAY = 20_000;
const FROM_MS = DAY * 86_400_000;
const SHARDS = 2;
const OBJECTS = 288;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const folder = await mkdtemp(join(tmpdir(), 'userpulse-table-'));
try {
  await archive(folder);
  const objects = await sizeOf(join(folder, '2024'));
  say(`${COUNT.toLocaleString('en-US')} events, order: ${values.order}; NDJSON ${megabytes(objects)} MB`);
  await compact(folder, 'first run');
  const table = await sizeOf(join(folder, 'events'));
  say(`table ${megabytes(table)} MB, ${((table / objects) * 100).toFixed(0)} % of NDJSON`);
  await compact(folder, 'second run');
  await ask(folder);
  await compact(folder, 'with --remove', '--remove');
} finally {
  await rm(folder, { recursive: true });
}

async function archive(into: string): Promise<void> {
  const recipe = { users: 300_000, stretches: [{ fromMs: FROM_MS, toMs: FROM_MS + 86_400_000, events: COUNT }] };
  const lines: string[] = [];
  for (const batch of events(recipe, 10_000)) for (const event of batch) lines.push(lineOf(event, lines.length));
  const ordered = values.order === 'shuffled' ? shuffled(lines) : lines;
  const perObject = Math.ceil(ordered.length / OBJECTS);
  const codec = CODECS[DEFAULT_CODEC];
  for (let at = 0; at < ordered.length; at += perObject) {
    for (let shard = 0; shard < SHARDS; shard++) {
      const encoder = codec.encoder();
      for (let n = at + shard; n < Math.min(at + perObject, ordered.length); n += SHARDS) {
        encoder.append(Buffer.from(ordered[n] ?? ''));
      }
      const sequence = (n: number): string => (10n ** 55n + BigInt(n)).toString();
      const range = {
        shardId: `shardId-${String(shard).padStart(12, '0')}`,
        first: sequence(at),
        last: sequence(at + perObject - 1),
      };
      const path = join(into, archiveKey(DAY, range, DEFAULT_CODEC));
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, (await encoder.finish()).chunks as Uint8Array[]);
    }
  }
}

/** As a producer writes it: with an id that no two events share, and a member that is not of the contract. */
function lineOf({ ms, type, actor, receiver, share }: BenchEvent, n: number): string {
  const hex = createHash('md5').update(String(n)).digest('hex');
  const eventId = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  const ids = {
    actorId: String(actor),
    receiverId: String(receiver),
    ...(share === undefined ? {} : { shareId: share }),
  };
  const app = { platform: n % 3 === 0 ? 'ios' : 'android', version: `4.${n % 7}.0` };
  return JSON.stringify({ eventId, type, occurredAt: new Date(ms).toISOString(), ...ids, app });
}

/** As of a day that is sent at once, in no order. */
function shuffled(lines: string[]): string[] {
  const random = seededRandom(1);
  return lines
    .map((line) => ({ line, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ line }) => line);
}

async function compact(archived: string, name: string, ...options: string[]): Promise<void> {
  const program = fileURLToPath(new URL('../backend/bin/userpulse.js', import.meta.url));
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [program, 'compact', '--day', new Date(FROM_MS).toISOString().slice(0, 10), ...options],
    {
      env: { PATH: process.env['PATH'], USERPULSE_ARCHIVE: `file://${archived}` },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  let peak = 0;
  let cpu = 0;
  const sample = setInterval(() => {
    try {
      peak = Math.max(peak, peakRssMegabytes(child.pid ?? 0));
      cpu = cpuSeconds(child.pid ?? 0);
    } catch {
      // It has ended.
    }
  }, 50);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  clearInterval(sample);
  if (code !== 0) throw new Error(`compact ended with ${String(code)}.`);
  const seconds = (performance.now() - started) / 1000;
  say(`${name}: ${seconds.toFixed(1)} s, ${cpu.toFixed(1)} s of CPU, at most ${peak.toFixed(0)} MB resident`);
}

async function ask(archived: string): Promise<void> {
  const database = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect();
  const columns =
    "{eventId: 'VARCHAR', type: 'VARCHAR', occurredAt: 'TIMESTAMPTZ', actorId: 'BIGINT', receiverId: 'BIGINT', shareId: 'VARCHAR'}";
  const lines = `(SELECT eventId AS event_id, type, occurredAt AS occurred_at, actorId AS actor_id, receiverId AS receiver_id, shareId AS share_id FROM read_json('${archived}/[0-9][0-9][0-9][0-9]/*/*/*.ndjson.gz', format = 'newline_delimited', columns = ${columns}))`;
  const table = `read_parquet('${archived}/events/*/*/*/*.parquet')`;
  const hour = `'${new Date(FROM_MS + 43_200_000).toISOString()}'`;
  const questions: readonly (readonly [string, (from: string) => string])[] = [
    ['events by type', (from) => `SELECT type, count(*) FROM ${from} GROUP BY type ORDER BY type`],
    [
      'events by type, each once',
      (from) =>
        `SELECT type, count(*) FROM (SELECT DISTINCT event_id, type, occurred_at, actor_id, receiver_id, share_id FROM ${from}) GROUP BY type ORDER BY type`,
    ],
    [
      'received by one user, by type',
      (from) => `SELECT type, count(*) FROM ${from} WHERE receiver_id = 1000000 GROUP BY type ORDER BY type`,
    ],
    [
      'an hour, by type',
      (from) =>
        `SELECT type, count(*) FROM ${from} WHERE occurred_at >= ${hour}::TIMESTAMPTZ AND occurred_at < ${hour}::TIMESTAMPTZ + INTERVAL 1 HOUR GROUP BY type ORDER BY type`,
    ],
  ];
  for (const [name, sql] of questions) {
    const took: number[][] = [];
    const answers = new Set<string>();
    for (const from of [lines, table]) {
      const times: number[] = [];
      for (let round = 0; round < Number(values.rounds); round++) {
        const started = performance.now();
        answers.add(JSON.stringify((await database.runAndReadAll(sql(from))).getRowsJson()));
        times.push(performance.now() - started);
      }
      took.push(times.sort((a, b) => a - b));
    }
    if (answers.size !== 1) throw new Error(`${name}: the answers differ.`);
    const [before, after] = took.map((times) => (times[Math.floor(times.length / 2)] ?? 0).toFixed(0));
    say(`${name}: NDJSON ${before} ms, table ${after} ms (median of ${values.rounds})`);
  }
  database.closeSync();
}

async function sizeOf(path: string): Promise<number> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'));
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(file.parentPath, file.name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
