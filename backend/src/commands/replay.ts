import { formatsOf } from '../schema/buckets.ts';
import { InvalidArgumentError, Option } from 'commander';
import { BUCKET_SETTINGS_TEXT } from '../../../contract/roles.ts';
import { erasing } from '../erasure/erasing-lines.ts';
import { openArchiveReader } from '../archive/open-archive.ts';
import { readTotalsSplit } from '../archive/totals-split.ts';
import { preflightReplay } from '../checks/preflight.ts';
import { archiveTarget, influxTarget, schemaOf } from '../checks/targets.ts';
import { UserpulseError } from '../errors.ts';
import { systemClock } from '../clock.ts';
import { formatNumber } from '../format.ts';
import { hasCheckpoints, readCheckpoints } from '../checkpoint/open-checkpoints.ts';
import { Progress } from '../progress.ts';
import { replay } from '../replay/replay-days.ts';
import { reportText } from '../replay/report.ts';
import type { ReplayState } from '../replay/state.ts';
import { ReplayStats } from '../replay/stats.ts';
import type { Relocation } from '../schema/offsets.ts';
import { HourMarks } from '../rollup/hour-marks.ts';
import { markedSink } from '../rollup/marked.ts';
import { planWithTables, type ReplaySource } from '../table/replay-source.ts';
import { InfluxSink } from '../influx/influx-sink.ts';
import type { PointSink } from '../influx/point-sink.ts';
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
import { INFLUX_SETTINGS, SCHEMA_SETTINGS } from './settings.ts';
import { warnOfProxies } from './proxies.ts';

interface Options extends DaysOptions {
  readonly types: readonly string[];
  readonly onlyChanged: boolean;
}

export const registerReplay: RegisterCommand = (program, context) => {
  const command = program
    .command('replay')
    .summary('write archived days to InfluxDB again, or to other buckets')
    .description(
      'Writes the archived events of a range of days to InfluxDB as ingest did. Into the live buckets, it restores missing points and leaves the ' +
        'others as they are; into new buckets, it can apply another prefix scheme. Each event counts once. To resume an interrupted replay, run ' +
        'the same command again.',
    );
  withDays(command)
    .addOption(new Option('--types <a,b,…>', 'only events of these types').argParser(typesArgument).default([], 'all'))
    .option('--dry-run', 'read everything, write nothing, and show what would be written', false)
    .option(
      '--only-changed',
      'skip days whose objects have not changed since the last replay into these buckets',
      false,
    );
  withProgress(command, 'replay')
    .addHelpText(
      'after',
      `
Environment, as set for the ingest that writes these buckets:
  INFLUX_HOST, INFLUX_ORG, INFLUX_TOKEN      InfluxDB; the "ingest" token of setup is enough
                                             INFLUX_TOKEN_FILE may name a file with the token instead
  ${BUCKET_SETTINGS_TEXT}
  USERPULSE_USER_ID, USERPULSE_SHARE_ID, USERPULSE_USER_PREFIX, USERPULSE_SHARE_PREFIX
                                             where to write, and with which prefix scheme
  USERPULSE_ARCHIVE                          s3://BUCKET/PREFIX or file:///DIR; needs s3:ListBucket and GetObject
  USERPULSE_CHECKPOINT                       to look up which points ingest relocated; only read
  USERPULSE_STREAM                           whose checkpoint it is; needed if there is one
  USERPULSE_BATCH_MAX_LINES                  maximum lines per write
  USERPULSE_FORGOTTEN, USERPULSE_ERASURE_KEY what becomes of lines that name someone whom forget has forgotten
  AWS_REGION, AWS_ENDPOINT_URL_S3 and AWS credentials
  USERPULSE_START_DEADLINE_MS, USERPULSE_LOG_LEVEL

Examples:
  userpulse replay --from 2012/07/01 --to 2012/07/07 --dry-run
  userpulse replay --from 2012/07/01 --to 2012/07/07 --types like,reply`,
    )
    .action((options: Options) => run(context, options));
};

async function run(context: CommandContext, options: Options): Promise<void> {
  requireOrder(options);
  const config = context.config([
    ...SCHEMA_SETTINGS,
    'archive',
    'archiveRegion',
    'checkpoint',
    'batchMaxLines',
    'logLevel',
    'startDeadlineMs',
    'forgotten',
    // Needed only to write.
    ...(options.dryRun ? [] : INFLUX_SETTINGS),
  ]);
  const schema = schemaOf(config);
  const readErase = eraseBy(context, config);
  const archive = archiveTarget(config, context.aws, { maxAttempts: 1 });
  const stats = new ReplayStats();
  let sink: PointSink | undefined;
  try {
    let state: ReplayState | undefined;
    if (!options.dryRun) {
      const influx = influxTarget(context.config(INFLUX_SETTINGS));
      const logger = context.createLogger(config.logLevel);
      warnOfProxies(context.env, logger);
      await preflightReplay(
        { influx, buckets: schema.buckets },
        { signal: context.stop, deadlineMs: config.startDeadlineMs, logger },
      );
      const influxSink = new InfluxSink({
        target: influx,
        buckets: schema.buckets,
        clock: systemClock,
        logger,
        connections: options.parallel,
        onRetry: () => undefined,
        onAnswer: () => undefined,
        onExpired: (_role, points) => (stats.expired += points),
      });
      sink = markedSink(influxSink, new HourMarks(influxSink, systemClock));
      const target = {
        archive: config.archive.href,
        influx: `${influx.host} ${influx.org}`,
        types: [...options.types].sort(),
      };
      state = await openState(context, options, target, schema);
    }
    const reader = openArchiveReader(archive);
    const found = await planWithTables(reader, options, new Set(options.without), context.stop);
    const plan = { ...found, read: erasing(found.read, await readErase(reader, context.stop), formatsOf(schema)) };
    state?.plan(options, plan.days);
    // After the listing: the relocation of an event is saved before the event is archived.
    const relocations = await readRelocations(context, config.checkpoint);
    const noCheckpoint = `Found no checkpoint at ${config.checkpoint.href} (USERPULSE_CHECKPOINT). That is fine for days that no ingest writes to any more.`;
    tellPlan(
      context,
      options,
      plan,
      reader.url,
      ...(relocations === undefined && !options.dryRun ? [noCheckpoint] : []),
    );
    const startMs = systemClock.now();
    const totalBytes = plan.days.reduce((sum, day) => sum + day.bytes, 0);
    const progress = new Progress(context.stderr);
    let refused: Awaited<ReturnType<typeof replay>>;
    try {
      refused = await replay({
        read: plan.read,
        days: plan.days,
        schema: { ...schema, totalsSplitFromMs: await readTotalsSplit(reader, context.stop) },
        relocations: relocations ?? [],
        types: new Set(options.types),
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
      context.stdout.write(`${JSON.stringify(reportJson(stats, plan, seconds))}\n`);
    } else context.stdout.write(text);
    failWhereIncomplete('replay', stats, refused);
  } catch (error) {
    if (!context.stop.aborted || options.dryRun) throw error;
    throw new UserpulseError('aborted', `Stopped after ${formatNumber(stats.events)} events.`, {
      hint: 'Run the same command again to resume.',
      cause: error,
    });
  } finally {
    await sink?.close();
    if (archive.kind === 's3') archive.s3.destroy();
  }
}

/** What ingest has relocated; undefined where there is no checkpoint. Only one that exists must be that of USERPULSE_STREAM. */
async function readRelocations(context: CommandContext, checkpoint: URL): Promise<readonly Relocation[] | undefined> {
  if (!(await hasCheckpoints(checkpoint))) return undefined;
  const { shards } = await readCheckpoints(checkpoint, context.config(['stream']).stream);
  return [...shards.values()].flatMap(({ relocations }) => relocations);
}

const reportJson = (stats: ReplayStats, plan: ReplaySource, seconds: number) => ({
  days: plan.days.length,
  objects: stats.objects,
  lines: stats.lines,
  events: stats.events,
  repeated: stats.repeated,
  otherTypes: stats.otherTypes,
  invalid: stats.invalidLines,
  byType: Object.fromEntries(stats.byType),
  points: stats.points,
  relocated: stats.relocated,
  expired: stats.expired,
  seconds: Math.round(seconds * 1000) / 1000,
});

function typesArgument(text: string): readonly string[] {
  const types = text.split(',').map((type) => type.trim());
  for (const type of types) {
    if (!/^[a-z][a-z0-9_]{0,31}$/.test(type))
      throw new InvalidArgumentError(`"${type}" is not a valid interaction type.`);
  }
  return types;
}
