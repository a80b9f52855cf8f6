import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Logger } from 'pino';
import { BUCKET_SETTINGS_TEXT } from '../../../contract/roles.ts';
import { dayText } from '../archive/keys.ts';
import { preflightRollup } from '../checks/preflight.ts';
import { influxTarget, schemaOf } from '../checks/targets.ts';
import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { UserpulseError } from '../errors.ts';
import { counted as numberOf } from '../format.ts';
import { startOpsServer } from '../http/ops.ts';
import { InfluxSink } from '../influx/influx-sink.ts';
import { HttpInfluxReader } from '../influx/reader.ts';
import { limitHeapGrowth } from '../memory/heap.ts';
import { countDay } from '../rollup/count-days.ts';
import { InfluxHours } from '../rollup/counted-hours.ts';
import { Recounter } from '../rollup/recounter.ts';
import { VERSION } from '../version.ts';
import { requireOrder } from './archived-days.ts';
import { dayArgument } from './arguments.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { warnOfProxies } from './proxies.ts';
import { INFLUX_SETTINGS, SCHEMA_SETTINGS } from './settings.ts';
import { untilStopped } from './until.ts';

/** Of the ids of an hour. */
const QUERY_TIMEOUT_MS = 600_000;

const ROLLUP_SETTINGS = [...INFLUX_SETTINGS, ...SCHEMA_SETTINGS, 'logLevel', 'startDeadlineMs'] as const;

interface Options {
  readonly from?: number;
  readonly to?: number;
}

export const registerRollup: RegisterCommand = (program, context) => {
  program
    .command('rollup')
    .summary('count hours that are over, so that queries need not read their points')
    .description(
      'Counts every hour that is over and that nobody writes to any more, until SIGTERM or SIGINT. Queries of everyone, and rankings, then read the\n' +
        'counts of hours instead of their points. "userpulse start" does it by itself; where ingest and serve run apart, run one of these.\n' +
        'With --from and --to, counts all hours of these days anew, and ends: after points were deleted by hand, and for days that a version\n' +
        'before 0.2 has written.',
    )
    .option('--from <day>', 'first UTC day, YYYY/MM/DD or YYYY-MM-DD', dayArgument)
    .option('--to <day>', 'last UTC day (inclusive)', dayArgument)
    .addHelpText(
      'after',
      `
Environment:
  INFLUX_HOST, INFLUX_ORG, INFLUX_TOKEN      InfluxDB; the "start" token of setup, which may read and write
                                             INFLUX_TOKEN_FILE may name a file with the token instead
  ${BUCKET_SETTINGS_TEXT}
                                             as ingest has them; it reads and writes the last
  USERPULSE_USER_ID, USERPULSE_SHARE_ID, USERPULSE_USER_PREFIX, USERPULSE_SHARE_PREFIX
                                             as ingest has them
  USERPULSE_LISTEN                           HOST:PORT of /metrics, /healthz, /readyz; default 127.0.0.1:8090
  USERPULSE_START_DEADLINE_MS, USERPULSE_LOG_LEVEL

Examples:
  userpulse rollup
  userpulse rollup --from 2026/01/01 --to 2026/01/31`,
    )
    .action((options: Options) => untilStopped(context.stop, () => run(context, options)));
};

async function run(context: CommandContext, { from, to }: Options): Promise<void> {
  const config = context.config([...ROLLUP_SETTINGS, 'listen'], 8090);
  const logger = context.createLogger(config.logLevel);
  if (from === undefined && to === undefined) {
    await countUntilStopped(context, config, logger);
    return;
  }
  if (from === undefined || to === undefined)
    throw new UserpulseError('bad_request', 'Of --from and --to, one is missing.', {
      hint: 'Give both days, or none.',
    });
  requireOrder({ from, to });
  const parts = openParts(config, logger);
  try {
    await preflight(context, config, logger);
    let [counted, busy] = [0, 0];
    for (let day = from; day <= to; day++) {
      const done = await countDay(day, { ...parts, clock: systemClock }, context.stop);
      counted += done.counted;
      busy += done.busy;
      context.stderr.write(`${dayText(day)}: ${numberOf(done.counted, 'hour')}\n`);
    }
    const later = busy === 0 ? '' : ` ${numberOf(busy, 'hour')} are being written to, and are counted later.`;
    context.stdout.write(`Counted ${numberOf(counted, 'hour')}.${later}\n`);
  } finally {
    await parts.close();
  }
}

async function countUntilStopped(
  context: CommandContext,
  config: Config<(typeof ROLLUP_SETTINGS)[number] | 'listen'>,
  logger: Logger,
): Promise<void> {
  warnOfProxies(context.env, logger);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  limitHeapGrowth();
  await preflight(context, config, logger);
  const ops = await startOpsServer({ listen: config.listen, registry, logger, ready: () => ({ ready: true }) });
  const rollup = startRollup(config, { registry, logger });
  try {
    logger.info({ url: ops.url, version: VERSION }, 'counting hours');
    await rollup.run(context.stop);
  } finally {
    await rollup.close();
    await ops.close();
  }
}

const preflight = (
  context: CommandContext,
  config: Config<(typeof ROLLUP_SETTINGS)[number]>,
  logger: Logger,
): Promise<void> =>
  preflightRollup(
    { influx: influxTarget(config), buckets: schemaOf(config).buckets },
    { signal: context.stop, deadlineMs: config.startDeadlineMs, logger },
  );

function openParts(config: Config<(typeof ROLLUP_SETTINGS)[number]>, logger: Logger) {
  const influx = influxTarget(config);
  const schema = schemaOf(config);
  const reader = new HttpInfluxReader({ ...influx, timeoutMs: QUERY_TIMEOUT_MS });
  const sink = new InfluxSink({
    target: influx,
    buckets: schema.buckets,
    clock: systemClock,
    logger,
    connections: 2,
    onRetry: () => undefined,
    onAnswer: () => undefined,
    onExpired: () => undefined,
  });
  return {
    hours: new InfluxHours(reader, sink, schema),
    sink,
    close: async (): Promise<void> => {
      await reader.close();
      await sink.close();
    },
  };
}

/** The job of `userpulse rollup`; for that command, and for `start`. */
export function startRollup(
  config: Config<(typeof ROLLUP_SETTINGS)[number]>,
  { registry, logger }: { readonly registry: Registry; readonly logger: Logger },
): { run(signal: AbortSignal): Promise<void>; close(): Promise<void> } {
  const registers = [registry];
  const counted = new Counter({
    name: 'userpulse_rollup_hours_counted_total',
    help: 'Hours whose points were counted, again where they had changed',
    registers,
  });
  const waiting = new Gauge({
    name: 'userpulse_rollup_hours_waiting',
    help: 'Hours that are to be counted; their points are read meanwhile',
    registers,
  });
  const open = new Gauge({
    name: 'userpulse_rollup_hours_open',
    help: 'Hours that are being written to, the present one included',
    registers,
  });
  const parts = openParts(config, logger);
  const recounter = new Recounter({
    hours: parts.hours,
    clock: systemClock,
    logger,
    onCounted: () => counted.inc(),
    onLook: (look) => {
      waiting.set(look.waiting);
      open.set(look.open);
    },
  });
  const closing = new AbortController();
  return {
    run: (signal) => recounter.run(AbortSignal.any([signal, closing.signal])),
    close: async () => {
      closing.abort();
      await parts.close();
    },
  };
}
