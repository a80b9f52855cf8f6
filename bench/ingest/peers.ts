import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheRoot, findGoTool, goBuild, pinnedVersion } from '../../tools/parts/go-tool.ts';
import { createProgress } from '../../tools/progress.ts';
import { startServer, type Server } from '../../tools/parts/server.ts';
import type { Consumer } from './consumers.ts';

/** Programs that users would pick instead, installed from their registries by `make bench` alone and kept in the user's cache folder. */
const run = promisify(execFile);
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const TELEGRAF = 'github.com/influxdata/telegraf';

/** Telegraf, built with the plugins that are used. */
export async function telegraf(): Promise<{ readonly consumer: Consumer; readonly version: string }> {
  const module = here('peers/telegraf');
  const version = await pinnedVersion(module, TELEGRAF);
  const program = await findGoTool(
    {
      name: 'userpulse-bench-telegraf',
      variable: 'USERPULSE_BENCH_TELEGRAF',
      version,
      versionArgs: [],
      accepts: () => true,
      build: (_folder, output, progress) =>
        goBuild({ what: `Telegraf ${version}`, module, package: '.', output, flags: ['-ldflags=-s -w'] }, progress),
    },
    createProgress(process.stderr),
  );
  const consumer: Consumer = {
    name: `Telegraf ${version}`,
    pointsPerEvent: 'one',
    // It asks for pages of 10 MB, after each of which a quota refuses it for four seconds. Reads then fail in its SDK, too, and
    // the plugin gives up a shard whose read fails: of a million events 139,604 were never written in the run that was looked at. Without quotas all are.
    heldToQuotas: false,
    start: (wiring) =>
      startServer({
        name: 'telegraf',
        root: wiring.root,
        ports: 0,
        attempts: 1,
        plan: (folder) => ({
          command: '/bin/sh',
          // The configuration lies in the server's own folder, which is made after the plan.
          args: ['-c', `printf %s "$CONFIG" > telegraf.conf && exec "$0" telegraf.conf`, program],
          env: {
            CONFIG: `
[agent]
  flush_interval = "250ms"
  metric_batch_size = 5000
  metric_buffer_limit = 100000
  omit_hostname = true
  quiet = true
[[inputs.kinesis_consumer]]
  region = "us-east-1"
  access_key = "${wiring.s3.accessKeyId}"
  secret_key = "${wiring.s3.secretAccessKey}"
  endpoint_url = "${wiring.kinesis}"
  streamname = "${wiring.stream}"
  shard_iterator_type = "TRIM_HORIZON"
  max_undelivered_messages = 50000
  data_format = "json_v2"
  [[inputs.kinesis_consumer.json_v2]]
    measurement_name = "interaction"
    timestamp_path = "occurredAt"
    timestamp_format = "2006-01-02T15:04:05Z07:00"
    [[inputs.kinesis_consumer.json_v2.tag]]
      path = "type"
    [[inputs.kinesis_consumer.json_v2.field]]
      path = "actorId"
      rename = "user"
      type = "int"
[[outputs.influxdb_v2]]
  urls = ["${wiring.influx.url}"]
  organization = "${wiring.influx.org}"
  token = "${wiring.influx.token}"
  bucket = "interactions_made"
  content_encoding = "identity"
`,
          },
          healthy: () => Promise.resolve(existsSync(folder)),
        }),
      }),
  };
  return { consumer, version };
}

/** lifion-kinesis with the few lines that its user writes around it, and dynalite, where it keeps its leases. */
export async function lifion(root: string): Promise<{ readonly consumer: Consumer; readonly table: Server }> {
  const source = here('peers/lifion');
  const folder = join(cacheRoot(), 'bench-lifion', '1.3.3');
  if (!existsSync(join(folder, 'node_modules'))) {
    await mkdir(join(folder, '..'), { recursive: true });
    const work = await mkdtemp(join(folder, '..', 'install-'));
    await cp(source, work, { recursive: true });
    await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], { cwd: work });
    await rm(folder, { recursive: true, force: true });
    await rename(work, folder);
  }
  await cp(join(source, 'consumer.cjs'), join(folder, 'consumer.cjs'));
  const table = await startServer({
    name: 'dynalite',
    root,
    ports: 1,
    plan: (_folder, [port = 0]) => ({
      command: process.execPath,
      args: [
        join(folder, 'node_modules/dynalite/cli.js'),
        '--host',
        '127.0.0.1',
        '--port',
        String(port),
        '--createTableMs',
        '0',
      ],
      healthy: async () => {
        await (await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(2_000) })).arrayBuffer();
        return true;
      },
    }),
  });
  const consumer: Consumer = {
    name: 'lifion-kinesis 1.3.3',
    pointsPerEvent: 'one',
    heldToQuotas: true,
    start: (wiring) =>
      startServer({
        name: 'lifion',
        root: wiring.root,
        ports: 0,
        attempts: 1,
        plan: () => ({
          command: process.execPath,
          args: [join(folder, 'consumer.cjs')],
          env: {
            KINESIS: wiring.kinesis,
            DYNAMODB: `http://127.0.0.1:${table.ports[0] ?? 0}`,
            INFLUX: wiring.influx.url,
            STREAM: wiring.stream,
            BUCKET: 'interactions_made',
          },
          healthy: () => Promise.resolve(true),
        }),
      }),
  };
  return { consumer, table };
}
