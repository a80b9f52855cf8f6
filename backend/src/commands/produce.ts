import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { createKinesisClient } from '../kinesis/client.ts';
import { runChecks } from '../check.ts';
import { refuse } from '../checks/preflight.ts';
import { streamCheck } from '../kinesis/stream-check.ts';
import { streamTarget } from '../checks/targets.ts';
import { UserpulseError } from '../errors.ts';
import { formatNumber } from '../format.ts';
import { systemClock } from '../clock.ts';
import { Busiest } from '../produce/busiest.ts';
import { AggregatingPacker, plainPacker, recordsIn } from '../kinesis/entry.ts';
import { higgsFile, timeSpan } from '../produce/higgs-file.ts';
import { Generator } from '../produce/generator.ts';
import { SendRate } from '../produce/send-rate.ts';
import { SendProgress } from '../produce/send-progress.ts';
import { Progress } from '../progress.ts';
import { send } from '../produce/send.ts';
import { Sender, type Sent } from '../kinesis/sender.ts';
import { generatedSource, replayedSource, shiftToNow, type Source } from '../produce/source.ts';
import { classifyPut, openShardEnds, putTo } from '../kinesis/put-records.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { sayProxies } from './proxies.ts';

interface ProduceOptions {
  readonly rate?: number;
  readonly users: number;
  readonly shares: number;
  readonly types: readonly string[];
  readonly invalid: number;
  readonly repeats: number;
  readonly seed?: number;
  readonly file?: string;
  readonly speed?: number;
  readonly shiftToNow: boolean;
  readonly seconds?: number;
  readonly events?: number;
  readonly aggregate: boolean;
  readonly json: boolean;
}

const DEFAULT_TYPES: readonly string[] = ['like', 'comment', 'reshare', 'follow', 'mention'];
const DEFAULT_RATE = 100;
/** PutRecords calls at a time. */
const CONCURRENCY = 4;
/** How long calls may fail in a row before the run ends, in ms. */
const GIVE_UP_AFTER_MS = 60_000;
/** Time after a signal for calls in flight to complete, in ms. */
const LAST_CALLS_MS = 10_000;
const LINGER_MS = { plain: 25, aggregate: 200 } as const;

export const registerProduce: RegisterCommand = (program, context) => {
  program
    .command('produce')
    .summary('send interactions to the stream: generated, or from a file')
    .description(
      'Sends interactions to the Kinesis stream: generated ones of a social network in which a few users are very active, or those of a Higgs file. ' +
        'Stops after --events or --seconds, at the end of the file, or on Ctrl-C once the calls in flight have completed.',
    )
    .option(
      '--rate <n>',
      'records per second; 0 = as fast as the stream accepts them (default: 100; with --file: 0)',
      number(0, 1e7),
    )
    .option('--users <n>', 'number of users', wholeNumber(2, 1e9), 100_000)
    .option('--shares <n>', 'number of shares (posts), created during the last 7 days', wholeNumber(1, 1e7), 10_000)
    .addOption(
      new Option('--types <a,b,…>', 'interaction types, most frequent first')
        .argParser(types)
        .default(DEFAULT_TYPES, DEFAULT_TYPES.join(',')),
    )
    .option('--invalid <fraction>', 'fraction of records that violate the data contract', number(0, 1), 0)
    .option('--repeats <fraction>', 'fraction of records that repeat an earlier event', number(0, 1), 0)
    .option(
      '--seed <n>',
      'generate the same interactions in every run, at other times and with other event IDs (default: random)',
      wholeNumber(0, Number.MAX_SAFE_INTEGER),
    )
    .option('--file <path>', 'replay the activity-time file of the Higgs Twitter dataset, plain or .gz')
    .option(
      '--speed <x>',
      'with --file: x times real time (default: as fast as --rate allows)',
      number(Number.MIN_VALUE, 1e9),
    )
    .option(
      '--shift-to-now',
      'with --file: shift the events in time so that the last one happens when it is sent',
      false,
    )
    .option('--seconds <s>', 'stop after s seconds', number(0, 1e9))
    .option(
      '--events <n>',
      'stop after n records, including invalid and repeated ones',
      wholeNumber(0, Number.MAX_SAFE_INTEGER),
    )
    .option(
      '--aggregate',
      'pack many events into a Kinesis record, in the format of the Kinesis Producer Library',
      false,
    )
    .option('--json', 'print the result as one line of JSON', false)
    .addHelpText(
      'after',
      `
Environment:
  USERPULSE_STREAM                           Kinesis stream
  AWS_REGION, AWS_ENDPOINT_URL_KINESIS and AWS credentials

With --json, the last line of standard output is
  {"events":N,"records":N,"bytes":N,"invalid":N,"seconds":S, …}
"records" includes invalid and repeated ones; each becomes a line of the archive or a dead letter. "bytes" is the data sent.

Examples:
  userpulse produce --rate 500 --seconds 60
  userpulse produce --rate 0 --events 1000000 --aggregate
  userpulse produce --file higgs-activity_time.txt.gz --aggregate --shift-to-now --speed 3600`,
    )
    .action((options: ProduceOptions) => produce(context, options));
};

async function produce(context: CommandContext, options: ProduceOptions): Promise<void> {
  sayProxies(context);
  if (options.file === undefined && (options.speed !== undefined || options.shiftToNow)) {
    throw new UserpulseError('bad_request', `${options.shiftToNow ? '--shift-to-now' : '--speed'} requires --file.`, {
      hint: 'Add --file with a Higgs file, or remove the option.',
    });
  }
  if (options.speed !== undefined && options.rate !== undefined) {
    throw new UserpulseError('bad_request', '--speed and --rate cannot be used together.', {
      hint: 'Remove one of them.',
    });
  }
  const config = context.config(['stream']);
  const target = streamTarget(config, context.aws);
  // After a time-out a record may be on the stream twice, so a slow local server gets time.
  const kinesis = createKinesisClient({ maxAttempts: 1, requestTimeoutMs: 120_000 });
  try {
    refuse(await runChecks([streamCheck(kinesis, target, 'look')], { signal: context.stop }), 'cannot produce');
    const giveUp = new AbortController();
    const source = await openSource(context, options);
    const packer = options.aggregate
      ? new AggregatingPacker(await openShardEnds(kinesis, config.stream, context.stop))
      : plainPacker;
    const sender = new Sender({
      put: putTo(kinesis, config.stream, giveUp.signal),
      classify: (error) => classifyPut(target, error),
      clock: systemClock,
      concurrency: CONCURRENCY,
      giveUpAfterMs: GIVE_UP_AFTER_MS,
      giveUp: giveUp.signal,
    });
    const lastCalls = (): void => {
      setTimeout(() => {
        giveUp.abort(
          new UserpulseError('aborted', `Not everything was sent within ${LAST_CALLS_MS / 1000} s of the stop.`),
        );
      }, LAST_CALLS_MS).unref();
    };
    context.stop.addEventListener('abort', lastCalls, { once: true });

    const startMs = systemClock.now();
    const progress = new SendProgress(new Progress(context.stderr), startMs);
    const busiest = new Busiest();
    let failed = true;
    try {
      await send({
        source,
        packer,
        sender,
        busiest,
        clock: systemClock,
        maxRecords: options.events ?? Infinity,
        maxMs: options.seconds === undefined ? Infinity : options.seconds * 1000,
        lingerMs: options.aggregate ? LINGER_MS.aggregate : LINGER_MS.plain,
        stop: context.stop,
        onProgress: () => progress.update(sender.sent, systemClock.now()),
      });
      failed = false;
    } finally {
      context.stop.removeEventListener('abort', lastCalls);
      progress.clear();
      report(context, options, sender, busiest, (systemClock.now() - startMs) / 1000, failed);
    }
  } finally {
    kinesis.destroy();
  }
}

/** Records per second; 0 = no limit. */
const rateOf = ({ rate, file }: ProduceOptions): number => rate ?? (file === undefined ? DEFAULT_RATE : 0);

async function openSource(context: CommandContext, options: ProduceOptions): Promise<Source> {
  const rate = rateOf(options);
  if (options.file === undefined) {
    const startMs = systemClock.now();
    const generator = new Generator({
      users: options.users,
      shares: options.shares,
      types: options.types,
      invalid: options.invalid,
      repeats: options.repeats,
      seed: options.seed ?? Math.floor(Math.random() * 2 ** 32),
      startMs,
    });
    return generatedSource(generator, rate === 0 ? undefined : new SendRate(rate, startMs));
  }
  const path = resolve(context.cwd, options.file);
  let shiftMs = 0;
  if (options.shiftToNow) {
    const span = await timeSpan(path, context.stop);
    if (!context.stop.aborted) shiftMs = shiftToNow(span, options.speed, systemClock.now());
  }
  const events = higgsFile(path, shiftMs, context.stop);
  const startMs = systemClock.now();
  return replayedSource(events, {
    speed: options.speed,
    rate: rate === 0 ? undefined : new SendRate(rate, startMs),
    startMs,
  });
}

/** What was sent and what was not, also when the run ended with an error. */
function report(
  context: CommandContext,
  options: ProduceOptions,
  sender: Sender,
  busiest: Busiest,
  seconds: number,
  failed: boolean,
): void {
  const { sent, unsent } = sender;
  // An error before the first record needs no figures.
  if (!options.json && failed && sent.entries === 0 && unsent === 0) return;
  const text = [summary(sent, seconds), busiest.describe()];
  if (unsent > 0) text.push(`${formatNumber(unsent)} records may not have reached the stream.`);
  const rate = rateOf(options);
  if (rate > 0 && options.speed === undefined && seconds > 2 && recordsIn(sent.counts) / seconds < rate * 0.95) {
    text.push(`This is below the requested ${formatNumber(rate)}/s: the stream or this machine is too slow.`);
  }
  if (sent.retried > 0) {
    text.push(
      `${formatNumber(sent.retried)} Kinesis records were sent again, most recently because: ${sent.lastReason ?? 'unknown'}`,
    );
  }
  if (sent.uncertain > 0) {
    text.push(
      `${formatNumber(sent.uncertain)} of them after a lost response: they may be on the stream twice. Their events count once; the archive holds each record.`,
    );
  }
  const lines = text.filter((line) => line !== '').map((line) => `${line}\n`);
  if (!options.json) {
    context.stdout.write(lines.join(''));
    return;
  }
  context.stderr.write(lines.join(''));
  const { events, repeats, invalid } = sent.counts;
  context.stdout.write(
    `${JSON.stringify({
      events,
      records: recordsIn(sent.counts),
      bytes: sent.bytes,
      invalid,
      seconds: Math.round(seconds * 1000) / 1000,
      repeats,
      kinesisRecords: sent.entries,
      retried: sent.retried,
      uncertain: sent.uncertain,
      uncertainRecords: sent.uncertainRecords,
      unsent,
    })}\n`,
  );
}

function summary(sent: Sent, seconds: number): string {
  const { events, repeats, invalid } = sent.counts;
  const records = recordsIn(sent.counts);
  const kinds = [`${formatNumber(events)} events`];
  if (invalid > 0) kinds.push(`${formatNumber(invalid)} invalid`);
  if (repeats > 0) kinds.push(`${formatNumber(repeats)} repeated`);
  const rate = seconds > 0 ? `, ${formatNumber(Math.round(records / seconds))}/s` : '';
  return `Sent ${formatNumber(records)} records (${kinds.join(', ')}) in ${formatNumber(sent.entries)} Kinesis records, ${(sent.bytes / 1e6).toFixed(1)} MB, in ${seconds.toFixed(1)} s${rate}.`;
}

function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(
        `It must be a number ${max < 1e6 ? `from ${min} to ${max}` : min === Number.MIN_VALUE ? 'greater than 0' : `of at least ${min}`}.`,
      );
    }
    return value;
  };
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${formatNumber(max)}.`);
    }
    return value;
  };
}

function types(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!/^[a-z][a-z0-9_]{0,31}$/.test(name)) {
      throw new InvalidArgumentError(
        `"${name}" is not a valid interaction type: use 1 to 32 characters of a-z 0-9 _, beginning with a letter.`,
      );
    }
  }
  return names;
}
