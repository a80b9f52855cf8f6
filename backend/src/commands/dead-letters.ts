import { ID_SETTINGS } from './settings.ts';
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { openArchiveReader } from '../archive/open-archive.ts';
import { createKinesisClient } from '../kinesis/client.ts';
import { runChecks } from '../check.ts';
import { refuse } from '../checks/preflight.ts';
import { streamCheck } from '../kinesis/stream-check.ts';
import { archiveTarget, idFormatsOf, streamTarget } from '../checks/targets.ts';
import type { StoredDeadLetter } from '../archive/dead-letter.ts';
import {
  dataOf,
  givenDeadLetters,
  preview,
  storedDeadLetters,
  type FoundDeadLetter,
} from '../dead-letters/find-dead-letters.ts';
import { redrive, type RedriveStats } from '../dead-letters/redrive.ts';
import { UserpulseError } from '../errors.ts';
import { systemClock } from '../clock.ts';
import { counted } from '../format.ts';
import { SendProgress } from '../produce/send-progress.ts';
import { Progress } from '../progress.ts';
import { Sender } from '../kinesis/sender.ts';
import { classifyPut, putTo } from '../kinesis/put-records.ts';
import { collected, dayArgument, listArgument } from './arguments.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { sayProxies } from './proxies.ts';

interface Range {
  readonly from?: number;
  readonly to?: number;
  readonly code: readonly string[];
  readonly without: readonly string[];
}

/** Days of arrival where none are given: all that the contract allows. */
const FIRST_DAY = 10_957;
const LAST_DAY = 2_932_896;
/** PutRecords calls at a time, and how long they may fail in a row, in ms. */
const CONCURRENCY = 4;
const GIVE_UP_AFTER_MS = 60_000;
const SHOWN_BYTES = 100;

const ARCHIVE_ENVIRONMENT = `
  USERPULSE_ARCHIVE                          s3://BUCKET/PREFIX or file:///DIR; needs s3:ListBucket and GetObject
  AWS_REGION, AWS_ENDPOINT_URL_S3 and AWS credentials`;

export const registerDeadLetters: RegisterCommand = (program, context) => {
  const deadLetters = program
    .command('dead-letters')
    .summary('list, count and redrive the records that ingest rejected')
    .description(
      'Works with dead letters: records that are not valid events, and events whose points InfluxDB refused. Ingest keeps them in the archive below ' +
        '_rejected/, by UTC day of arrival, with the reason and the original bytes. These commands never change or delete them.',
    );
  ranged(deadLetters.command('list'))
    .summary('list dead letters')
    .description('Lists dead letters, oldest day first.')
    .option('--limit <n>', 'list at most n', wholeNumber)
    .option('--json', 'print each as it is stored: one line of JSON, with its bytes as base64 in "data"', false)
    .addHelpText(
      'after',
      `
Environment:${ARCHIVE_ENVIRONMENT}

Examples:
  userpulse dead-letters list --from 2012/07/01 --limit 20
  userpulse dead-letters list --code not_json --json | jq -r '.data | @base64d'`,
    )
    .action((options: Range & { readonly limit?: number; readonly json: boolean }) => list(context, options));
  ranged(deadLetters.command('count'))
    .summary('count dead letters by reason')
    .description('Counts dead letters by code, most frequent first, with an example of each.')
    .option('--json', 'print the counts as JSON', false)
    .addHelpText('after', `\nEnvironment:${ARCHIVE_ENVIRONMENT}`)
    .action((options: Range & { readonly json: boolean }) => count(context, options));
  ranged(deadLetters.command('redrive'))
    .summary('send dead letters to the stream again')
    .description(
      'Sends the original bytes of dead letters to the stream again, as new records: each accepted event becomes a new line of the archive. ' +
        'The dead letter itself stays. Records that would be rejected again are not sent. Running the command twice sends records twice, ' +
        'but each event still counts once, because it is identified by its eventId.',
    )
    .option('--file <path>', 'read dead letters from a file (- for standard input): lines of "list --json", corrected')
    .option('--dry-run', 'send nothing, and show what would be sent', false)
    .addHelpText(
      'after',
      `
Environment:
  USERPULSE_STREAM                           Kinesis stream; needs kinesis:DescribeStreamSummary and PutRecords
  USERPULSE_MAX_AHEAD_MS, USERPULSE_DECOMPRESS, USERPULSE_SPLIT, USERPULSE_USER_ID, USERPULSE_SHARE_ID
                                             as set for ingest${ARCHIVE_ENVIRONMENT}
  AWS_ENDPOINT_URL_KINESIS

Examples:
  userpulse dead-letters redrive --from 2012/07/01 --to 2012/07/01 --code influx_refused,occurred_at_ahead
  userpulse dead-letters list --code type_invalid --json \\
    | jq -c '.data |= (@base64d | sub("\\"LIKE\\""; "\\"like\\"") | @base64)' | userpulse dead-letters redrive --file -`,
    )
    .action((options: Range & { readonly file?: string; readonly dryRun: boolean }) =>
      redriveCommand(context, options),
    );
  // A subcommand does not inherit exitOverride.
  for (const command of deadLetters.commands) command.exitOverride();
};

const ranged = (command: Command): Command =>
  command
    .option('--from <day>', 'first UTC day of arrival, YYYY/MM/DD or YYYY-MM-DD', dayArgument)
    .option('--to <day>', 'last UTC day of arrival (inclusive)', dayArgument)
    .addOption(
      new Option('--code <a,b,…>', 'only dead letters with these codes').argParser(listArgument).default([], 'all'),
    )
    .addOption(
      new Option('--without <key>', 'skip an object, for example a damaged one; repeatable')
        .argParser(collected)
        .default([], 'none'),
    );

/** The archive's dead letters. Its clients are closed at the end. */
async function* found(context: CommandContext, options: Range): AsyncGenerator<FoundDeadLetter, void, void> {
  const config = context.config(['archive', 'archiveRegion']);
  const days = { from: options.from ?? FIRST_DAY, to: options.to ?? LAST_DAY };
  if (days.from > days.to) {
    throw new UserpulseError('bad_request', '--from is after --to.', {
      hint: 'Swap them.',
    });
  }
  const archive = archiveTarget(config, context.aws, { maxAttempts: 1 });
  try {
    yield* storedDeadLetters(
      openArchiveReader(archive),
      { days, codes: new Set(options.code), without: new Set(options.without) },
      context.stop,
    );
  } finally {
    if (archive.kind === 's3') archive.s3.destroy();
  }
}

async function list(
  context: CommandContext,
  options: Range & { readonly limit?: number; readonly json: boolean },
): Promise<void> {
  sayProxies(context);
  const { limit = Infinity, json } = options;
  let shown = 0;
  for await (const { deadLetter, line } of found(context, options)) {
    if (shown === limit) {
      context.stderr.write(`There are more: stopped at --limit ${limit}.\n`);
      return;
    }
    shown++;
    await print(context, json ? line : describe(deadLetter));
  }
  if (shown === 0) context.stderr.write('No dead letters.\n');
}

function describe(deadLetter: StoredDeadLetter): string {
  const { arrivedAt, code, reason, shardId, sequenceNumber, subSequence } = deadLetter;
  const data = dataOf(deadLetter);
  const sub = subSequence === undefined ? '' : ` sub-record ${subSequence}`;
  return `${arrivedAt}  ${code}  ${shardId} ${sequenceNumber}${sub}\n  ${reason}\n  ${counted(data.length, 'byte')}: ${preview(data, SHOWN_BYTES)}`;
}

async function count(context: CommandContext, options: Range & { readonly json: boolean }): Promise<void> {
  sayProxies(context);
  interface Group {
    letters: number;
    first: string;
    last: string;
    readonly example: string;
  }
  const groups = new Map<string, Group>();
  let letters = 0;
  for await (const { deadLetter } of found(context, options)) {
    letters++;
    const { code, arrivedAt, reason } = deadLetter;
    const group = groups.get(code);
    if (group === undefined) groups.set(code, { letters: 1, first: arrivedAt, last: arrivedAt, example: reason });
    else {
      group.letters++;
      if (arrivedAt < group.first) group.first = arrivedAt;
      if (arrivedAt > group.last) group.last = arrivedAt;
    }
  }
  const sorted = [...groups].sort(([, a], [, b]) => b.letters - a.letters);
  if (options.json) {
    await print(context, JSON.stringify({ letters, codes: sorted.map(([code, group]) => ({ code, ...group })) }));
    return;
  }
  await print(context, letters === 0 ? 'No dead letters.' : counted(letters, 'dead letter'));
  for (const [code, { letters: of, first, last, example }] of sorted) {
    await print(context, `\n${code}  ${counted(of, 'dead letter')}, ${first} to ${last}\n  ${example}`);
  }
}

async function redriveCommand(
  context: CommandContext,
  options: Range & { readonly file?: string; readonly dryRun: boolean },
): Promise<void> {
  sayProxies(context);
  const { file, dryRun } = options;
  if (file === undefined && (options.from === undefined || options.to === undefined)) {
    throw new UserpulseError('bad_request', 'redrive needs --from and --to, or --file.', {
      hint: '"userpulse dead-letters count" shows which dead letters there are.',
    });
  }
  const config = context.config([
    'stream',
    'maxAheadMs',
    ...ID_SETTINGS,
    'decompress',
    'split',
    ...(file === undefined ? (['archive'] as const) : []),
  ]);
  const target = streamTarget(config, context.aws);
  const kinesis = createKinesisClient({ maxAttempts: 1 });
  const stats: RedriveStats = { sent: 0, stillInvalid: new Map() };
  try {
    if (!dryRun)
      refuse(await runChecks([streamCheck(kinesis, target, 'look')], { signal: context.stop }), 'cannot redrive');
    const sender = dryRun
      ? undefined
      : new Sender({
          put: putTo(kinesis, config.stream, context.stop),
          classify: (error) => classifyPut(target, error),
          clock: systemClock,
          concurrency: CONCURRENCY,
          giveUpAfterMs: GIVE_UP_AFTER_MS,
          giveUp: context.stop,
        });
    const progress = new SendProgress(new Progress(context.stderr), systemClock.now());
    try {
      await redrive(
        file === undefined ? stored(context, options) : given(context, file, new Set(options.code)),
        {
          sender,
          decoding: { ...config, ids: idFormatsOf(config) },
          nowMs: () => systemClock.now(),
          onDeadLetter: () => sender && progress.update(sender.sent, systemClock.now()),
        },
        stats,
      );
    } catch (error) {
      if (!context.stop.aborted) throw error;
      throw new UserpulseError(
        'aborted',
        `Stopped after sending ${counted(sender?.sent.entries ?? 0, 'dead letter')}.`,
        {
          hint: 'Running the same command again sends all of them, including these; their events still count once.',
          cause: error,
        },
      );
    } finally {
      progress.clear();
    }
  } finally {
    kinesis.destroy();
  }
  await print(
    context,
    dryRun
      ? `Would send ${counted(stats.sent, 'dead letter')} to stream "${config.stream}".`
      : `Sent ${counted(stats.sent, 'dead letter')} to stream "${config.stream}", each as a new record.`,
  );
  for (const [code, { deadLetters, example }] of stats.stillInvalid) {
    await print(
      context,
      `Not sent, because they would be rejected again (${code}): ${counted(deadLetters, 'dead letter')}. ${example}`,
    );
  }
}

async function* stored(context: CommandContext, options: Range): AsyncGenerator<StoredDeadLetter, void, void> {
  for await (const { deadLetter } of found(context, options)) yield deadLetter;
}

async function* given(
  context: CommandContext,
  file: string,
  codes: ReadonlySet<string>,
): AsyncGenerator<StoredDeadLetter, void, void> {
  const input = file === '-' ? context.stdin : createReadStream(resolve(context.cwd, file));
  const name = file === '-' ? 'standard input' : file;
  try {
    for await (const deadLetter of givenDeadLetters(createInterface({ input, crlfDelay: Infinity }), name)) {
      if (codes.size === 0 || codes.has(deadLetter.code)) yield deadLetter;
    }
  } catch (error) {
    if (error instanceof UserpulseError) throw error;
    throw new UserpulseError(
      'input_unreadable',
      `${name} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      {
        hint: 'Check --file.',
        cause: error,
      },
    );
  }
}

/** A line to standard output. Waits for a reader that is slower than we are. */
async function print(context: CommandContext, line: string): Promise<void> {
  if (context.stdout.write(`${line}\n`)) return;
  await new Promise<void>((done) => context.stdout.once('drain', done));
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number of at least 1.');
  return Number(text);
}
