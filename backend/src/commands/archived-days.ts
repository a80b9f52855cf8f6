import { Option, InvalidArgumentError, type Command } from 'commander';
import { resolve } from 'node:path';
import { ID_KIND_NAMES } from '../../../contract/ids.ts';
import type { DayRange } from '../archive/days.ts';
import { dayText } from '../archive/keys.ts';
import { UserpulseError } from '../errors.ts';
import { counted, formatNumber, roughDuration } from '../format.ts';
import type { Refused } from '../replay/batch-writer.ts';
import { ReplayState, type ReplayTarget } from '../replay/state.ts';
import type { LineCounts } from '../replay/stats.ts';
import { prefixSchemeText, schemeOfKind, type Schema } from '../schema/buckets.ts';
import type { ReplaySource } from '../table/replay-source.ts';
import { collected, dayArgument } from './arguments.ts';
import type { CommandContext } from './context.ts';

/* What `replay` and `repair` have in common: both work through archived days and keep their progress. */

export interface DaysOptions extends DayRange {
  readonly dryRun: boolean;
  readonly parallel: number;
  readonly without: readonly string[];
  readonly state: string;
  readonly restart: boolean;
  readonly json: boolean;
}

export const withDays = (command: Command): Command =>
  command
    .requiredOption('--from <day>', 'first UTC day of the events, YYYY/MM/DD or YYYY-MM-DD', dayArgument)
    .requiredOption('--to <day>', 'last UTC day (inclusive)', dayArgument);

/** @param what for the folder and the help: `replay` or `repair` */
export const withProgress = (command: Command, what: string): Command =>
  command
    .option('--parallel <n>', 'objects to read, and batches to write, at a time', parallelArgument, 4)
    .option('--restart', `start over instead of resuming an interrupted ${what}`, false)
    .addOption(
      new Option('--without <key>', 'skip an object, for example a damaged one; repeatable')
        .argParser(collected)
        .default([], 'none'),
    )
    .option('--state <folder>', `where to keep the progress of each ${what}`, `userpulse-data/${what}`)
    .option('--json', 'print the result as one line of JSON', false);

/** @throws UserpulseError bad_request */
export function requireOrder({ from, to }: DayRange): void {
  if (from <= to) return;
  throw new UserpulseError('bad_request', `--from ${dayText(from)} is after --to ${dayText(to)}.`, {
    hint: 'Swap them.',
  });
}

/** The progress of these days in these buckets, with what an earlier run has done where that is to be skipped. */
export async function openState(
  context: CommandContext,
  options: Pick<DaysOptions, 'state' | 'restart'> & { readonly onlyChanged?: boolean },
  target: Pick<ReplayTarget, 'archive' | 'influx' | 'types' | 'command'>,
  schema: Schema,
): Promise<ReplayState> {
  const what = target.command ?? 'replay';
  const state = new ReplayState(resolve(context.cwd, options.state), {
    ...target,
    buckets: Object.values(schema.buckets),
    schemes: ID_KIND_NAMES.map((kind) => prefixSchemeText(schemeOfKind(kind, schema))),
  });
  if (!options.restart) await state.load();
  if (state.startedAt === '' || (state.complete && options.onlyChanged !== true)) state.begin(new Date());
  else {
    context.stderr.write(
      state.complete
        ? `Skipping days that have not changed since the ${what} of ${state.startedAt}.\n`
        : `Resuming the ${what} of ${state.startedAt} from ${state.path}; use --restart to start over.\n`,
    );
  }
  return state;
}

/** @throws UserpulseError not_found, where there is nothing to do */
export function tellPlan(
  context: CommandContext,
  options: DayRange,
  { days, foreign, fromTables }: ReplaySource,
  archive: string,
  ...more: readonly string[]
): void {
  const objects = days.reduce((sum, day) => sum + day.objects.length, 0);
  const bytes = days.reduce((sum, day) => sum + day.bytes, 0);
  const range = `${dayText(options.from)} to ${dayText(options.to)}`;
  if (objects === 0) {
    throw new UserpulseError('not_found', `${archive} (USERPULSE_ARCHIVE) holds no objects for ${range}.`, {
      hint: 'Check that these are the days of the events (not of their arrival), and that this is the archive that ingest writes to.',
    });
  }
  const lines = [
    `${counted(objects, 'object')} of ${counted(days.length, 'day')} (${range}), ${(bytes / 1e6).toFixed(1)} MB, from ${archive}`,
  ];
  if (fromTables > 0) {
    lines.push(`Reading ${counted(fromTables, 'day')} from tables too, because objects have been removed.`);
  }
  if (foreign.length > 0) {
    lines.push(
      `Skipping ${counted(foreign.length, 'object')} that ingest did not write, the first: ${foreign[0] ?? ''}`,
    );
  }
  context.stderr.write([...lines, ...more].map((line) => `${line}\n`).join(''));
}

/** Everything else is written by now, but an incomplete run must not look like success. */
export function failWhereIncomplete(what: string, stats: LineCounts, refused: Refused | undefined): void {
  if (refused !== undefined) {
    throw new UserpulseError(
      'influx_rejected',
      `InfluxDB rejected ${counted(refused.points, 'point')}; all others are written. The first: ${refused.example}`,
      {
        hint: `Most often, something else has written a field of another type to the bucket. Correct that, then ${what} these days again.`,
      },
    );
  }
  if (stats.invalidLines > 0) {
    throw new UserpulseError(
      'archive_damaged',
      `${counted(stats.invalidLines, 'line')} of the archive ${stats.invalidLines === 1 ? 'is' : 'are'} not valid for their day. All other events are written.`,
      { hint: 'Ingest archives only valid events. These objects were changed by hand or written by another version.' },
    );
  }
}

/** `1,234 events · 500/s · 3 min left` */
export function rateText(events: number, fraction: number, elapsedMs: number): string {
  const rate = Math.round((events * 1000) / Math.max(1, elapsedMs));
  const left = fraction === 0 ? '' : ` · ${roughDuration((elapsedMs * (1 - fraction)) / fraction)} left`;
  return `${formatNumber(events)} events · ${formatNumber(rate)}/s${left}`;
}

function parallelArgument(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 64)
    throw new InvalidArgumentError('It must be a whole number from 1 to 64.');
  return value;
}
