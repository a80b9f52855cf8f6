import { formatsOf } from '../schema/buckets.ts';
import { BUCKET_SETTINGS_TEXT } from '../../../contract/roles.ts';
import { dayText } from '../archive/keys.ts';
import { erasing } from '../erasure/erasing-lines.ts';
import { openArchiveReader } from '../archive/open-archive.ts';
import { readTotalsSplit } from '../archive/totals-split.ts';
import { preflightRepair } from '../checks/preflight.ts';
import { archiveTarget, influxTarget, schemaOf } from '../checks/targets.ts';
import { systemClock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import { formatNumber } from '../format.ts';
import { InfluxPoints } from '../influx/influx-points.ts';
import { InfluxSink } from '../influx/influx-sink.ts';
import type { PointSink } from '../influx/point-sink.ts';
import { HttpInfluxReader } from '../influx/reader.ts';
import type { StoredPoints } from '../influx/stored-points.ts';
import { limitHeapGrowth } from '../memory/heap.ts';
import { Progress } from '../progress.ts';
import { repair } from '../repair/repair-days.ts';
import { reportText } from '../repair/report.ts';
import { RepairStats } from '../repair/stats.ts';
import { HourMarks } from '../rollup/hour-marks.ts';
import { markedPoints, markedSink } from '../rollup/marked.ts';
import { planWithTables } from '../table/replay-source.ts';
import {
  failWhereIncomplete,
  openState,
  rateText,
  requireOrder,
  tellPlan,
  withDays,
  withProgress,
  type DaysOptions,
} from './archived-days.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { eraseBy } from './erasure.ts';
import { warnOfProxies } from './proxies.ts';
import { INFLUX_SETTINGS, SCHEMA_SETTINGS } from './settings.ts';

const DAY_MS = 86_400_000;
/** For what was still to be read when the day ended. */
const LAG_MS = 600_000;
/** Of the points of a slice. */
const QUERY_TIMEOUT_MS = 600_000;

export const registerRepair: RegisterCommand = (program, context) => {
  const command = program
    .command('repair')
    .summary('make days exact that several workers wrote')
    .description(
      'Compares the archived events of a range of days with their points in InfluxDB. Writes the points that are missing or were overwritten by ' +
        'those of other events, removes the second point of an event that has two, and changes nothing else: run again, it finds nothing to do. ' +
        'Several workers need it, because each knows only of its own points; one ingest does not. To resume an interrupted repair, run the same ' +
        'command again.',
    );
  withDays(command).option('--dry-run', 'change nothing, and show what would be changed', false);
  withProgress(command, 'repair')
    .addHelpText(
      'after',
      `
A day must be over, and its events archived: until USERPULSE_ARCHIVE_MAX_AGE_MS and ten minutes after its end, it is refused.
If ingest lags by more than that, wait until it has caught up.

Environment, as set for the ingest that writes these buckets:
  INFLUX_HOST, INFLUX_ORG, INFLUX_TOKEN      InfluxDB; the "start" token of setup, which may read and write
                                             INFLUX_TOKEN_FILE may name a file with the token instead
  ${BUCKET_SETTINGS_TEXT}
  USERPULSE_USER_ID, USERPULSE_SHARE_ID, USERPULSE_USER_PREFIX, USERPULSE_SHARE_PREFIX
                                             what to compare, and its prefix scheme
  USERPULSE_ARCHIVE                          s3://BUCKET/PREFIX or file:///DIR; needs s3:ListBucket and GetObject
  USERPULSE_ARCHIVE_MAX_AGE_MS               as ingest has it
  USERPULSE_BATCH_MAX_LINES                  maximum lines per write
  USERPULSE_FORGOTTEN, USERPULSE_ERASURE_KEY what becomes of lines that name someone whom forget has forgotten
  AWS_REGION, AWS_ENDPOINT_URL_S3 and AWS credentials
  USERPULSE_START_DEADLINE_MS, USERPULSE_LOG_LEVEL

Examples:
  userpulse repair --from 2026/01/30 --to 2026/01/30 --dry-run
  userpulse repair --from 2026/01/01 --to 2026/01/30`,
    )
    .action((options: DaysOptions) => run(context, options));
};

async function run(context: CommandContext, options: DaysOptions): Promise<void> {
  requireOrder(options);
  const config = context.config([
    ...INFLUX_SETTINGS,
    ...SCHEMA_SETTINGS,
    'archive',
    'archiveRegion',
    'archiveMaxAgeMs',
    'batchMaxLines',
    'logLevel',
    'startDeadlineMs',
    'forgotten',
  ]);
  requireClosed(options.to, config.archiveMaxAgeMs, systemClock.now());
  const influx = influxTarget(config);
  const readErase = eraseBy(context, config);
  const archive = archiveTarget(config, context.aws, { maxAttempts: 1 });
  const logger = context.createLogger(config.logLevel);
  const stats = new RepairStats();
  limitHeapGrowth();
  const influxReader = new HttpInfluxReader({ ...influx, timeoutMs: QUERY_TIMEOUT_MS });
  let sink: PointSink | undefined;
  try {
    warnOfProxies(context.env, logger);
    await preflightRepair(
      { influx, buckets: schemaOf(config).buckets },
      options.dryRun ? ['read'] : ['read', 'write'],
      { signal: context.stop, deadlineMs: config.startDeadlineMs, logger },
    );
    const reader = openArchiveReader(archive);
    const schema = { ...schemaOf(config), totalsSplitFromMs: await readTotalsSplit(reader, context.stop) };
    let points: StoredPoints = new InfluxPoints({
      target: influx,
      reader: influxReader,
      schema,
      clock: systemClock,
      logger,
    });
    if (!options.dryRun) {
      const influxSink = new InfluxSink({
        target: influx,
        buckets: schema.buckets,
        clock: systemClock,
        logger,
        connections: options.parallel,
        onRetry: () => undefined,
        onAnswer: () => undefined,
        onExpired: (role, points) => (stats.points[role].expired += points),
      });
      const marks = new HourMarks(influxSink, systemClock);
      sink = markedSink(influxSink, marks);
      points = markedPoints(points, marks);
    }
    const target = {
      command: 'repair',
      archive: config.archive.href,
      influx: `${influx.host} ${influx.org}`,
      types: [],
    } as const;
    const state = options.dryRun ? undefined : await openState(context, options, target, schema);
    const without = new Set(options.without);
    const found = await planWithTables(reader, options, without, context.stop);
    const plan = { ...found, read: erasing(found.read, await readErase(reader, context.stop), formatsOf(schema)) };
    state?.plan(options, plan.days);
    tellPlan(context, options, plan, reader.url);
    const startMs = systemClock.now();
    const totalBytes = plan.days.reduce((sum, day) => sum + day.bytes, 0);
    const progress = new Progress(context.stderr);
    let refused: Awaited<ReturnType<typeof repair>>;
    try {
      refused = await repair({
        reader,
        read: plan.read,
        days: plan.days,
        without,
        schema,
        points,
        sink,
        state,
        maxLines: config.batchMaxLines,
        parallel: options.parallel,
        signal: context.stop,
        stats,
        onProgress: (bytes, day) => {
          const fraction = bytes / Math.max(1, totalBytes);
          progress.status(`${day} · ${rateText(stats.events, fraction, systemClock.now() - startMs)}`, fraction);
        },
      });
    } finally {
      progress.clear();
    }
    const seconds = (systemClock.now() - startMs) / 1000;
    const text = reportText(stats, schema, { seconds, dryRun: options.dryRun });
    if (options.json) {
      context.stderr.write(text);
      context.stdout.write(`${JSON.stringify(reportJson(stats, plan.days.length, seconds))}\n`);
    } else context.stdout.write(text);
    failWhereIncomplete('repair', stats, refused);
  } catch (error) {
    if (!context.stop.aborted || options.dryRun) throw error;
    throw new UserpulseError('aborted', `Stopped after ${formatNumber(stats.events)} events.`, {
      hint: 'Run the same command again to resume.',
      cause: error,
    });
  } finally {
    await influxReader.close();
    await sink?.close();
    if (archive.kind === 's3') archive.s3.destroy();
  }
}

/** @throws UserpulseError bad_request, where events of the day may not be archived yet */
function requireClosed(day: number, archiveMaxAgeMs: number, nowMs: number): void {
  const closedMs = (day + 1) * DAY_MS + archiveMaxAgeMs + LAG_MS;
  if (nowMs >= closedMs) return;
  const last = Math.floor((nowMs - archiveMaxAgeMs - LAG_MS) / DAY_MS) - 1;
  throw new UserpulseError(
    'bad_request',
    `The events of ${dayText(day)} may not all be archived before ${new Date(closedMs).toISOString()}.`,
    { hint: `Use --to ${dayText(last)}, or wait.` },
  );
}

const reportJson = (stats: RepairStats, days: number, seconds: number) => ({
  days,
  objects: stats.objects,
  lines: stats.lines,
  events: stats.events,
  repeated: stats.repeated,
  invalid: stats.invalidLines,
  points: stats.points,
  changedDays: stats.changedDays,
  seconds: Math.round(seconds * 1000) / 1000,
});
