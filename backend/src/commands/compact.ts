import { ID_SETTINGS } from './settings.ts';
import { Option } from 'commander';
import { resolve } from 'node:path';
import type { ArchiveReader } from '../archive/archive-reader.ts';
import { planDays } from '../archive/day-plan.ts';
import type { DayRange } from '../archive/days.ts';
import { dayOf, dayText, tableKey } from '../archive/keys.ts';
import { openArchiveReader, openTables } from '../archive/open-archive.ts';
import { archiveTarget, idFormatsOf } from '../checks/targets.ts';
import { systemClock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import type { FileLock } from '../files/file-lock.ts';
import { counted } from '../format.ts';
import { Progress } from '../progress.ts';
import { compactDay, type CompactedDay } from '../table/compact-day.ts';
import { findTables, heldKeys } from '../table/find-tables.ts';
import { collected, dayArgument } from './arguments.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { lockArchive } from './erasure.ts';
import { sayProxies } from './proxies.ts';

interface Options {
  readonly day?: number;
  readonly from?: number;
  readonly to?: number;
  readonly remove: boolean;
  readonly without: readonly string[];
  readonly temporary: string;
  readonly json: boolean;
}

/** Objects that are read at a time. */
const PARALLEL = 4;

export const registerCompact: RegisterCommand = (program, context) => {
  program
    .command('compact')
    .summary('write archived days as Parquet tables, for SQL')
    .description(
      'Writes the archived events of a day as one Parquet file, sorted by time, beside the objects of the archive: events/year=YYYY/month=MM/day=DD/. ' +
        'Each line is compared with its object before the table gets its place. A day whose table holds every object already is left as it is; one ' +
        'with new objects is written anew.',
    )
    .option('--day <day>', 'a UTC day of the events, YYYY/MM/DD or YYYY-MM-DD', dayArgument)
    .option('--from <day>', 'first UTC day, instead of --day', dayArgument)
    .option('--to <day>', 'last UTC day (inclusive)', dayArgument)
    .option(
      '--remove',
      'remove the objects that a table holds, after the table in the archive has been compared with them line by line; replay and repair then read the table',
      false,
    )
    .addOption(
      new Option('--without <key>', 'leave an object out, for example a damaged one; repeatable')
        .argParser(collected)
        .default([], 'none'),
    )
    .option('--temporary <folder>', 'where a table is written before it goes to S3', 'userpulse-data/compact')
    .option('--json', 'print the result as one line of JSON', false)
    .addHelpText(
      'after',
      `
Environment:
  USERPULSE_ARCHIVE                          s3://BUCKET/PREFIX or file:///DIR; needs s3:ListBucket, GetObject, PutObject,
                                             AbortMultipartUpload, and for --remove DeleteObject
  USERPULSE_USER_ID, USERPULSE_SHARE_ID      as ingest has them
  AWS_REGION, AWS_ENDPOINT_URL_S3 and AWS credentials

Examples:
  userpulse compact --day 2012-07-01
  userpulse compact --from 2012-07-01 --to 2012-07-07 --remove`,
    )
    .action((options: Options) => run(context, options));
};

async function run(context: CommandContext, options: Options): Promise<void> {
  const range = rangeOf(options);
  refuseUnfinished(range);
  const config = context.config(['archive', 'archiveRegion', ...ID_SETTINGS]);
  sayProxies(context);
  const archive = archiveTarget(config, context.aws, { maxAttempts: 1 });
  const progress = new Progress(context.stderr);
  let lock: FileLock | undefined;
  try {
    const reader = openArchiveReader(archive);
    const tables = openTables(archive, resolve(context.cwd, options.temporary));
    // Before anything is created: a folder that is not there is no archive.
    const days = await daysOf(context, reader, range, options);
    lock = await lockArchive(tables, 'compact');
    const results: CompactedDay[] = [];
    for (const day of days) {
      await lock.check();
      const result = await compactDay(day, {
        reader,
        tables,
        ids: idFormatsOf(config),
        without: new Set(options.without),
        removes: options.remove,
        parallel: PARALLEL,
        signal: context.stop,
        onProgress: (step, fraction) => progress.status(`${dayText(day)} · ${step}`, fraction),
      });
      progress.clear();
      results.push(result);
      (options.json ? context.stderr : context.stdout).write(`${resultText(result)}\n`);
    }
    if (options.json) context.stdout.write(`${JSON.stringify({ days: results.map(resultJson) })}\n`);
  } finally {
    progress.clear();
    await lock?.release();
    if (archive.kind === 's3') archive.s3.destroy();
  }
}

function rangeOf({ day, from, to }: Options): DayRange {
  const bad = (message: string, hint: string): UserpulseError => new UserpulseError('bad_request', message, { hint });
  if (day !== undefined) {
    if (from !== undefined || to !== undefined)
      throw bad('--day and --from or --to were given.', 'Use one or the other.');
    return { from: day, to: day };
  }
  if (from === undefined || to === undefined) throw bad('No day was given.', 'Use --day DAY, or --from DAY --to DAY.');
  if (from > to) throw bad(`--from ${dayText(from)} is after --to ${dayText(to)}.`, 'Swap them.');
  return { from, to };
}

/** Events of a day that is not over are still to come: its table would be behind as soon as it is written. */
function refuseUnfinished({ to }: DayRange): void {
  const today = dayOf(systemClock.now());
  if (to < today) return;
  throw new UserpulseError(
    'bad_request',
    `${dayText(to)} is not over (UTC), and its events are still being archived.`,
    {
      hint: `The last day that can be compacted is ${dayText(today - 1)}.`,
    },
  );
}

/** The days of the range that the archive holds anything of. @throws UserpulseError `not_found` where there are none */
async function daysOf(
  context: CommandContext,
  reader: ArchiveReader,
  range: DayRange,
  options: Options,
): Promise<readonly number[]> {
  const tables = await findTables(reader, range, context.stop);
  const { days, foreign } = await planDays(reader, range, new Set(options.without), context.stop, heldKeys(tables));
  if (days.length === 0) {
    const which = range.from === range.to ? dayText(range.from) : `${dayText(range.from)} to ${dayText(range.to)}`;
    throw new UserpulseError('not_found', `${reader.url} (USERPULSE_ARCHIVE) holds no objects for ${which}.`, {
      hint: 'Check that these are the days of the events (not of their arrival), and that this is the archive that ingest writes to.',
    });
  }
  if (foreign.length > 0) {
    context.stderr.write(
      `Skipping ${counted(foreign.length, 'object')} that ingest did not write, the first: ${foreign[0] ?? ''}\n`,
    );
  }
  return days.map(({ day }) => day);
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

function resultText(result: CompactedDay): string {
  const { day, rows, objects, objectBytes, tableBytes, removed } = result;
  const holds = `${counted(rows, 'line')} of ${counted(objects, 'object')}`;
  const text =
    result.result === 'written'
      ? `${dayText(day)}: wrote and verified ${tableKey(day)}, ${holds}, ${megabytes(tableBytes)} (as NDJSON ${megabytes(objectBytes)}).`
      : `${dayText(day)}: nothing to do, ${tableKey(day)} holds ${holds}.`;
  return removed === 0 ? text : `${text} Removed ${counted(removed, 'object')} after comparing them with it.`;
}

const resultJson = ({ day, ...rest }: CompactedDay) => ({ day: dayText(day), key: tableKey(day), ...rest });
