import { InvalidArgumentError, Option } from 'commander';
import { resolve } from 'node:path';
import { openArchive } from '../archive/open.ts';
import { createS3Client } from '../archive/s3-client.ts';
import { preflightReplay } from '../checks/preflight.ts';
import { archiveTarget, awsEndpoint, influxTarget, schemaOf } from '../checks/targets.ts';
import { UserpulseError } from '../errors.ts';
import { systemClock } from '../clock.ts';
import { formatNumber } from '../produce/progress.ts';
import { readRelocations } from '../checkpoint/relocations.ts';
import { planDays, type Plan } from '../replay/plan.ts';
import { ReplayProgress } from '../replay/progress.ts';
import { replay } from '../replay/replay.ts';
import { counted, reportText } from '../replay/report.ts';
import { ReplayState } from '../replay/state.ts';
import { ReplayStats } from '../replay/stats.ts';
import { prefixSchemeText, type Schema } from '../schema/buckets.ts';
import { dayText } from '../archive/keys.ts';
import { InfluxSink } from '../influx/writer.ts';
import { collected, dayArgument } from './arguments.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { INFLUX_SETTINGS, SCHEMA_SETTINGS } from './settings.ts';

interface Options {
  readonly from: number;
  readonly to: number;
  readonly types: readonly string[];
  readonly dryRun: boolean;
  readonly parallel: number;
  readonly without: readonly string[];
  readonly state: string;
  readonly restart: boolean;
  readonly onlyChanged: boolean;
  readonly json: boolean;
}

export const registerReplay: RegisterCommand = (program, context) => {
  program
    .command('replay')
    .summary('write archived days into InfluxDB again, or into other buckets')
    .description(
      'Writes the archived events of some days into InfluxDB, as ingest did: into the live buckets (points that are there stay as they are,\n' +
        'missing ones come back) or into new ones (another prefix scheme). Each event counts once. A replay that was interrupted goes on where\n' +
        'it stopped when the same command runs again.',
    )
    .requiredOption('--from <day>', 'first UTC day of the events, YYYY/MM/DD or YYYY-MM-DD', dayArgument)
    .requiredOption('--to <day>', 'last UTC day, included', dayArgument)
    .addOption(new Option('--types <a,b,…>', 'events of these types only').argParser(typesArgument).default([], 'all'))
    .option('--dry-run', 'read everything, write nothing, and say what would be written', false)
    .option('--parallel <n>', 'objects read, and batches on their way to InfluxDB, at a time', parallelArgument, 4)
    .option('--only-changed', 'leave out days whose objects are those of the last replay into these buckets', false)
    .option('--restart', 'begin anew where an earlier replay was interrupted', false)
    .addOption(
      new Option('--without <key>', 'leave out an object, say a damaged one; may be given several times')
        .argParser(collected)
        .default([], 'none'),
    )
    .option('--state <folder>', 'where it is remembered how far the replay is', 'userpulse-data/replay')
    .option('--json', 'print what was done as one line of JSON', false)
    .addHelpText(
      'after',
      `
Environment: that of the ingest which writes these buckets
  INFLUX_HOST, INFLUX_ORG, INFLUX_TOKEN      InfluxDB; the "ingest" token of setup is enough
  USERPULSE_BUCKET_MADE, _RECEIVED, _SHARE, _TOTAL
  USERPULSE_USER_PREFIX, USERPULSE_SHARE_PREFIX
                                             where to, and by which scheme
  USERPULSE_ARCHIVE                          s3://BUCKET/PREFIX or file:///DIR; needs s3:ListBucket and GetObject
  USERPULSE_CHECKPOINT                       only read: which points ingest has relocated
  USERPULSE_BATCH_MAX_LINES                  most lines of one write
  AWS_REGION, AWS_ENDPOINT_URL_S3 and AWS credentials
  USERPULSE_LOG_LEVEL

Examples:
  userpulse replay --from 2012/07/01 --to 2012/07/07 --dry-run
  userpulse replay --from 2012/07/01 --to 2012/07/07 --types like,reply`,
    )
    .action((options: Options) => run(context, options));
};

async function run(context: CommandContext, options: Options): Promise<void> {
  if (options.from > options.to) {
    throw new UserpulseError('bad_request', `--from ${dayText(options.from)} is after --to ${dayText(options.to)}.`, {
      hint: 'Both days are included; exchange them.',
    });
  }
  const config = context.config([
    ...SCHEMA_SETTINGS,
    'archive',
    'checkpoint',
    'batchMaxLines',
    'logLevel',
    // Needed only where something is written.
    ...(options.dryRun ? [] : INFLUX_SETTINGS),
  ]);
  const schema = schemaOf(config);
  const archive = archiveTarget(config, context.env, () =>
    createS3Client({ customEndpoint: awsEndpoint(context.env, 'S3') !== undefined, maxAttempts: 1 }),
  );
  const stats = new ReplayStats();
  let sink: InfluxSink | undefined;
  try {
    let state: ReplayState | undefined;
    if (!options.dryRun) {
      const influx = influxTarget(context.config(INFLUX_SETTINGS));
      await preflightReplay({ influx, buckets: schema.buckets }, context.stop);
      sink = new InfluxSink({
        target: influx,
        buckets: schema.buckets,
        clock: systemClock,
        logger: context.createLogger(config.logLevel),
        connections: options.parallel,
        onRetry: () => undefined,
        onAnswer: () => undefined,
        onExpired: (_role, points) => (stats.expired += points),
      });
      state = await openState(context, options, config.archive.href, `${influx.host} ${influx.org}`, schema);
    }
    const reader = openArchive(archive);
    const plan = await planDays(reader, options, new Set(options.without), context.stop);
    state?.plan(options, plan.days);
    // After the listing: whatever has been archived by now had its relocation noted before.
    const relocations = await readRelocations(config.checkpoint);
    tellPlan(context, options, plan, reader.url, relocations === undefined ? config.checkpoint.href : undefined);
    const startMs = systemClock.now();
    const progress = new ReplayProgress(
      context.stderr,
      plan.days.reduce((sum, day) => sum + day.bytes, 0),
      startMs,
    );
    let refused: Awaited<ReturnType<typeof replay>>;
    try {
      refused = await replay({
        reader,
        days: plan.days,
        schema,
        relocations: relocations ?? [],
        types: new Set(options.types),
        sink,
        state,
        maxLines: config.batchMaxLines,
        parallel: options.parallel,
        signal: context.stop,
        stats,
        onProgress: (bytes, day) => progress.update(bytes, stats.events, day, systemClock.now()),
      });
    } finally {
      progress.end();
    }
    const seconds = (systemClock.now() - startMs) / 1000;
    const text = reportText(stats, schema, { seconds, dryRun: options.dryRun });
    if (options.json) {
      context.stderr.write(text);
      context.stdout.write(`${JSON.stringify(reportJson(stats, plan, seconds))}\n`);
    } else context.stdout.write(text);
    failWhereIncomplete(stats, refused);
  } catch (error) {
    if (!context.stop.aborted || options.dryRun) throw error;
    throw new UserpulseError('aborted', `Stopped after ${formatNumber(stats.events)} events.`, {
      hint: 'The same command goes on from here.',
      cause: error,
    });
  } finally {
    await sink?.close();
    if (archive.kind === 's3') archive.s3.destroy();
  }
}

/** The state of this replay, with what an earlier run of it has done, where that is to be left out. */
async function openState(
  context: CommandContext,
  options: Options,
  archive: string,
  influx: string,
  schema: Schema,
): Promise<ReplayState> {
  const state = new ReplayState(resolve(context.cwd, options.state), {
    archive,
    influx,
    buckets: Object.values(schema.buckets),
    schemes: [prefixSchemeText(schema.userPrefix), prefixSchemeText(schema.sharePrefix)],
    types: [...options.types].sort(),
  });
  if (!options.restart) await state.load();
  if (state.startedAt === '' || (state.complete && !options.onlyChanged)) state.begin(new Date());
  else {
    context.stderr.write(
      state.complete
        ? `Days that have not changed since the replay of ${state.startedAt} are left out.\n`
        : `Going on with the replay of ${state.startedAt}, as ${state.path} says; --restart begins anew.\n`,
    );
  }
  return state;
}

function tellPlan(
  context: CommandContext,
  options: Options,
  { days, foreign }: Plan,
  archive: string,
  noCheckpoint: string | undefined,
): void {
  const objects = days.reduce((sum, day) => sum + day.objects.length, 0);
  const bytes = days.reduce((sum, day) => sum + day.bytes, 0);
  const range = `${dayText(options.from)} to ${dayText(options.to)}`;
  if (objects === 0) {
    throw new UserpulseError('not_found', `${archive} (USERPULSE_ARCHIVE) holds no objects of ${range}.`, {
      hint: 'See whether these are the days of the events (not of their arrival), and the archive that ingest writes.',
    });
  }
  const says = [
    `${counted(objects, 'object')} of ${counted(days.length, 'day')} (${range}), ${(bytes / 1e6).toFixed(1)} MB, from ${archive}`,
  ];
  if (foreign.length > 0) {
    says.push(
      `Left out, because ingest does not name its objects so: ${counted(foreign.length, 'object')}, the first: ${foreign[0] ?? ''}`,
    );
  }
  if (noCheckpoint !== undefined && !options.dryRun) {
    says.push(
      `No checkpoint of an ingest at ${noCheckpoint} (USERPULSE_CHECKPOINT): right for days that no ingest writes to any more.`,
    );
  }
  context.stderr.write(says.map((line) => `${line}\n`).join(''));
}

/** Everything else has been written by now; what has not must not look like success. */
function failWhereIncomplete(
  stats: ReplayStats,
  refused: { readonly points: number; readonly example: string } | undefined,
): void {
  if (refused !== undefined) {
    throw new UserpulseError(
      'influx_rejected',
      `InfluxDB refused ${counted(refused.points, 'point')} for good; all others are written. The first: ${refused.example}`,
      {
        hint: 'Most often a field of another type was written to the bucket by someone else. Mend that, and replay these days again.',
      },
    );
  }
  if (stats.invalidLines > 0) {
    throw new UserpulseError(
      'archive_damaged',
      `The archive holds ${counted(stats.invalidLines, 'line')} that can be no events of their day. Nothing was written for them; all others are done.`,
      { hint: 'Ingest archives valid events only: have these objects been changed, or written by another version?' },
    );
  }
}

const reportJson = (stats: ReplayStats, plan: Plan, seconds: number) => ({
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
    if (!/^[a-z][a-z0-9_]{0,31}$/.test(type)) throw new InvalidArgumentError(`"${type}" is no interaction type.`);
  }
  return types;
}

function parallelArgument(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 64)
    throw new InvalidArgumentError('It must be a whole number from 1 to 64.');
  return value;
}
