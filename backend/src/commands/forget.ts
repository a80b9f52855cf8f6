import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { IdFormats } from '../../../contract/ids.ts';
import { idProblem } from '../../../contract/rules.ts';
import { problemText } from '../../../contract/problem.ts';
import { BUCKET_SETTINGS_TEXT } from '../../../contract/roles.ts';
import { DEFAULT_CODEC } from '../archive/codecs.ts';
import { openArchiveReader, openArchiveWriter, openTables } from '../archive/open-archive.ts';
import { readTotalsSplit } from '../archive/totals-split.ts';
import type { HeldCheckpoints } from '../checkpoint/checkpoint-store.ts';
import { hasCheckpoints, holdCheckpoints } from '../checkpoint/open-checkpoints.ts';
import { preflightForget } from '../checks/preflight.ts';
import { archiveTarget, idFormatsOf, influxTarget, schemaOf } from '../checks/targets.ts';
import { systemClock } from '../clock.ts';
import { LineEraser } from '../erasure/erase-line.ts';
import { replacementOf, type Replacement, type Subject } from '../erasure/erase-event.ts';
import { addForgotten, readForgotten } from '../erasure/forgotten.ts';
import { UserpulseError } from '../errors.ts';
import { replaceFile } from '../files/durable-file.ts';
import type { FileLock } from '../files/file-lock.ts';
import { counted, formatNumber } from '../format.ts';
import { forget, type ForgetResult } from '../forget/forget.ts';
import { Journal } from '../forget/journal.ts';
import { NOT_REACHED, signReport, verifyReport } from '../forget/report.ts';
import { InfluxPoints } from '../influx/influx-points.ts';
import { InfluxSink } from '../influx/influx-sink.ts';
import type { PointSink } from '../influx/point-sink.ts';
import type { StoredPoints } from '../influx/stored-points.ts';
import { HttpInfluxReader } from '../influx/reader.ts';
import { limitHeapGrowth } from '../memory/heap.ts';
import { Progress } from '../progress.ts';
import { HourMarks } from '../rollup/hour-marks.ts';
import { markedPoints, markedSink } from '../rollup/marked.ts';
import { BUCKET_ROLES, type Schema } from '../schema/buckets.ts';
import { VERSION } from '../version.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { erasureKey, lockArchive } from './erasure.ts';
import { warnOfProxies } from './proxies.ts';
import { INFLUX_SETTINGS, SCHEMA_SETTINGS } from './settings.ts';

interface Options {
  readonly user?: string;
  readonly share?: string;
  readonly pseudonym: boolean;
  readonly furtherFields: boolean;
  readonly dryRun: boolean;
  readonly report?: string;
  readonly verify?: string;
  readonly state: string;
  readonly temporary: string;
  readonly json: boolean;
}

/** Objects that are read at a time, and points that are removed. */
const PARALLEL = 4;
/** Of the points of four weeks. */
const QUERY_TIMEOUT_MS = 600_000;

export const registerForget: RegisterCommand = (program, context) => {
  program
    .command('forget')
    .summary('erase a user or a share from InfluxDB and the archive')
    .description(
      'Erases a user (or a share): their points, and what names them in the points, archived events, tables and rejected records of others. What ' +
        'others made and received stays counted. Stop ingest first. To resume after a kill, run the same command again.',
    )
    .option('--user <id>', 'the user to forget')
    .option('--share <id>', 'the share to forget, instead of a user')
    .option('--pseudonym', 'put a pseudonym in the place of the ID, so that every count stays', false)
    .option(
      '--further-fields',
      'also drop the further fields (those outside the contract) of events of others that hold the ID there',
      false,
    )
    .option('--dry-run', 'change nothing, and show what would be changed', false)
    .option('--report <file>', 'where to write the signed report, for whoever asked to be forgotten')
    .option('--verify <file>', 'forget nobody, and check the signature of such a report')
    .option('--state <folder>', 'where to keep what an interrupted run needs', 'userpulse-data/forget')
    .option('--temporary <folder>', 'where an object is written before it goes to S3', 'userpulse-data/forget')
    .option('--json', 'print the signed report, as one line of JSON', false)
    .addHelpText(
      'after',
      `
Environment, as set for the ingest that writes these buckets:
  INFLUX_HOST, INFLUX_ORG, INFLUX_TOKEN      InfluxDB; the "start" token of setup, which may read and write
                                             INFLUX_TOKEN_FILE may name a file with the token instead
  ${BUCKET_SETTINGS_TEXT}
  USERPULSE_USER_ID, USERPULSE_SHARE_ID, USERPULSE_USER_PREFIX, USERPULSE_SHARE_PREFIX
                                             where points are
  USERPULSE_ARCHIVE                          s3://BUCKET/PREFIX or file:///DIR; needs s3:ListBucket, GetObject, PutObject and
                                             AbortMultipartUpload
  USERPULSE_ERASURE_KEY                      key of erasures; USERPULSE_ERASURE_KEY_FILE may name a file with it instead
  USERPULSE_CHECKPOINT, USERPULSE_STREAM     to keep ingest from starting meanwhile; the stream is needed if there is a checkpoint
  USERPULSE_BATCH_MAX_LINES                  maximum lines per write
  AWS_REGION, AWS_ENDPOINT_URL_S3 and AWS credentials
  USERPULSE_START_DEADLINE_MS, USERPULSE_LOG_LEVEL

Examples:
  userpulse forget --user 88 --dry-run
  userpulse forget --user 88 --report erasure-88.json
  userpulse forget --verify erasure-88.json`,
    )
    .action((options: Options) =>
      options.verify === undefined ? run(context, options) : check(context, options.verify),
    );
};

/** @throws UserpulseError bad_request */
function subjectOf({ user, share }: Options, ids: IdFormats): Subject {
  const bad = (message: string, hint: string): UserpulseError => new UserpulseError('bad_request', message, { hint });
  if (user !== undefined && share !== undefined) throw bad('--user and --share were given.', 'Forget one at a time.');
  const subject = ((): Subject | undefined => {
    if (user !== undefined) return { kind: 'user', id: user.trim() };
    return share === undefined ? undefined : { kind: 'share', id: share.trim() };
  })();
  if (subject === undefined) throw bad('Nobody to forget was given.', 'Use --user ID or --share ID.');
  const problem = idProblem(subject.kind, subject.id, ids);
  if (problem !== undefined) throw new UserpulseError('bad_request', problemText(problem));
  return subject;
}

async function run(context: CommandContext, options: Options): Promise<void> {
  const replacement: Replacement = options.pseudonym ? 'pseudonym' : 'nobody';
  const key = erasureKey(context);
  const config = context.config([
    ...INFLUX_SETTINGS,
    ...SCHEMA_SETTINGS,
    'archive',
    'archiveRegion',
    'checkpoint',
    'batchMaxLines',
    'logLevel',
    'startDeadlineMs',
  ]);
  const ids = idFormatsOf(config);
  const subject = subjectOf(options, ids);
  const influx = influxTarget(config);
  const archive = archiveTarget(config, context.aws, { maxAttempts: 1 });
  const logger = context.createLogger(config.logLevel);
  const { stop: signal } = context;
  limitHeapGrowth();
  const influxReader = new HttpInfluxReader({ ...influx, timeoutMs: QUERY_TIMEOUT_MS });
  const progress = new Progress(context.stderr);
  let sink: PointSink | undefined;
  let held: HeldCheckpoints | undefined;
  let lock: FileLock | undefined;
  try {
    warnOfProxies(context.env, logger);
    await preflightForget(
      { influx, buckets: schemaOf(config).buckets },
      options.dryRun ? ['read'] : ['read', 'write'],
      {
        signal,
        deadlineMs: config.startDeadlineMs,
        logger,
      },
    );
    const reader = openArchiveReader(archive);
    const tables = openTables(archive, resolve(context.cwd, options.temporary));
    const schema: Schema = { ...schemaOf(config), totalsSplitFromMs: await readTotalsSplit(reader, signal) };
    const before = (await readForgotten(reader, key, ids, signal)).of(subject);
    if (before !== undefined && before !== replacement) {
      throw new UserpulseError('bad_request', `This ${subject.kind} has been forgotten before, ${FORMS[before]}.`, {
        hint: before === 'pseudonym' ? 'Add --pseudonym.' : 'Leave out --pseudonym.',
      });
    }
    const naming = new InfluxPoints({ target: influx, reader: influxReader, schema, clock: systemClock, logger });
    let points: StoredPoints = naming;
    if (!options.dryRun) {
      held = await holdIngest(context, config.checkpoint);
      lock = await lockArchive(tables, 'forget');
      const writer = openArchiveWriter(archive, {
        codec: DEFAULT_CODEC,
        clock: systemClock,
        logger,
        onRetry: () => undefined,
      });
      // First: whatever is read from now on is known to be of somebody who is forgotten.
      await addForgotten(writer, subject, replacement, key, signal);
      const influxSink = new InfluxSink({
        target: influx,
        buckets: schema.buckets,
        clock: systemClock,
        logger,
        connections: PARALLEL,
        onRetry: () => undefined,
        onAnswer: () => undefined,
        onExpired: () => undefined,
      });
      const marks = new HourMarks(influxSink, systemClock);
      sink = markedSink(influxSink, marks);
      points = markedPoints(points, marks);
    }
    const journal = new Journal(
      options.dryRun
        ? undefined
        : resolve(context.cwd, options.state, `${key.hashOf(subject.kind, subject.id).slice(0, 32)}.ndjson`),
    );
    const text = replacementOf(subject, replacement, key, ids);
    const result = await forget({
      erasure: { subject, replacement, text, schema },
      eraser: new LineEraser(subject, text, key, ids),
      naming,
      points,
      sink,
      reader,
      tables,
      journal,
      checkpoints: held,
      furtherFields: options.furtherFields,
      maxLines: config.batchMaxLines,
      parallel: PARALLEL,
      clock: systemClock,
      signal,
      onProgress: (step, fraction) => progress.status(step, fraction),
    });
    progress.clear();
    (options.json ? context.stderr : context.stdout).write(resultText(result, options, schema));
    if (options.dryRun) return;
    const { stats, left } = result;
    const signed = signReport(
      {
        version: 1,
        program: `userpulse ${VERSION}`,
        subject,
        replacement,
        startedAt: journal.startedAt,
        finishedAt: new Date(systemClock.now()).toISOString(),
        influxdb: {
          host: influx.host,
          org: influx.org,
          points: Object.fromEntries(BUCKET_ROLES.map((role) => [schema.buckets[role], result.points[role]])),
          hours: result.hours,
          left,
        },
        archive: {
          url: reader.url,
          events: result.events,
          rejected: result.rejected,
          tableRows: result.tableRows,
          left: stats.mentioned.lines + stats.unreadable.lines,
        },
        notReached: [...NOT_REACHED],
      },
      key,
    );
    const line = `${JSON.stringify(signed)}\n`;
    if (options.report !== undefined) await replaceFile(resolve(context.cwd, options.report), [Buffer.from(line)]);
    if (options.json) context.stdout.write(line);
    failWhereIncomplete(result);
  } catch (error) {
    if (!signal.aborted || options.dryRun) throw error;
    throw new UserpulseError('aborted', 'Stopped before everything was erased.', {
      hint: 'Run the same command again to go on.',
      cause: error,
    });
  } finally {
    progress.clear();
    await influxReader.close();
    await sink?.close();
    await lock?.release();
    await held?.close();
    if (archive.kind === 's3') archive.s3.destroy();
  }
}

const FORMS: Readonly<Record<Replacement, string>> = { nobody: 'without a pseudonym', pseudonym: 'with a pseudonym' };

/**
 * Keeps ingest from running meanwhile: it compares what it archives again with what is there, and would write points between reading and removing.
 * @returns undefined where there is no checkpoint
 * @throws UserpulseError `checkpoint_locked` while it runs; `checkpoint_unusable` where it was killed and has to finish something first
 */
async function holdIngest(context: CommandContext, checkpoint: URL): Promise<HeldCheckpoints | undefined> {
  if (!(await hasCheckpoints(checkpoint))) {
    context.stderr.write(
      `Found no checkpoint at ${checkpoint.href} (USERPULSE_CHECKPOINT). That is fine if no ingest writes to these buckets any more.\n`,
    );
    return undefined;
  }
  const held = await holdCheckpoints(checkpoint, context.config(['stream']).stream);
  const pending = held.shards.find((shard) => shard.pending !== null);
  if (pending === undefined) return held;
  await held.close();
  throw new UserpulseError(
    'checkpoint_unusable',
    `Ingest was killed while it archived records of ${pending.shardId}, and will archive the same again.`,
    { hint: 'Start ingest, stop it with SIGTERM, and run the same command again.' },
  );
}

function resultText(result: ForgetResult, { dryRun, furtherFields }: Options, schema: Schema): string {
  const { points, stats, events, rejected, tableRows, hours, placedDays, resumed } = result;
  const [did, done] = dryRun ? ['Would erase', 'would be rewritten'] : ['Erased', 'were rewritten'];
  const lines = [
    ...(resumed ? ['Went on with an earlier run, whose changes are counted.'] : []),
    ...BUCKET_ROLES.map((role) => {
      const { removed, rewritten } = points[role];
      return `${schema.buckets[role]}: ${did.toLowerCase()} ${counted(removed, 'point')}, and the ID from ${counted(rewritten, 'point')} of others`;
    }),
    `Archive: ${counted(events, 'line')} of events, ${formatNumber(rejected)} of rejected records and ${formatNumber(tableRows)} of tables ${done}, in ${counted(stats.objects, 'object')} and ${counted(stats.tables, 'table')} read`,
    `Hours in which points change: ${formatNumber(hours)}`,
  ];
  if (placedDays > 0)
    lines.push(`Placed anew, because points stood close to each other: ${counted(placedDays, 'day')}`);
  const { mentioned, unreadable, foreign } = stats;
  if (mentioned.lines > 0 && !furtherFields) {
    lines.push(
      `Left: ${counted(mentioned.lines, 'line')} of others with the ID in further fields or in the event ID, the first in ${mentioned.first ?? ''}; --further-fields drops those fields`,
    );
  }
  if (unreadable.lines > 0)
    lines.push(
      `Left: ${counted(unreadable.lines, 'invalid line')} with the ID, the first in ${unreadable.first ?? ''}`,
    );
  if (foreign > 0) lines.push(`Not read: ${counted(foreign, 'object')} that ingest did not write`);
  if (!dryRun) lines.push('Not reached:', ...NOT_REACHED.map((text) => `  - ${text}`));
  return lines.map((line) => `${line}\n`).join('');
}

/** Everything else is done by now, but an incomplete run must not look like success. */
function failWhereIncomplete({ refused, left, stats }: ForgetResult): void {
  if (refused !== undefined || left > 0) {
    throw new UserpulseError(
      'influx_rejected',
      refused === undefined
        ? `${counted(left, 'point')} still name the ID: they were written meanwhile.`
        : `InfluxDB rejected ${counted(refused.points, 'point')}. The first: ${refused.example}`,
      { hint: 'Stop everything that writes to the buckets, and run the same command again.' },
    );
  }
  if (stats.unreadable.lines > 0) {
    throw new UserpulseError(
      'archive_damaged',
      `${counted(stats.unreadable.lines, 'line')} of the archive may name the ID and cannot be rewritten: no valid events of their day.`,
      { hint: `Correct them by hand, the first in ${stats.unreadable.first ?? ''}, and run the same command again.` },
    );
  }
}

const VERDICTS = {
  changed: 'It is not as it was signed.',
  other_key: 'It was signed with another key than USERPULSE_ERASURE_KEY.',
} as const;

async function check(context: CommandContext, file: string): Promise<void> {
  const path = resolve(context.cwd, file);
  const key = erasureKey(context);
  let verdict: ReturnType<typeof verifyReport>;
  try {
    verdict = verifyReport(await readFile(path, 'utf8'), key);
  } catch (error) {
    throw new UserpulseError('input_unreadable', `${path} is no report of an erasure.`, { cause: error });
  }
  if (verdict !== 'valid')
    throw new UserpulseError('input_unreadable', `${path} cannot be relied on. ${VERDICTS[verdict]}`);
  context.stdout.write(`${path} is as it was signed with this key.\n`);
}
