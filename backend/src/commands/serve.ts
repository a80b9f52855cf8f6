import { collectDefaultMetrics, Registry } from 'prom-client';
import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { Logger } from 'pino';
import { BUCKET_SETTINGS_TEXT } from '../../../contract/roles.ts';
import { createKinesisClient } from '../kinesis/client.ts';
import { cached } from '../checks/cached.ts';
import { runChecks } from '../check.ts';
import { dependencyChecks, type Dependencies } from '../checks/dependencies.ts';
import { preflightServe } from '../checks/preflight.ts';
import { influxReadiness } from '../checks/ready.ts';
import { archiveTarget, influxTarget, schemaOf, streamTarget } from '../checks/targets.ts';
import type { Config, SettingName } from '../config.ts';
import { listen } from '../http/listen.ts';
import type { Readiness } from '../check.ts';
import { buildServer } from '../http/server.ts';
import type { App } from '../http/v1.ts';
import { keepYoungGenerationSmall, limitHeapGrowth } from '../memory/heap.ts';
import { HttpInfluxReader } from '../influx/reader.ts';
import { Retention } from '../influx/retention.ts';
import { systemClock } from '../clock.ts';
import { QueryBudget } from '../query/budget.ts';
import { createQueryService, type QueryService } from '../query/service.ts';
import type { Secret } from '../secrets.ts';
import { VERSION } from '../version.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { INFLUX_SETTINGS, SCHEMA_SETTINGS } from './settings.ts';
import { aborted, untilStopped } from './until.ts';
import { warnOfProxies } from './proxies.ts';

/** Health is looked at afresh after this time, in ms. */
const HEALTH_FOR_MS = 5_000;

/** Requests that run, and that wait for their turn, for so many ms at most: a third of the usual time limit of who asks. */
const QUERIES_AT_ONCE = { running: 16, waiting: 64, waitMs: 10_000 };

/** The settings that answering queries needs, whatever else a command needs. */
export const SERVE_SETTINGS = [
  ...INFLUX_SETTINGS,
  ...SCHEMA_SETTINGS,
  'listen',
  'apiToken',
  'queryTimeoutMs',
  'queryMaxBytes',
  'cacheMs',
  'rollup',
  'corsOrigins',
  'streamTicketMs',
  'userRequestsPerMinute',
  'startDeadlineMs',
] as const satisfies readonly SettingName[];

export const registerServe: RegisterCommand = (program, context) => {
  program
    .command('serve')
    .summary('answer queries over HTTP')
    .description(
      'Answers queries over HTTP until SIGTERM or SIGINT: data frames for Grafana, plain series and live streams for apps.\n' +
        'Requests that run are finished, live streams end.',
    )
    .addHelpText(
      'after',
      `
Environment:
  INFLUX_HOST, INFLUX_ORG, INFLUX_TOKEN      InfluxDB; the "serve" token of setup is enough
                                             INFLUX_TOKEN_FILE may name a file with the token instead
  ${BUCKET_SETTINGS_TEXT}
  USERPULSE_USER_ID, USERPULSE_SHARE_ID, USERPULSE_USER_PREFIX, USERPULSE_SHARE_PREFIX
                                             as ingest has them
  USERPULSE_LISTEN                           HOST:PORT, default 127.0.0.1:8088
  USERPULSE_API_TOKEN                        bearer token of /v1, or USERPULSE_API_TOKEN_FILE; required on anything but loopback
  USERPULSE_START_DEADLINE_MS                how long a start waits for InfluxDB, default 30000
  USERPULSE_QUERY_TIMEOUT_MS                 longest time of a query, default 30000
  USERPULSE_QUERY_MAX_BYTES                  memory for all queries together, default 100663296 (96 MiB)
  USERPULSE_CACHE_MS                         how long answers about the past are given again, default 30000
  USERPULSE_ROLLUP                           whether counts of whole hours are used, default on
  USERPULSE_CORS_ORIGINS                     origins whose pages may ask /v1, none by default
  USERPULSE_STREAM_TICKET_MS                 how long a stream ticket is good, default 300000
  USERPULSE_USER_REQUESTS_PER_MINUTE         of one Grafana user, where the data source sends the name; no limit by default
  USERPULSE_STREAM, USERPULSE_ARCHIVE        optional: /v1/health then looks at them too
  USERPULSE_LOG_LEVEL

The interface describes itself at /v1/openapi.json.`,
    )
    .action(() => untilStopped(context.stop, () => serve(context)));
};

async function serve(context: CommandContext): Promise<void> {
  const config = context.config([...SERVE_SETTINGS, 'logLevel', ...settingsInSight(context)]);
  const logger = context.createLogger(config.logLevel);
  warnOfProxies(context.env, logger);
  const schema = schemaOf(config);
  await preflightServe(
    { influx: influxTarget(config), buckets: schema.buckets },
    { signal: context.stop, deadlineMs: config.startDeadlineMs, logger },
  );
  // Not in createServing: an ingest in the same process is slower with it.
  limitHeapGrowth();
  keepYoungGenerationSmall();
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const seen = sourcesInSight(context);
  const serving = await createServing({ config, registry, logger, sources: seen, ready: () => ({ ready: true }) });
  try {
    const url = await listen(serving.app, config.listen);
    logger.info({ url, version: VERSION }, 'serving');
    await aborted(context.stop);
    logger.info('stopping: finishing the requests that run');
  } finally {
    await serving.close();
    seen.close();
  }
}

type Sources = Pick<Dependencies, 'source' | 'archive'>;

const isGiven = (context: CommandContext, variable: string): boolean => (context.env[variable] ?? '') !== '';
const SOURCE_SETTINGS = ['stream', 'archiveMaxAgeMs', 'checkpoint'] as const;
const ARCHIVE_SETTINGS = ['archive', 'archiveRegion'] as const;

/** What {@link sourcesInSight} will read, to be judged together with all else. */
const settingsInSight = (context: CommandContext): readonly SettingName[] => [
  ...(isGiven(context, 'USERPULSE_STREAM') ? SOURCE_SETTINGS : []),
  ...(isGiven(context, 'USERPULSE_ARCHIVE') ? ARCHIVE_SETTINGS : []),
];

/** Stream and archive, for /v1/health, where their settings are given: `serve` itself needs neither. */
function sourcesInSight(context: CommandContext): Sources & { close(): void } {
  const given = (variable: string): boolean => isGiven(context, variable);
  let kinesis: KinesisClient | undefined;
  let source: Sources['source'];
  if (given('USERPULSE_STREAM')) {
    kinesis = createKinesisClient();
    const config = context.config(SOURCE_SETTINGS);
    source = {
      kinesis,
      stream: streamTarget(config, context.aws),
      checkpoint: given('USERPULSE_CHECKPOINT') ? config.checkpoint : undefined,
      archiveMaxAgeMs: config.archiveMaxAgeMs,
    };
  }
  const archive = given('USERPULSE_ARCHIVE') ? archiveTarget(context.config(ARCHIVE_SETTINGS), context.aws) : undefined;
  return {
    source,
    archive,
    close: () => {
      kinesis?.destroy();
      if (archive?.kind === 's3') archive.s3.destroy();
    },
  };
}

export interface Serving {
  readonly app: App;
  readonly service: QueryService;
  /** Ends the streams, finishes the requests that run, and closes the connections to InfluxDB. */
  close(): Promise<void>;
}

/** The HTTP interface wired from a configuration, not yet listening; for `serve`, and for `start`, which ingests beside it. */
export async function createServing(options: {
  readonly config: Config<(typeof SERVE_SETTINGS)[number]> & { readonly apiToken: Secret | undefined };
  readonly registry: Registry;
  readonly logger: Logger;
  readonly sources: Sources;
  /** Readiness of what else runs in this process; asked after InfluxDB's. */
  readonly ready: () => Readiness;
}): Promise<Serving> {
  const { config, registry, logger } = options;
  const influx = influxTarget(config);
  const schema = schemaOf(config);
  const reader = new HttpInfluxReader({ ...influx, timeoutMs: config.queryTimeoutMs });
  const retention = new Retention(influx, schema.buckets, systemClock);
  const budget = new QueryBudget({ ...QUERIES_AT_ONCE, maxBytes: config.queryMaxBytes });
  const service = createQueryService({
    influx: reader,
    schema,
    now: Date.now,
    logger,
    retention,
    budget,
    keepMs: config.cacheMs,
    hours: config.rollup === 'on',
    joins: true,
  });
  const checks = dependencyChecks({
    influx,
    schema,
    uses: ['read'],
    need: 'all',
    reader,
    ...options.sources,
    depth: 'look',
  });
  const influxReady = influxReadiness(influx);
  const app = await buildServer({
    service,
    budget,
    schema,
    apiToken: config.apiToken,
    corsOrigins: config.corsOrigins,
    streamTicketMs: config.streamTicketMs,
    userRequestsPerMinute: config.userRequestsPerMinute,
    registry,
    logger,
    health: cached(() => runChecks(checks), HEALTH_FOR_MS),
    ready: async () => {
      const influxState = await influxReady();
      return influxState.ready ? options.ready() : influxState;
    },
  });
  return {
    app,
    service,
    close: async () => {
      await app.close();
      await reader.close();
    },
  };
}
