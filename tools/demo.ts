import { pathToFileURL } from 'node:url';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { Api } from './demo/api.ts';
import { higgsFacts } from './demo/higgs-facts.ts';
import { readOptions, type DemoOptions } from './demo/options.ts';
import { startPluginPage } from './demo/plugin-page.ts';
import { askAboutFile, report } from './demo/report.ts';
import { ARCHIVE_BUCKET, ARCHIVE_PREFIX, type AllParts, type Running } from './demo/running.ts';
import { ingested, sendAndWatch, terminate } from './demo/watch.ts';
import { childEnvironment, startLocalParts } from './parts/index.ts';
import { freeOr, LOOPBACK } from './parts/ports.ts';
import type { Server } from './parts/server.ts';
import { createProgress, type Screen } from './progress.ts';
import { grouped } from './text.ts';
import { runCommand, startProducer, startService } from './userpulse.ts';

/** `make demo`: the whole pipeline on local servers, watched, and in the end counted in the stores themselves. */
const STREAM = 'userpulse-demo';
const PREFERRED_PORT = 8088;
/** Between two pictures where they are lines of a log. */
const PLAIN_PICTURE_MS = 5_000;

async function main(): Promise<number> {
  const options = readOptions(process.env);
  const screen = createProgress(process.stdout, PLAIN_PICTURE_MS);
  const { stop, now } = signals(screen);

  const facts = options.file === undefined ? undefined : await higgsFacts(options.file);
  if (facts !== undefined) screen.line(`${options.file ?? ''}: ${grouped(facts.lines)} interactions.`);
  screen.line('Starting influxd, a Kinesis API server and an S3 server on loopback …');
  const parts = await startLocalParts({ influx: true, kinesis: true, s3: true });
  const ending: (() => Promise<void>)[] = [() => parts.stop()];
  const programs: Server[] = [];
  now.addEventListener('abort', () => {
    for (const program of programs) if (program.pid !== undefined) program.kill('SIGKILL');
    process.exit(130); // The supervisors notice and take down the rest.
  });
  try {
    const url = `http://${LOOPBACK}:${await freeOr(PREFERRED_PORT)}`;
    const operatorEnv = userpulseEnv(parts, url);
    const env = { ...operatorEnv, INFLUX_TOKEN: await setup(operatorEnv, options) };
    const service = await startService({ root: parts.dir, url, env });
    programs.push(service);
    ending.push(() => service.stop());
    const api = new Api(url, now);
    const page = await startPluginPage({
      backendUrl: api.url,
      dir: parts.dir,
      range: facts?.range,
      say: (text) => screen.line(text),
    });
    ending.push(() => page.stop());
    const running: Running = { options, parts, api, service, page, facts, screen, stop, now };
    announce(running);
    const producer = await startProducer(parts.dir, producerArgs(options), env);
    programs.push(producer);
    ending.push(() => producer.stop());

    const sent = await sendAndWatch(running, producer);
    screen.keep();
    await ingested(running, sent);
    // A file that was not sent to its end says nothing about what was.
    const aboutFile = facts === undefined || sent.cut ? [] : await askAboutFile(running, facts);
    screen.line('SIGTERM to userpulse start: it writes what the archive still lacks.');
    await terminate(service);
    return await report(running, sent, aboutFile);
  } finally {
    for (const end of ending.reverse()) await end();
  }
}

/** First signal: `stop`. Second: `now`. */
function signals(screen: Screen): { readonly stop: AbortSignal; readonly now: AbortSignal } {
  const stop = new AbortController();
  const now = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) now.abort();
    else {
      screen.keep();
      screen.line('Stopping: what was sent is ingested first, then counted (Ctrl-C again ends at once).');
      stop.abort();
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return { stop: stop.signal, now: now.signal };
}

function userpulseEnv(parts: AllParts, url: string): Record<string, string> {
  return childEnvironment(process.env, {
    ...parts.env,
    USERPULSE_STREAM: STREAM,
    USERPULSE_ARCHIVE: `s3://${ARCHIVE_BUCKET}/${ARCHIVE_PREFIX}`,
    USERPULSE_CHECKPOINT: pathToFileURL(join(parts.dir, 'checkpoint')).href,
    USERPULSE_LISTEN: new URL(url).host,
    // A demo is short: archive objects appear while one watches.
    USERPULSE_ARCHIVE_MAX_AGE_MS: '15000',
  });
}

const setupReport = z.object({ tokens: z.array(z.object({ use: z.string(), token: z.string().optional() })) });

/** Makes buckets, stream and archive; returns the narrow token that `setup` made for `start`, so that the demo shows it suffices. */
async function setup(env: Record<string, string>, options: DemoOptions): Promise<string> {
  const text = await runCommand(['setup', '--create', '--json', '--shards', String(options.shards)], env);
  const token = setupReport.parse(JSON.parse(text)).tokens.find((t) => t.use === 'start')?.token;
  if (token === undefined) throw new Error('userpulse setup made no token for start.');
  return token;
}

/**
 * The generator breaks and repeats a few on purpose: the table then shows that these are rejected and counted once. A Higgs file goes as KPL-aggregated records, because the local
 * Kinesis server takes some 230 entries a second.
 */
function producerArgs(options: DemoOptions): string[] {
  if (options.file !== undefined) return ['--aggregate', '--file', resolve(options.file)];
  return ['--aggregate', '--rate', String(options.rate), '--users', '20000', '--invalid', '0.002', '--repeats', '0.01'];
}

function announce({ api, page, parts, screen, options }: Running): void {
  screen.line('');
  screen.line(
    `Panels     ${page.url}   (the plugin in a browser, without a Grafana server; built first, for a minute or two)`,
  );
  screen.line(`API        ${api.url}   (try ${api.url}/v1/health and ${api.url}/v1/openapi.json)`);
  screen.line(
    `InfluxDB   ${parts.influx.url}   archive s3://${ARCHIVE_BUCKET}/${ARCHIVE_PREFIX} at ${parts.s3.endpoint}`,
  );
  screen.line(`Files      ${parts.dir}   (removed at the end)`);
  if (options.seconds === undefined && options.file === undefined) screen.line('Ctrl-C ends.');
  screen.line('');
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
