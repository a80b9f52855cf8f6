import { collectDefaultMetrics, Registry } from 'prom-client';
import { preflightStart } from '../checks/preflight.ts';
import { listen } from '../http/listen.ts';
import type { Ingest } from '../ingest/ingest.ts';
import { ingestReadiness, NOT_BEGUN } from '../ingest/status.ts';
import { VERSION } from '../version.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { createIngestParts, INGEST_SETTINGS } from './ingest.ts';
import { createServing, SERVE_SETTINGS } from './serve.ts';
import { startRollup } from './rollup.ts';
import { untilStopped } from './until.ts';
import { warnOfProxies } from './proxies.ts';

export const registerStart: RegisterCommand = (program, context) => {
  program
    .command('start')
    .summary('ingest and serve in one process')
    .description(
      'Runs ingest and serve in one process with one listener, until SIGTERM or SIGINT. Live streams are told of new points at once.\n' +
        'For one machine; in larger installations run "userpulse ingest" and "userpulse serve" apart.',
    )
    .addHelpText(
      'after',
      `
Environment:
  INFLUX_HOST, INFLUX_ORG, INFLUX_TOKEN      InfluxDB; the "start" token of setup is enough
                                             INFLUX_TOKEN_FILE may name a file with the token instead
  USERPULSE_STREAM, USERPULSE_ARCHIVE, USERPULSE_CHECKPOINT and what else "userpulse ingest --help" names
  USERPULSE_LISTEN                           HOST:PORT, default 127.0.0.1:8088
  USERPULSE_API_TOKEN and what else "userpulse serve --help" names`,
    )
    .action(() => untilStopped(context.stop, () => start(context)));
};

async function start(context: CommandContext): Promise<void> {
  const config = context.config([...INGEST_SETTINGS, ...SERVE_SETTINGS, 'logLevel']);
  const logger = context.createLogger(config.logLevel);
  warnOfProxies(context.env, logger);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const parts = createIngestParts(context, config, logger);
  let ingesting: Ingest | undefined;
  let rollup: ReturnType<typeof startRollup> | undefined;
  try {
    const { kinesis, stream, archive, checkpoint } = parts.dependencies;
    await preflightStart(parts.dependencies, { signal: context.stop, deadlineMs: config.startDeadlineMs, logger });
    const serving = await createServing({
      config,
      registry,
      logger,
      sources: {
        source: {
          kinesis,
          stream,
          checkpoint,
          archiveMaxAgeMs: config.archiveMaxAgeMs,
          reading: () => ingesting?.status() ?? { mode: 'opening', streamTroubleSinceMs: undefined, shards: [] },
        },
        archive,
      },
      ready: () => (ingesting === undefined ? NOT_BEGUN : ingestReadiness(ingesting.status(), Date.now())),
    });
    try {
      // The address first: an ingest should not begin where the process cannot stay.
      const url = await listen(serving.app, config.listen);
      ingesting = await parts.start({
        registry,
        signal: context.stop,
        onWritten: () => serving.service.wake(),
      });
      logger.info({ url, stream: config.stream, version: VERSION }, 'ingesting and serving');
      if (config.rollup === 'on') {
        rollup = startRollup(config, { registry, logger });
        void rollup.run(context.stop);
      }
      // Queries are answered while ingest drains; /readyz says meanwhile that nothing more should be sent here.
      await ingesting.done;
      logger.info('stopping: finishing the requests that run');
    } finally {
      await rollup?.close();
      await serving.close();
    }
  } finally {
    await parts.close();
  }
}
