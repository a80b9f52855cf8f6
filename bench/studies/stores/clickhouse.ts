import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { CHDB, chdbPackages } from '../../../tools/parts/clickhouse.ts';
import { cacheRoot } from '../../../tools/parts/go-tool.ts';
import { dropCaches, folderMiB } from '../../data/disk.ts';
import { countOf, events, GENERATOR_VERSION, type BenchEvent, type Recipe } from '../../data/events.ts';
import { loadReport, type LoadReport } from '../../data/influx.ts';
import { usageOf } from '../../usage.ts';

const SCRIPT = fileURLToPath(new URL('clickhouse.py', import.meta.url));
const BATCH_EVENTS = 10_000;

/**
 * One table per question, sorted by what is asked for, as ours has a bucket for each. `offsetNs` stands for the event's identity: of rows that
 * are equal in the whole sorting key ReplacingMergeTree keeps one, which gives what Userpulse promises (an event sent twice counts once),
 * as soon as they are merged; before that only to queries with FINAL. `other` is the counterpart, as our points have it.
 */
const TABLES = {
  made: { id: 'user', type: 'UInt64', of: (e: BenchEvent) => String(e.actor), other: (e: BenchEvent) => e.receiver },
  received: {
    id: 'user',
    type: 'UInt64',
    of: (e: BenchEvent) => String(e.receiver),
    other: (e: BenchEvent) => e.actor,
  },
  share: { id: 'share', type: 'FixedString(24)', of: (e: BenchEvent) => e.share, other: (e: BenchEvent) => e.actor },
} as const;

export interface FilledClickhouse {
  readonly load: LoadReport;
  /** @returns CSV */
  ask(sql: string): Promise<string>;
  /** Each query once, by so many clients. @returns latencies in ms */
  time(queries: readonly string[], clients: number): Promise<number[]>;
  /** Of the process that ClickHouse runs in. */
  readonly pid: () => number;
  /** Ends the process and starts another. @returns ms from its start to its first answer, Python's own start included */
  restart(): Promise<number>;
  stop(): Promise<void>;
}

const reply = z.union([
  z.object({ error: z.string() }),
  z.object({ text: z.string() }),
  z.object({ ms: z.array(z.number()) }),
]);

interface Connection {
  readonly pid: number;
  send(request: object): Promise<{ text: string } | { ms: number[] }>;
  stop(): Promise<void>;
}

async function connect(packages: string, folder: string): Promise<Connection> {
  const child = spawn('python3', [SCRIPT, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], PYTHONPATH: packages },
  });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.on('error', () => undefined); // The process is gone; the missing answer says so.
  const connection: Connection = {
    pid: child.pid ?? 0,
    send: async (request) => {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error('The ClickHouse process has ended.');
      const answer = reply.parse(JSON.parse(line.value));
      if ('error' in answer) throw new Error(`ClickHouse: ${answer.error}`);
      return answer;
    },
    stop: async () => {
      child.stdin.end();
      await gone;
    },
  };
  await connection.send({ sql: 'SELECT 1' });
  return connection;
}

async function ask(connection: Connection, sql: string): Promise<string> {
  const answer = await connection.send({ sql });
  return 'text' in answer ? answer.text : '';
}

/** ClickHouse with the recipe's events: from the cache, or filled first. */
export async function filledClickhouse(recipe: Recipe, say: (line: string) => void): Promise<FilledClickhouse> {
  const stores = join(cacheRoot(), 'bench');
  await mkdir(stores, { recursive: true });
  const packages = await chdbPackages(say);
  const key = createHash('sha256')
    .update(JSON.stringify([GENERATOR_VERSION, recipe, CHDB]))
    .digest('hex');
  const folder = join(stores, `clickhouse-${key.slice(0, 12)}`);
  if (!existsSync(folder)) {
    const partial = await mkdtemp(join(stores, 'partial-'));
    try {
      await fill(packages, partial, recipe, say);
      await rename(partial, folder);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }
  const load = loadReport.parse(JSON.parse(await readFile(join(folder, 'load.json'), 'utf8')));
  let connection = await connect(packages, join(folder, 'data'));
  return {
    load,
    pid: () => connection.pid,
    restart: async () => {
      await connection.stop();
      dropCaches();
      const begun = performance.now();
      connection = await connect(packages, join(folder, 'data'));
      return performance.now() - begun;
    },
    ask: (sql) => ask(connection, sql),
    time: async (queries, clients) => {
      const answer = await connection.send({ queries, clients });
      return 'ms' in answer ? answer.ms : [];
    },
    stop: () => connection.stop(),
  };
}

async function fill(packages: string, partial: string, recipe: Recipe, say: (line: string) => void): Promise<void> {
  const all = countOf(recipe);
  const connection = await connect(packages, join(partial, 'data'));
  try {
    for (const [name, { id, type }] of Object.entries(TABLES))
      await ask(
        connection,
        `CREATE TABLE ${name} (${id} ${type}, type LowCardinality(String), time DateTime64(3, 'UTC'), offsetNs UInt32, other UInt64)
        ENGINE = ReplacingMergeTree ORDER BY (${id}, type, time, offsetNs)`,
      );
    const begun = performance.now();
    const rates: number[] = [];
    let [points, sent, sentBefore, tenthBegan, tenth] = [0, 0, 0, begun, 1];
    for (const batch of events(recipe, BATCH_EVENTS)) {
      for (const [name, { of, other }] of Object.entries(TABLES)) {
        const rows = batch.flatMap((e) => {
          const id = of(e);
          return id === undefined
            ? []
            : [`${id}\t${e.type}\t${(e.ms / 1000).toFixed(3)}\t${e.offsetNs}\t${other(e)}\n`];
        });
        points += rows.length;
        if (rows.length > 0) await connection.send({ sql: `INSERT INTO ${name}`, rows: rows.join('') });
      }
      sent += batch.length;
      if (sent >= (all / 10) * tenth) {
        const now = performance.now();
        rates.push((sent - sentBefore) / ((now - tenthBegan) / 1000));
        say(
          `clickhouse: ${Math.floor((sent / all) * 100)} % loaded, ${Math.round(rates.at(-1) ?? 0).toLocaleString('en-US')} events/s`,
        );
        tenthBegan = now;
        sentBefore = sent;
        tenth = Math.floor((sent / all) * 10) + 1;
      }
    }
    const seconds = (performance.now() - begun) / 1000;
    const usage = usageOf(connection.pid);
    // The state that background merges tend to, as the compactions of influxd's store are waited for.
    for (const name of Object.keys(TABLES)) await ask(connection, `OPTIMIZE TABLE ${name} FINAL`);
    await connection.stop();
    const diskMiB = await folderMiB(join(partial, 'data'));
    const report: LoadReport = { events: sent, points, seconds, ...usage, diskMiB, rates };
    await writeFile(join(partial, 'load.json'), JSON.stringify(report));
  } finally {
    await connection.stop();
  }
}
