import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { cacheRoot } from '../../tools/parts/go-tool.ts';
import { findInfluxd } from '../../tools/parts/influxd-build.ts';
import { LOOPBACK } from '../../tools/parts/ports.ts';
import { createProgress } from '../../tools/progress.ts';
import { startServer, type Server } from '../../tools/parts/server.ts';
import type { InfluxAccess } from '../../tools/stores.ts';
import { dropCaches, folderMiB } from './disk.ts';
import { countOf, events, GENERATOR_VERSION, type Recipe } from './events.ts';
import type { Layout } from './layouts.ts';
import { usageOf } from '../usage.ts';

const ORG = 'bench';
/** The stores listen on the loopback interface and hold made-up events. */
const TOKEN = 'bench-token-of-made-up-events';
const BATCH_EVENTS = 10_000;
/** Batches on their way to influxd at once. */
const IN_FLIGHT = 2;

export const loadReport = z.object({
  events: z.number(),
  points: z.number(),
  seconds: z.number(),
  cpuSeconds: z.number(),
  /** Of influxd, after the last write. */
  rssMiB: z.number(),
  diskMiB: z.number(),
  /** Events a second in each tenth of the load. */
  rates: z.array(z.number()),
});
/** How filling a store went; kept with it, because it is filled once. */
export type LoadReport = z.infer<typeof loadReport>;

/** A filled influxd, running on data that are kept between runs. */
export interface FilledInflux extends InfluxAccess {
  readonly server: Server;
  readonly load: LoadReport;
  /** Stops influxd with SIGTERM and starts it again. @returns ms from its start to the answer of the first query */
  restart(): Promise<number>;
  stop(): Promise<void>;
}

/**
 * influxd with a recipe's events in a layout: from the cache, or filled first. A store under its name in the cache is whole, because it is
 * filled beside and renamed.
 */
export async function filledInflux(recipe: Recipe, layout: Layout, say: (line: string) => void): Promise<FilledInflux> {
  const program = await findInfluxd(createProgress(process.stderr));
  const stores = join(cacheRoot(), 'bench');
  await mkdir(stores, { recursive: true });
  const key = createHash('sha256')
    .update(JSON.stringify([GENERATOR_VERSION, recipe, layout.name]))
    .digest('hex');
  const folder = join(stores, `influx-${layout.name}-${key.slice(0, 12)}`);
  if (!existsSync(folder)) {
    const partial = await mkdtemp(join(stores, 'partial-'));
    try {
      await fill(program, partial, recipe, layout, say);
      await rename(partial, folder);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }
  const load = loadReport.parse(JSON.parse(await readFile(join(folder, 'load.json'), 'utf8')));
  const { server, url } = await startOn(program, folder);
  const access = { url, org: ORG, token: TOKEN };
  await firstAnswer(access, layout);
  return {
    ...access,
    server,
    load,
    restart: async () => {
      server.kill('SIGTERM');
      await server.ended();
      dropCaches();
      const begun = performance.now();
      await server.start();
      await firstAnswer(access, layout);
      return performance.now() - begun;
    },
    stop: () => server.stop(),
  };
}

async function startOn(program: string, data: string): Promise<{ server: Server; url: string }> {
  const root = await mkdtemp(join(data, 'run-'));
  const server = await startServer({
    name: 'influxd',
    root,
    ports: 1,
    // Closing half a million series takes longer than a server usually needs.
    graceMs: 120_000,
    plan: (_folder, [port = 0]) => ({
      command: program,
      args: [
        `--http-bind-address=${LOOPBACK}:${port}`,
        `--bolt-path=${join(data, 'influxd.bolt')}`,
        `--sqlite-path=${join(data, 'influxd.sqlite')}`,
        `--engine-path=${join(data, 'engine')}`,
        '--reporting-disabled',
        // Else every 4 KiB that it allocates is sampled, which takes a fifth of a query's CPU.
        '--pprof-disabled',
        '--log-level=warn',
        // What is written settles into its final form within seconds instead of hours.
        '--storage-cache-snapshot-write-cold-duration=5s',
        '--storage-compact-full-write-cold-duration=5s',
      ],
      healthy: async () => {
        const answer = await fetch(`http://${LOOPBACK}:${port}/health`, { signal: AbortSignal.timeout(2_000) });
        await answer.arrayBuffer();
        return answer.ok;
      },
    }),
  });
  return { server, url: `http://${LOOPBACK}:${server.ports[0] ?? 0}` };
}

async function firstAnswer(influx: InfluxAccess, layout: Layout): Promise<void> {
  const [bucket = ''] = layout.buckets;
  await askFlux(influx, `from(bucket: "${bucket}") |> range(start: 2000-01-01T00:00:00Z, stop: 2000-01-02T00:00:00Z)`);
}

/** @returns InfluxDB's CSV without annotations. Throws where that takes longer than `timeoutMs`. */
export async function askFlux(influx: InfluxAccess, flux: string, timeoutMs = 600_000): Promise<string> {
  const answer = await request(`${influx.url}/api/v2/query?org=${influx.org}`, {
    method: 'POST',
    headers: { authorization: `Token ${influx.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: flux, type: 'flux', dialect: { header: true, annotations: [] } }),
    headersTimeout: 0,
    bodyTimeout: 0,
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) throw new Error(`InfluxDB answered ${answer.statusCode}: ${text}`);
  return text;
}

/** Series of a bucket, at any time. */
export async function cardinality(influx: InfluxAccess, bucket: string): Promise<number> {
  const csv = await askFlux(
    influx,
    `import "influxdata/influxdb"\ninfluxdb.cardinality(bucket: "${bucket}", start: 2000-01-01T00:00:00Z)`,
  );
  return Number(csv.trim().split('\n').at(-1)?.split(',').at(-1));
}

async function fill(
  program: string,
  folder: string,
  recipe: Recipe,
  layout: Layout,
  say: (line: string) => void,
): Promise<void> {
  const all = countOf(recipe);
  const { server, url } = await startOn(program, folder);
  const agent = new Agent({ connections: IN_FLIGHT * layout.buckets.length, headersTimeout: 0, bodyTimeout: 0 });
  const post = async (path: string, body: string, attempts = 5): Promise<string> => {
    const answer = await request(`${url}${path}`, {
      method: 'POST',
      dispatcher: agent,
      headers: { authorization: `Token ${TOKEN}` },
      body,
    });
    const text = await answer.body.text();
    // A machine that is busy with other things makes it late; a point that is written again is the same point.
    if (answer.statusCode === 500 && text.includes('timeout') && attempts > 1) return post(path, body, attempts - 1);
    if (answer.statusCode >= 300) throw new Error(`InfluxDB answered ${answer.statusCode}: ${text}`);
    return text;
  };
  try {
    const setup = z
      .object({ org: z.object({ id: z.string() }) })
      .parse(
        JSON.parse(
          await post(
            '/api/v2/setup',
            JSON.stringify({ username: 'bench', password: TOKEN, org: ORG, bucket: 'first', token: TOKEN }),
          ),
        ),
      );
    for (const name of layout.buckets)
      await post('/api/v2/buckets', JSON.stringify({ orgID: setup.org.id, name, retentionRules: [] }));

    const begun = performance.now();
    const rates: number[] = [];
    let [points, sent, sentBefore, tenthBegan, tenth] = [0, 0, 0, begun, 1];
    const waiting: Promise<unknown>[] = [];
    for (const batch of events(recipe, BATCH_EVENTS)) {
      const lines: string[][] = layout.buckets.map(() => []);
      for (const event of batch)
        for (const [i, line] of layout.lines(event).entries()) if (line !== undefined) lines[i]?.push(line);
      const writes = layout.buckets.flatMap((bucket, i) => {
        const own = lines[i] ?? [];
        points += own.length;
        return own.length === 0
          ? []
          : post(
              `/api/v2/write?${new URLSearchParams({ org: ORG, bucket, precision: 'ns' }).toString()}`,
              own.join('\n'),
            );
      });
      waiting.push(Promise.all(writes));
      if (waiting.length >= IN_FLIGHT) await waiting.shift();
      sent += batch.length;
      if (sent >= (all / 10) * tenth) {
        const now = performance.now();
        rates.push((sent - sentBefore) / ((now - tenthBegan) / 1000));
        say(
          `${layout.name}: ${Math.floor((sent / all) * 100)} % loaded, ${Math.round(rates.at(-1) ?? 0).toLocaleString('en-US')} events/s`,
        );
        tenthBegan = now;
        sentBefore = sent;
        tenth = Math.floor((sent / all) * 10) + 1;
      }
    }
    await Promise.all(waiting);
    const seconds = (performance.now() - begun) / 1000;
    const usage = usageOf(server.pid);
    say(`${layout.name}: waiting for compaction`);
    const diskMiB = await settled(join(folder, 'engine'), server);
    const report: LoadReport = { events: sent, points, seconds, ...usage, diskMiB, rates };
    await writeFile(join(folder, 'load.json'), JSON.stringify(report));
    server.kill('SIGTERM');
    await server.ended();
  } finally {
    await server.stop();
    await agent.close();
  }
}

/** Waits until influxd has been idle for some seconds, its compactions done. @returns MiB on disk */
async function settled(engine: string, server: Server): Promise<number> {
  let idle = 0;
  let before = usageOf(server.pid).cpuSeconds;
  for (let waited = 0; idle < 8 && waited < 300; waited++) {
    await sleep(1000);
    const { cpuSeconds } = usageOf(server.pid);
    idle = cpuSeconds - before < 0.1 ? idle + 1 : 0;
    before = cpuSeconds;
  }
  return folderMiB(engine);
}
