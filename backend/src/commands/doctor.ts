import { BUCKET_SETTINGS_TEXT } from '../../../contract/roles.ts';
import { createKinesisClient } from '../kinesis/client.ts';
import { runChecks, worst, type CheckResult, type CheckState } from '../check.ts';
import { dependencyChecks } from '../checks/dependencies.ts';
import { hoursCheck } from '../checks/hours.ts';
import { withShortfall } from '../checks/shortfall.ts';
import { isShared } from '../checkpoint/open-checkpoints.ts';
import { systemClock } from '../clock.ts';
import { archiveTarget, influxTarget, schemaOf, streamTarget } from '../checks/targets.ts';
import { UserpulseError } from '../errors.ts';
import { HttpInfluxReader } from '../influx/reader.ts';
import { VERSION } from '../version.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { INFLUX_SETTINGS, SCHEMA_SETTINGS } from './settings.ts';
import { wrap } from './wrap.ts';
import { sayProxies } from './proxies.ts';

/** Below CHECK_TIMEOUT_MS, so that the error of a slow InfluxDB is InfluxDB's own. */
const READ_TIMEOUT_MS = 4_000;

export const registerDoctor: RegisterCommand = (program, context) => {
  program
    .command('doctor')
    .summary('check every dependency and say how to fix it')
    .description(
      'Checks InfluxDB, its buckets, the prefix scheme, the stream, the lag of each shard, the archive and the checkpoint, and says how to fix ' +
        'what is wrong. Tries what ingest does: it writes a small object or file to archive and checkpoint, and deletes it. Exits with code 1 if a check fails.',
    )
    .option('--json', 'print the results as JSON', false)
    .addHelpText(
      'after',
      `
Environment:
  INFLUX_HOST, INFLUX_ORG, INFLUX_TOKEN      InfluxDB; with the "start" token of setup everything can be checked
                                             INFLUX_TOKEN_FILE may name a file with the token instead
  ${BUCKET_SETTINGS_TEXT}
  USERPULSE_USER_ID, USERPULSE_SHARE_ID, USERPULSE_USER_PREFIX, USERPULSE_SHARE_PREFIX
  USERPULSE_STREAM, USERPULSE_ARCHIVE, USERPULSE_CHECKPOINT, USERPULSE_ARCHIVE_MAX_AGE_MS
  USERPULSE_READ, USERPULSE_CONSUMER
  USERPULSE_ARCHIVE_REGION, AWS_REGION, AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL_S3 and AWS credentials`,
    )
    .action((options: { readonly json: boolean }) => doctor(context, options));
};

async function doctor(context: CommandContext, options: { readonly json: boolean }): Promise<void> {
  sayProxies(context);
  const config = context.config([
    ...INFLUX_SETTINGS,
    ...SCHEMA_SETTINGS,
    'stream',
    'read',
    'consumer',
    'archive',
    'archiveRegion',
    'archiveMaxAgeMs',
    'checkpoint',
  ]);
  const influx = influxTarget(config);
  const kinesis = createKinesisClient();
  const archive = archiveTarget(config, context.aws);
  const reader = new HttpInfluxReader({ ...influx, timeoutMs: READ_TIMEOUT_MS });
  let results: readonly CheckResult[];
  try {
    const checks = dependencyChecks({
      influx,
      schema: schemaOf(config),
      uses: ['read', 'write'],
      need: 'any',
      reader,
      source: {
        kinesis,
        stream: streamTarget(config, context.aws),
        checkpoint: config.checkpoint,
        archiveMaxAgeMs: config.archiveMaxAgeMs,
      },
      archive,
      depth: 'try',
    });
    const points = { reader, schema: schemaOf(config), now: () => systemClock.now() };
    results = await runChecks(
      // Only here: these two read more than /v1/health should, each time.
      checks
        .map((check) =>
          check.name === 'checkpoint' && isShared(config.checkpoint) ? withShortfall(check, points) : check,
        )
        .concat(hoursCheck(points)),
      { signal: context.stop },
    );
  } finally {
    kinesis.destroy();
    if (archive.kind === 's3') archive.s3.destroy();
    await reader.close();
  }
  const state = worst(results);
  context.stdout.write(
    options.json
      ? `${JSON.stringify({ status: state, version: VERSION, checks: results.map(({ code: _code, transient: _transient, ...shown }) => shown) }, null, 2)}\n`
      : table(results, context.stdout.columns ?? 100),
  );
  const errors = results.filter((r) => r.state === 'error');
  const first = errors[0];
  if (first !== undefined) {
    throw new UserpulseError(
      first.code ?? 'internal',
      `${errors.length} of ${results.length} checks failed: ${errors.map((r) => r.name).join(', ')}.`,
    );
  }
}

const WORD: Readonly<Record<CheckState, string>> = { ok: 'ok', warning: 'WARNING', error: 'ERROR' };

/** One block per check: what was found, and below it the hint, where there is one. */
export function table(results: readonly CheckResult[], columns: number): string {
  const name = Math.max(...results.map((r) => r.name.length));
  const state = Math.max(...Object.values(WORD).map((w) => w.length));
  const indent = name + state + 4;
  const width = Math.max(40, Math.min(columns, 120) - indent);
  return results
    .map((r) => {
      const lines = wrap(r.message, width);
      if (r.hint !== '') lines.push(...wrap(`→ ${r.hint}`, width));
      const [first = '', ...rest] = lines;
      return [
        `${r.name.padEnd(name)}  ${WORD[r.state].padEnd(state)}  ${first}`,
        ...rest.map((line) => `${' '.repeat(indent)}${line}`),
      ].join('\n');
    })
    .concat('')
    .join('\n');
}
