import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { openArchive } from '../archive/open.ts';
import { createS3Client } from '../archive/s3-client.ts';
import { createKinesisClient } from '../kinesis/client.ts';
import { runChecks } from '../check.ts';
import { refuse } from '../checks/preflight.ts';
import { streamCheck } from '../kinesis/check.ts';
import { archiveTarget, awsEndpoint, streamTarget } from '../checks/targets.ts';
import {
  dataOf,
  deadLetters,
  parseLetter,
  preview,
  type FoundLetter,
  type StoredLetter,
} from '../dead-letters/read.ts';
import { redrive, type RedriveTally } from '../dead-letters/redrive.ts';
import { UserpulseError } from '../errors.ts';
import { systemClock } from '../clock.ts';
import { ProgressLine } from '../produce/progress.ts';
import { Sender } from '../kinesis/sender.ts';
import { classifyPut, putTo } from '../kinesis/put-records.ts';
import { counted } from '../replay/report.ts';
import { collected, dayArgument, listArgument } from './arguments.ts';
import type { CommandContext, RegisterCommand } from './context.ts';

interface Range {
  readonly from?: number;
  readonly to?: number;
  readonly code: readonly string[];
  readonly without: readonly string[];
}

/** Days of arrival where none are named: all that the contract knows. */
const FIRST_DAY = 10_957;
const LAST_DAY = 2_932_896;
/** Calls in flight at once, and how long they may fail in a row, ms. */
const CONCURRENCY = 4;
const GIVE_UP_AFTER_MS = 60_000;
const SHOWN_BYTES = 100;

const ARCHIVE_ENVIRONMENT = `
  USERPULSE_ARCHIVE                          s3://BUCKET/PREFIX or file:///DIR; needs s3:ListBucket and GetObject
  AWS_REGION, AWS_ENDPOINT_URL_S3 and AWS credentials`;

export const registerDeadLetters: RegisterCommand = (program, context) => {
  const letters = program
    .command('dead-letters')
    .summary('read, count and put back what ingest has rejected')
    .description(
      'Works on the dead letters: records that were no events, and events whose points InfluxDB refused. Ingest keeps them below _rejected/ of\n' +
        'the archive, by the UTC day of their arrival, with the reason and the original bytes. Nothing here changes or removes them.',
    );
  ranged(letters.command('list'))
    .summary('show dead letters')
    .description('Shows dead letters, oldest day first.')
    .option('--limit <n>', 'show so many at most', wholeNumber)
    .option('--json', 'print each as it is stored: a line of JSON, its bytes as base64 in "data"', false)
    .addHelpText(
      'after',
      `
Environment:${ARCHIVE_ENVIRONMENT}

Examples:
  userpulse dead-letters list --from 2012/07/01 --limit 20
  userpulse dead-letters list --code not_json --json | jq -r '.data | @base64d'`,
    )
    .action((options: Range & { readonly limit?: number; readonly json: boolean }) => list(context, options));
  ranged(letters.command('count'))
    .summary('count dead letters by reason')
    .description('Counts dead letters by code, the most frequent first, with an example of each.')
    .option('--json', 'print the counts as JSON', false)
    .addHelpText('after', `\nEnvironment:${ARCHIVE_ENVIRONMENT}`)
    .action((options: Range & { readonly json: boolean }) => count(context, options));
  ranged(letters.command('redrive'))
    .summary('put dead letters back on the stream')
    .description(
      'Puts the original bytes of dead letters back on the stream, where ingest meets them as new records: each becomes a new line of the archive.\n' +
        'The letter stays where it is. What would be rejected again as it is, is not put. Running it twice puts them twice, which counts once:\n' +
        'an event is known by its eventId.',
    )
    .option(
      '--file <path>',
      'take letters from a file (or - for standard input) instead: lines of "list --json", mended',
    )
    .option('--dry-run', 'put nothing, and say what would be put', false)
    .addHelpText(
      'after',
      `
Environment:
  USERPULSE_STREAM                           Kinesis stream; needs kinesis:DescribeStreamSummary and PutRecords
  USERPULSE_MAX_AHEAD_MS                     as ingest has it${ARCHIVE_ENVIRONMENT}
  AWS_ENDPOINT_URL_KINESIS

Examples:
  userpulse dead-letters redrive --from 2012/07/01 --to 2012/07/01 --code influx_refused,occurred_at_ahead
  userpulse dead-letters list --code type_invalid --json \\
    | jq -c '.data |= (@base64d | sub("\\"LIKE\\""; "\\"like\\"") | @base64)' | userpulse dead-letters redrive --file -`,
    )
    .action((options: Range & { readonly file?: string; readonly dryRun: boolean }) =>
      redriveCommand(context, options),
    );
  // A subcommand does not inherit exitOverride when it is made by hand.
  for (const command of letters.commands) command.exitOverride();
};

const ranged = (command: Command): Command =>
  command
    .option('--from <day>', 'first UTC day of arrival, YYYY/MM/DD or YYYY-MM-DD', dayArgument)
    .option('--to <day>', 'last UTC day of arrival, included', dayArgument)
    .addOption(new Option('--code <a,b,…>', 'letters with these codes only').argParser(listArgument).default([], 'all'))
    .addOption(
      new Option('--without <key>', 'leave out an object, say a damaged one; may be given several times')
        .argParser(collected)
        .default([], 'none'),
    );

/** Letters of the archive, with its clients closed when they are read, or given up. */
async function* found(context: CommandContext, options: Range): AsyncGenerator<FoundLetter, void, void> {
  const config = context.config(['archive']);
  const days = { from: options.from ?? FIRST_DAY, to: options.to ?? LAST_DAY };
  if (days.from > days.to) {
    throw new UserpulseError('bad_request', '--from is after --to.', {
      hint: 'Both days are included; exchange them.',
    });
  }
  const archive = archiveTarget(config, context.env, () =>
    createS3Client({ customEndpoint: awsEndpoint(context.env, 'S3') !== undefined, maxAttempts: 1 }),
  );
  try {
    yield* deadLetters(
      openArchive(archive),
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
  const { limit = Infinity, json } = options;
  let shown = 0;
  for await (const { letter, line } of found(context, options)) {
    if (shown === limit) {
      context.stderr.write(`There are more; --limit ${limit} was reached.\n`);
      return;
    }
    shown++;
    await print(context, json ? line : describe(letter));
  }
  if (shown === 0) context.stderr.write('No dead letters.\n');
}

function describe(letter: StoredLetter): string {
  const { arrivedAt, code, reason, shardId, sequenceNumber, subSequence } = letter;
  const data = dataOf(letter);
  const sub = subSequence === undefined ? '' : ` sub-record ${subSequence}`;
  return `${arrivedAt}  ${code}  ${shardId} ${sequenceNumber}${sub}\n  ${reason}\n  ${counted(data.length, 'byte')}: ${preview(data, SHOWN_BYTES)}`;
}

async function count(context: CommandContext, options: Range & { readonly json: boolean }): Promise<void> {
  interface Group {
    letters: number;
    first: string;
    last: string;
    readonly example: string;
  }
  const groups = new Map<string, Group>();
  let letters = 0;
  for await (const { letter } of found(context, options)) {
    letters++;
    const { code, arrivedAt, reason } = letter;
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
    await print(context, `\n${code}  ${counted(of, 'letter')}, ${first} to ${last}\n  ${example}`);
  }
}

async function redriveCommand(
  context: CommandContext,
  options: Range & { readonly file?: string; readonly dryRun: boolean },
): Promise<void> {
  const { file, dryRun } = options;
  if (file === undefined && (options.from === undefined || options.to === undefined)) {
    throw new UserpulseError('bad_request', 'redrive needs --from and --to, or --file.', {
      hint: 'Look first: "userpulse dead-letters count" shows what there is.',
    });
  }
  const config = context.config(['stream', 'maxAheadMs', ...(file === undefined ? (['archive'] as const) : [])]);
  const target = streamTarget(config, context.env);
  const kinesis = createKinesisClient({ maxAttempts: 1 });
  const tally: RedriveTally = { put: 0, stillBad: new Map() };
  try {
    if (!dryRun) refuse(await runChecks([streamCheck(kinesis, target)], { signal: context.stop }), 'cannot put back');
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
    const progress = new ProgressLine(context.stderr, systemClock.now());
    try {
      await redrive(
        file === undefined ? stored(context, options) : fromFile(context, file, new Set(options.code)),
        {
          sender,
          maxAheadMs: config.maxAheadMs,
          nowMs: () => systemClock.now(),
          onLetter: () => sender && progress.update(sender.sent, systemClock.now()),
        },
        tally,
      );
    } catch (error) {
      if (!context.stop.aborted) throw error;
      throw new UserpulseError(
        'aborted',
        `Stopped. ${counted(sender?.sent.entries ?? 0, 'letter')} are on the stream.`,
        {
          hint: 'The same command puts all of them, those a second time; their events count once.',
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
      ? `Would put ${counted(tally.put, 'letter')} back on stream "${config.stream}".`
      : `Put ${counted(tally.put, 'letter')} back on stream "${config.stream}". Each is a new record, and becomes a new line of the archive.`,
  );
  for (const [code, { letters, example }] of tally.stillBad) {
    await print(
      context,
      `Not put, because it would be rejected again (${code}): ${counted(letters, 'letter')}. ${example}`,
    );
  }
}

async function* stored(context: CommandContext, options: Range): AsyncGenerator<StoredLetter, void, void> {
  for await (const { letter } of found(context, options)) yield letter;
}

async function* fromFile(
  context: CommandContext,
  file: string,
  codes: ReadonlySet<string>,
): AsyncGenerator<StoredLetter, void, void> {
  const input = file === '-' ? context.stdin : createReadStream(resolve(context.cwd, file));
  const name = file === '-' ? 'standard input' : file;
  let number = 0;
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      number++;
      if (line.trim() === '') continue;
      const letter = parseLetter(line, `Line ${number} of ${name}`, 'input_unreadable');
      if (codes.size === 0 || codes.has(letter.code)) yield letter;
    }
  } catch (error) {
    if (error instanceof UserpulseError) throw error;
    throw new UserpulseError(
      'input_unreadable',
      `${name} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      {
        hint: 'Correct --file.',
        cause: error,
      },
    );
  }
}

/** A line to standard output; waits where the reader is slower than we are. */
async function print(context: CommandContext, line: string): Promise<void> {
  if (context.stdout.write(`${line}\n`)) return;
  await new Promise<void>((done) => context.stdout.once('drain', done));
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return Number(text);
}
