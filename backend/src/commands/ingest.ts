import { BUCKET_SETTINGS_TEXT } from '../../../contract/roles.ts';
import { DEFAULT_CODEC } from '../archive/codecs.ts';
import { openArchiveReader, openArchiveWriter } from '../archive/open-archive.ts';
import { readTotalsSplit, splitTotals } from '../archive/totals-split.ts';
import { createKinesisClient, createSubscriptionClient } from '../kinesis/client.ts';
import { StreamConsumer } from '../kinesis/consumer.ts';
import { fanout } from '../kinesis/fanout-feed.ts';
import { polling } from '../kinesis/polling-feed.ts';
import { KinesisSubscriptions } from '../kinesis/subscriptions.ts';
import { preflightIngest, type IngestDependencies } from '../checks/preflight.ts';
import { archiveTarget, influxTarget, schemaOf, streamTarget } from '../checks/targets.ts';
import type { SettingName } from '../config.ts';
import { startOpsServer } from '../http/ops.ts';
import type { WrittenNotice } from '../ingest/batch.ts';
import { isShared, openCheckpoint } from '../checkpoint/open-checkpoints.ts';
import { systemClock } from '../clock.ts';
import { limitHeapGrowth } from '../memory/heap.ts';
import { startIngest, type Ingest } from '../ingest/ingest.ts';
import { createIngestMetrics } from '../ingest/metrics.ts';
import { ingestReadiness, NOT_BEGUN } from '../ingest/status.ts';
import { KinesisSource } from '../kinesis/stream-source.ts';
import { InfluxSink } from '../influx/influx-sink.ts';
import type { PointSink } from '../influx/point-sink.ts';
import { HourMarks } from '../rollup/hour-marks.ts';
import { markedSink } from '../rollup/marked.ts';
import { VERSION } from '../version.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { eraseBy } from './erasure.ts';
import { INFLUX_SETTINGS, SCHEMA_SETTINGS } from './settings.ts';
import { untilStopped } from './until.ts';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { warnOfProxies } from './proxies.ts';

/** The settings that ingest needs, whatever else a command needs. */
export const INGEST_SETTINGS = [
  ...INFLUX_SETTINGS,
  ...SCHEMA_SETTINGS,
  'stream',
  'archive',
  'archiveRegion',
  'checkpoint',
  'failoverMs',
  'start',
  'onTrimmed',
  'maxAheadMs',
  'decompress',
  'split',
  'forgotten',
  'rejectMaxRatio',
  'rejectMinRecords',
  'rejectWindowMs',
  'read',
  'consumer',
  'pollIntervalMs',
  'batchMaxLines',
  'batchMaxAgeMs',
  'bufferMaxBytes',
  'archiveMaxBytes',
  'archiveMaxAgeMs',
  'drainMs',
  'startDeadlineMs',
] as const satisfies readonly SettingName[];

export const registerIngest: RegisterCommand = (program, context) => {
  program
    .command('ingest')
    .summary('read the stream into InfluxDB and the archive')
    .description(
      'Reads the Kinesis stream into InfluxDB and the archive, until SIGTERM or SIGINT. What was read by then is still written;\n' +
        'a second signal ends at once. Going on later loses nothing and counts nothing twice.',
    )
    .addHelpText(
      'after',
      `
Environment:
  INFLUX_HOST, INFLUX_ORG, INFLUX_TOKEN      InfluxDB; the "ingest" token of setup is enough
                                             INFLUX_TOKEN_FILE may name a file with the token instead
  ${BUCKET_SETTINGS_TEXT}
  USERPULSE_USER_ID, USERPULSE_SHARE_ID, USERPULSE_USER_PREFIX, USERPULSE_SHARE_PREFIX
                                             as serve has them
  USERPULSE_STREAM                           Kinesis stream
  USERPULSE_ARCHIVE                          s3://BUCKET/PREFIX or file:///DIR
  USERPULSE_CHECKPOINT                       file:///DIR, on a disk that outlives the process; or dynamodb://TABLE, for several ingests
  USERPULSE_FAILOVER_MS                      with dynamodb://: after how long others take the shards of a silent worker, default 10000
  USERPULSE_START, USERPULSE_ON_TRIMMED      where a fresh checkpoint begins; what happens when the stream has lost records
  USERPULSE_REJECT_MAX_RATIO, USERPULSE_REJECT_MIN_RECORDS, USERPULSE_REJECT_WINDOW_MS
                                             when a shard is held because too much of it is rejected
  USERPULSE_READ, USERPULSE_CONSUMER         how the stream is read, and with which registered consumer where by fan-out
  USERPULSE_POLL_INTERVAL_MS, USERPULSE_BATCH_MAX_LINES, USERPULSE_BATCH_MAX_AGE_MS, USERPULSE_BUFFER_MAX_BYTES,
  USERPULSE_ARCHIVE_MAX_BYTES, USERPULSE_ARCHIVE_MAX_AGE_MS, USERPULSE_MAX_AHEAD_MS, USERPULSE_DRAIN_MS
  USERPULSE_START_DEADLINE_MS                how long a start waits for what does not answer yet
  USERPULSE_DECOMPRESS, USERPULSE_SPLIT      which records are decompressed, and which hold several events
  USERPULSE_FORGOTTEN, USERPULSE_ERASURE_KEY what becomes of events that name someone whom forget has forgotten
  USERPULSE_LISTEN                           HOST:PORT of /metrics, /healthz, /readyz; default 127.0.0.1:8089
  USERPULSE_ARCHIVE_REGION, AWS_REGION, AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL_S3 and AWS credentials
  USERPULSE_LOG_LEVEL`,
    )
    .action(() => untilStopped(context.stop, () => ingest(context)));
};

async function ingest(context: CommandContext): Promise<void> {
  const config = context.config([...INGEST_SETTINGS, 'listen', 'logLevel'], 8089);
  const logger = context.createLogger(config.logLevel);
  warnOfProxies(context.env, logger);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const parts = createIngestParts(context, config);
  try {
    await preflightIngest(parts.dependencies, { signal: context.stop, deadlineMs: config.startDeadlineMs, logger });
    // The address first: an ingest should not begin where the process cannot stay.
    let ingesting: Ingest | undefined;
    const ops = await startOpsServer({
      listen: config.listen,
      registry,
      logger,
      ready: () => (ingesting === undefined ? NOT_BEGUN : ingestReadiness(ingesting.status(), Date.now())),
    });
    try {
      ingesting = await parts.start({ registry, logger, signal: context.stop });
      logger.info({ url: ops.url, stream: config.stream, version: VERSION }, 'ingesting');
      await ingesting.done;
    } finally {
      await ops.close();
    }
  } finally {
    await parts.close();
  }
}

export interface IngestParts {
  /** What a preflight looks at. */
  readonly dependencies: IngestDependencies;
  /** At most once. */
  start(options: {
    readonly registry: Registry;
    readonly logger: Logger;
    readonly signal: AbortSignal;
    readonly onWritten?: (notice: WrittenNotice) => void;
  }): Promise<Ingest>;
  /** After the ingest is done. */
  close(): Promise<void>;
}

/** Ingest wired from a configuration; for `ingest`, and for `start`, which serves beside it. */
export function createIngestParts(
  context: CommandContext,
  config: Config<(typeof INGEST_SETTINGS)[number]>,
): IngestParts {
  const influx = influxTarget(config);
  const schema = schemaOf(config);
  const kinesis = createKinesisClient({ maxAttempts: 1 });
  const archiveAt = archiveTarget(config, context.aws, { maxAttempts: 1 });
  const source = new KinesisSource(kinesis, config.stream);
  const polled = polling(source, config.pollIntervalMs);
  const pushing = config.read === 'fanout' ? createSubscriptionClient() : undefined;
  const feed =
    pushing === undefined
      ? polled
      : fanout({
          subscriptions: new KinesisSubscriptions(pushing, new StreamConsumer(kinesis, config)),
          polling: polled,
        });
  let sink: PointSink | undefined;
  const readErase = eraseBy(context, config);
  return {
    dependencies: {
      influx,
      buckets: schema.buckets,
      kinesis,
      stream: streamTarget(config, context.aws),
      archive: archiveAt,
      checkpoint: config.checkpoint,
    },
    start: async ({ registry, logger, signal, onWritten }) => {
      limitHeapGrowth();
      const clock = systemClock;
      const metrics = createIngestMetrics(registry);
      const influxSink = new InfluxSink({
        target: influx,
        buckets: schema.buckets,
        clock,
        logger,
        connections: 16,
        onRetry: (reason) => metrics.retries.inc({ target: 'influxdb', reason }),
        onAnswer: (bucket, seconds) => metrics.writeSeconds.observe({ bucket }, seconds),
        onExpired: (bucket, points) => metrics.pointsExpired.inc({ bucket }, points),
      });
      sink = markedSink(influxSink, new HourMarks(influxSink, clock));
      const archive = openArchiveWriter(archiveAt, {
        codec: DEFAULT_CODEC,
        clock,
        logger,
        onRetry: (reason) => metrics.retries.inc({ target: 'archive', reason }),
      });
      // Several workers share no table of relocations, and totals have the fullest series. Once split they stay so, whoever writes them.
      const reader = openArchiveReader(archiveAt);
      const now = { nowMs: clock.now(), maxAheadMs: config.maxAheadMs };
      const totalsSplitFromMs = await (isShared(config.checkpoint)
        ? splitTotals({ reader, writer: archive }, now, signal)
        : readTotalsSplit(reader, signal));
      const erase = await readErase(reader, signal);
      return startIngest({
        source,
        feed,
        sink,
        archive,
        checkpoints: openCheckpoint(config.checkpoint, {
          stream: config.stream,
          env: context.env,
          region: context.aws.region,
          endpoints: context.aws.endpoints,
          failoverMs: config.failoverMs,
          logger,
        }),
        schema: { ...schema, totalsSplitFromMs },
        settings: config,
        erase,
        logger,
        metrics,
        signal,
        clock,
        ...(onWritten === undefined ? {} : { onWritten }),
      });
    },
    close: async () => {
      await sink?.close();
      kinesis.destroy();
      pushing?.destroy();
      if (archiveAt.kind === 's3') archiveAt.s3.destroy();
    },
  };
}
