import { pathToFileURL } from 'node:url';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer } from 'node:net';
import { z } from 'zod';
import { Api, QUESTIONS, total, type Question, type Range } from './demo/api.ts';
import { higgsFacts, type HiggsFacts } from './demo/higgs-facts.ts';
import { readOptions, type DemoOptions } from './demo/options.ts';
import { grouped, picture, plainPicture, Screen, type Row } from './demo/picture.ts';
import { startPluginPage } from './demo/plugin-page.ts';
import { agrees, countTotal, table, tallyArchive, tallyPoints, type Finding } from './demo/tally.ts';
import { produced, runCommand, startProducer, startService, type ProduceSummary } from './demo/userpulse.ts';
import { childEnvironment, createProgress, startLocalParts, type LocalParts } from './parts/index.ts';
import { formatDuration } from './parts/progress.ts';
import { freePorts, LOOPBACK } from './parts/ports.ts';
import type { Server } from './parts/server.ts';

const STREAM = 'userpulse-demo';
const ARCHIVE_BUCKET = 'userpulse-demo';
const ARCHIVE_PREFIX = 'events';
const PREFERRED_PORT = 8088;
const TICK_MS = 1_000;
/** The live picture of the generator's events covers this much time, in windows of {@link LIVE_EVERY_MS}. */
const LIVE_MS = 5 * 60_000;
const LIVE_EVERY_MS = 5_000;
/** How long the ingest may go without getting further before the demo stops waiting for it. */
const STALL_MS = 60_000;
/** Longer than the ingest ever waits between two reads of a shard. */
const CAUGHT_UP_MS = 2_000;
/** An id stays in the picture this long before a busier one takes its place. */
const KEEP_ID_MS = 30_000;

type AllParts = LocalParts<{ influx: true; kinesis: true; s3: true }>;

interface Running {
  readonly options: DemoOptions;
  readonly parts: AllParts;
  readonly api: Api;
  readonly service: Server;
  readonly facts: HiggsFacts | undefined;
  readonly screen: Screen;
  /** First Ctrl-C: end in order. */
  readonly stop: AbortSignal;
  /** Second Ctrl-C: end at once. */
  readonly now: AbortSignal;
}

/** More that runs beside the pipeline, such as the plugin's page; each gives a line to print, and its own end. */
type Extra = (running: Running) => Promise<{ readonly line: string; stop(): Promise<void> }>;
const extras: readonly Extra[] = [
  ({ parts, api, facts, screen }) =>
    Promise.resolve(
      startPluginPage({ backendUrl: api.url, dir: parts.dir, range: facts?.range, say: (text) => screen.line(text) }),
    ),
];

async function main(): Promise<number> {
  const options = readOptions(process.env);
  const screen = new Screen(process.stdout);
  const { stop, now } = signals(screen);

  const facts = options.file === undefined ? undefined : await higgsFacts(options.file);
  if (facts !== undefined) screen.line(`${options.file ?? ''}: ${grouped(facts.lines)} interactions.`);
  screen.line('Starting influxd, a Kinesis API server and an S3 server on loopback …');
  const parts = await startLocalParts({ influx: true, kinesis: true, s3: true }, createProgress(process.stderr));
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
    const service = await startService(parts.dir, url, env);
    programs.push(service);
    ending.push(() => service.stop());
    const api = new Api(url, now);
    const running: Running = { options, parts, api, service, facts, screen, stop, now };
    announce(running);
    for (const extra of extras) {
      const added = await extra(running);
      ending.push(() => added.stop());
      screen.line(added.line);
    }
    const producer = await startProducer(parts.dir, producerArgs(options), env);
    programs.push(producer);
    ending.push(() => producer.stop());

    const sent = await sendAndWatch(running, producer);
    screen.keep();
    await ingested(running, sent);
    // A file that was not sent to its end says nothing about what was.
    const aboutFile = facts === undefined || sent.cut ? [] : await askAboutFile(running, facts);
    await endService(running);
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
    // A warning about Node 20 that would stand in front of every message of the program.
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
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

function announce({ api, parts, screen, options }: Running): void {
  screen.line('');
  screen.line(`API        ${api.url}   (try ${api.url}/v1/health and ${api.url}/v1/openapi.json)`);
  screen.line(
    `InfluxDB   ${parts.influx.url}   archive s3://${ARCHIVE_BUCKET}/${ARCHIVE_PREFIX} at ${parts.s3.endpoint}`,
  );
  screen.line(`Files      ${parts.dir}   (removed at the end)`);
  if (options.seconds === undefined && options.file === undefined) screen.line('Ctrl-C ends.');
  screen.line('');
}

/** Shows the picture until the producer has ended: by itself (a file), or `cut` by DEMO_SECONDS or Ctrl-C. */
async function sendAndWatch(running: Running, producer: Server): Promise<ProduceSummary & { readonly cut: boolean }> {
  const { options, service, screen, stop } = running;
  const started = Date.now();
  let restarts = 0;
  let ending = false;
  const ids = new BusiestIds(running.api);
  while (producer.pid !== undefined) {
    if (service.pid === undefined) throw new Error(`userpulse start ended unexpectedly. ${service.tail()}`);
    const elapsed = Date.now() - started;
    const outOfTime = options.seconds !== undefined && elapsed >= options.seconds * 1_000;
    if (!ending && (stop.aborted || outOfTime)) {
      ending = true;
      producer.kill('SIGTERM');
    }
    const rows = await look(running, ids).catch((error: unknown) => {
      // The picture may miss a tick, for one when the service is being restarted; what counts is counted at the end.
      screen.line(`(no picture: ${error instanceof Error ? error.message : String(error)})`);
      return undefined;
    });
    if (rows !== undefined) show(running, rows, elapsed);
    if (restarts < options.restarts && shareDone(running, rows, elapsed) > (restarts + 1) / (options.restarts + 1)) {
      restarts++;
      await restart(running, restarts);
    }
    await Promise.race([sleep(TICK_MS), producer.ended()]);
  }
  return { ...(await produced(producer)), cut: ending };
}

/** How much of the run is behind us, 0 to 1: by events for a file, by time otherwise. */
function shareDone({ facts, options }: Running, rows: readonly Row[] | undefined, elapsed: number): number {
  if (facts !== undefined) {
    const everyone = rows?.find((r) => r.question === 'everyone');
    return everyone === undefined ? 0 : total(everyone.series) / facts.lines;
  }
  return options.seconds === undefined ? 0 : elapsed / (options.seconds * 1_000);
}

async function restart({ service, screen, options }: Running, nth: number): Promise<void> {
  screen.keep();
  screen.line(`Restart ${nth} of ${options.restarts}: SIGTERM to userpulse start …`);
  await terminate(service);
  await service.start();
  screen.line('… and it runs again.');
}

/** SIGTERM, and the promised exit code 0. */
async function terminate(service: Server): Promise<void> {
  service.kill('SIGTERM');
  const end = await service.ended();
  if (end.exit !== 0) {
    throw new Error(
      `userpulse start answered SIGTERM with ${end.signal ?? `exit code ${end.exit ?? '?'}`}, not with exit code 0. ${service.tail()}`,
    );
  }
}

/** The ids shown in the picture: the busiest of the range, each kept for a while so that the picture does not jump about. */
class BusiestIds {
  readonly #api: Api;
  readonly #ids = new Map<Question, { readonly id: string; readonly since: number }>();

  constructor(api: Api) {
    this.#api = api;
  }

  async of(question: Question, range: Range): Promise<string | undefined> {
    const kept = this.#ids.get(question);
    if (kept !== undefined && Date.now() - kept.since < KEEP_ID_MS) return kept.id;
    const id = await this.#api.busiest(question, range);
    if (id !== undefined) this.#ids.set(question, { id, since: Date.now() });
    return id;
  }
}

async function look({ api, facts, screen }: Running, ids: BusiestIds): Promise<Row[]> {
  const end = Math.ceil(Date.now() / LIVE_EVERY_MS) * LIVE_EVERY_MS;
  const range = facts?.range ?? { fromMs: end - LIVE_MS, toMs: end };
  const every = facts === undefined ? `${LIVE_EVERY_MS / 1_000}s` : 'auto';
  const chosen = await Promise.all(QUESTIONS.map((q) => ids.of(q, range)));
  const asked = QUESTIONS.flatMap((preset, i) => {
    const id = chosen[i];
    return id === undefined ? [] : [{ refId: preset, preset, ids: [id], every }];
  });
  const answers = await api.query(
    range,
    [...asked, { refId: 'everyone', preset: 'everyone', every }],
    Math.max(10, Math.min(60, screen.columns - 40)),
  );
  return [...QUESTIONS, 'everyone' as const].map((question, i) => ({
    question,
    id: chosen[i],
    series: answers.get(question) ?? new Map<string, number[]>(),
  }));
}

function show({ screen, facts, stop }: Running, rows: readonly Row[], elapsed: number): void {
  const of = facts === undefined ? '' : ` of ${grouped(facts.lines)}`;
  if (!screen.live) screen.note(`${formatDuration(elapsed)}: ${plainPicture(rows)}${of}`);
  else if (!stop.aborted) {
    const span =
      facts === undefined
        ? `last ${LIVE_MS / 60_000} min, ${LIVE_EVERY_MS / 1_000} s a column`
        : `all of the file${of}`;
    screen.draw([
      `${formatDuration(elapsed)} · ${span}`,
      ...picture(rows, screen.columns, process.env['NO_COLOR'] === undefined),
    ]);
  }
}

/**
 * Whether every shard was read to its end at two looks, so far apart that each shard was asked in between: what was sent last may be
 * something that makes no point.
 */
async function caughtUp({ api, now }: Running): Promise<boolean> {
  const behind = async (): Promise<number> => {
    const text = await (await fetch(new URL('/metrics', api.url), { signal: now })).text();
    const values = [...text.matchAll(/^userpulse_millis_behind_latest\{[^}]*\} (\S+)$/gm)].map((m) => Number(m[1]));
    if (values.length === 0) throw new Error(`${api.url}/metrics names no shard under userpulse_millis_behind_latest.`);
    return Math.max(...values);
  };
  if ((await behind()) > 0) return false;
  await sleep(CAUGHT_UP_MS);
  return (await behind()) === 0;
}

/** Waits until every event that must become a point is one; ends early, with a word, when nothing moves any more. */
async function ingested(running: Running, sent: ProduceSummary): Promise<void> {
  const { parts, service, screen } = running;
  const target = sent.events;
  let best = -1;
  let movedAt = Date.now();
  for (;;) {
    if (service.pid === undefined) throw new Error(`userpulse start ended unexpectedly. ${service.tail()}`);
    const points = await countTotal(parts.influx);
    if (points >= target && (await caughtUp(running))) break;
    if (points > best) {
      best = points;
      movedAt = Date.now();
      const text = `${grouped(points)} of ${grouped(target)} events sent are stored.`;
      if (screen.live) screen.draw([text]);
      else screen.note(text);
    } else if (Date.now() - movedAt > STALL_MS) {
      screen.line(`Nothing more has arrived for ${formatDuration(STALL_MS)}: counting what there is.`);
      break;
    }
    await sleep(TICK_MS);
  }
  screen.keep();
}

/** The file's most received and most making users, asked over HTTP by the hour as a chart would, and summed. */
async function askAboutFile({ api }: Running, facts: HiggsFacts): Promise<Finding[]> {
  const { mostReceived, mostMade, range } = facts;
  const answers = await api.query(
    range,
    [
      { refId: 'received', preset: 'received', ids: [mostReceived.id], every: '1h' },
      { refId: 'made', preset: 'made', ids: [mostMade.id], every: '1h' },
    ],
    11_000,
  );
  const received = answers.get('received') ?? new Map<string, readonly number[]>();
  const types = new Set([...mostReceived.byType.keys(), ...received.keys()]);
  return [
    ...[...types].map((type) => ({
      what: `HTTP: user ${mostReceived.id} received, ${type}`,
      expected: mostReceived.byType.get(type) ?? 0,
      found: (received.get(type) ?? []).reduce((a, b) => a + b, 0),
    })),
    {
      what: `HTTP: user ${mostMade.id} made`,
      expected: mostMade.count,
      found: total(answers.get('made') ?? new Map<string, readonly number[]>()),
    },
  ];
}

async function endService({ service, screen }: Running): Promise<void> {
  screen.line('SIGTERM to userpulse start: it writes what the archive still lacks.');
  await terminate(service);
}

/** Counts in the stores themselves and compares. */
async function report(
  running: Running,
  sent: ProduceSummary & { readonly cut: boolean },
  aboutFile: readonly Finding[],
): Promise<number> {
  const { parts, screen, facts } = running;
  const [archive, points] = await Promise.all([
    tallyArchive(parts.s3, ARCHIVE_BUCKET, ARCHIVE_PREFIX),
    tallyPoints(parts.influx),
  ]);
  const findings: Finding[] = [
    {
      what: 'records sent = lines archived + rejected',
      expected: sent.records,
      atMost: sent.records + sent.uncertainRecords,
      found: archive.lines + archive.rejected,
    },
    {
      what: 'records rejected',
      expected: sent.invalid,
      atMost: sent.invalid + sent.uncertainRecords,
      found: archive.rejected,
    },
    { what: 'different events archived', expected: sent.events, found: archive.events },
    { what: 'points made = events with an actor', expected: archive.made, found: points.made },
    { what: 'points received = events with a receiver', expected: archive.received, found: points.received },
    { what: 'points share = events with a share', expected: archive.share, found: points.share },
    { what: 'points total = events', expected: archive.events, found: points.total },
  ];
  if (facts !== undefined && !sent.cut) {
    findings.push(
      { what: 'file: lines = different lines archived', expected: facts.lines, found: archive.distinctLines },
      { what: 'file: lines = points made', expected: facts.lines, found: points.made },
      { what: 'file: lines = points received', expected: facts.lines, found: points.received },
      { what: 'file: lines with a share = points share', expected: facts.withShare, found: points.share },
      ...aboutFile,
    );
  }
  const rate = sent.seconds > 0 ? `, ${grouped(Math.round(sent.records / sent.seconds))} a second` : '';
  screen.line('');
  screen.line(
    `Sent ${grouped(sent.records)} records (${grouped(sent.events)} events, ${grouped(sent.repeats)} repeated, ${grouped(sent.invalid)} broken) ` +
      `in ${grouped(sent.kinesisRecords)} Kinesis records, ${grouped(sent.bytes)} bytes${rate}; ${grouped(archive.objects)} archive objects.`,
  );
  if (sent.uncertain > 0) {
    screen.line(
      `${grouped(sent.uncertain)} Kinesis records (${grouped(sent.uncertainRecords)} records) may be on the stream twice, after a lost answer: the archive then rightly has them twice.`,
    );
  }
  for (const line of table(findings)) screen.line(line);
  const differing = findings.filter((f) => !agrees(f)).length;
  screen.line('');
  if (sent.records === 0) {
    screen.line('Nothing was sent: there is nothing to agree on.');
    return 1;
  }
  screen.line(differing === 0 ? 'Everything agrees.' : `${differing} of ${findings.length} figures differ.`);
  return differing === 0 ? 0 : 1;
}

/** The port that the documentation names, if nobody has it; else any free one. */
async function freeOr(port: number): Promise<number> {
  const free = await new Promise<boolean>((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen(port, LOOPBACK, () => probe.close(() => done(true)));
  });
  return free ? port : ((await freePorts(1))[0] ?? port);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
