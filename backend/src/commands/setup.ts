import { InvalidArgumentError } from 'commander';
import { BUCKET_SETTINGS_TEXT } from '../../../contract/roles.ts';
import { createKinesisClient } from '../kinesis/client.ts';
import { archiveCheck } from '../archive/archive-check.ts';
import { runChecks, type CheckResult } from '../check.ts';
import { influxCheck } from '../influx/influx-check.ts';
import { refuse } from '../checks/preflight.ts';
import { streamCheck } from '../kinesis/stream-check.ts';
import { archiveTarget, bucketNames, influxTarget, streamTarget } from '../checks/targets.ts';
import { UserpulseError } from '../errors.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { BUCKET_SETTINGS, INFLUX_SETTINGS } from './settings.ts';
import { ensureArchive, ensureStream } from './setup-aws.ts';
import { InfluxAdmin, OPERATOR_NEEDED, type BucketOutcome, type TokenOutcome } from './setup-influx.ts';
import { sayProxies } from './proxies.ts';

interface SetupOptions {
  readonly create: boolean;
  readonly shards: number;
  readonly tokens: boolean;
  readonly json: boolean;
}

/** What a run did and found; printed as text or, with --json, as it is. */
interface SetupReport {
  readonly buckets: readonly BucketOutcome[];
  readonly tokens: readonly TokenOutcome[];
  /** Older tokens for the same use, which are still valid. */
  readonly replacedTokens: readonly TokenOutcome[];
  readonly stream: { readonly name: string; readonly created: boolean };
  readonly archive: { readonly url: string; readonly created: boolean };
  readonly checks: readonly CheckResult[];
}

export const registerSetup: RegisterCommand = (program, context) => {
  program
    .command('setup')
    .summary('create buckets and tokens, check stream and archive')
    .description(
      'Creates the four InfluxDB buckets and narrower tokens for the other commands, and checks the Kinesis stream and the archive. ' +
        'Can be run again at any time: it leaves what exists as it is. Needs an operator token.',
    )
    .option('--create', 'also create the Kinesis stream and the archive bucket or folder', false)
    .option('--shards <n>', 'number of shards of a stream that --create creates', wholeNumber, 1)
    .option('--tokens', 'create new tokens even if some exist (old ones stay valid until you delete them)', false)
    .option('--json', 'print the result as JSON', false)
    .addHelpText(
      'after',
      `
Environment:
  INFLUX_HOST, INFLUX_ORG, INFLUX_TOKEN      InfluxDB; the token must be an operator token
                                             INFLUX_TOKEN_FILE may name a file with the token instead
  ${BUCKET_SETTINGS_TEXT}, USERPULSE_RETENTION
                                             names of the buckets, and the retention of new ones
  USERPULSE_STREAM                           Kinesis stream
  USERPULSE_ARCHIVE                          s3://BUCKET/PREFIX or file:///DIR
  USERPULSE_ARCHIVE_REGION, AWS_REGION, AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL_S3 and AWS credentials

Tokens are printed once, when they are created, and are not stored.`,
    )
    .action((options: SetupOptions) => setup(context, options));
};

function wholeNumber(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < 1 || n > 10_000)
    throw new InvalidArgumentError('It must be a whole number from 1 to 10,000.');
  return n;
}

async function setup(context: CommandContext, options: SetupOptions): Promise<void> {
  sayProxies(context);
  const config = context.config([
    ...INFLUX_SETTINGS,
    ...BUCKET_SETTINGS,
    'retentionSeconds',
    'stream',
    'archive',
    'archiveRegion',
  ]);
  const influx = influxTarget(config);
  const stream = streamTarget(config, context.aws);
  const kinesis = createKinesisClient();
  const archive = archiveTarget(config, context.aws);
  try {
    refuse(operatorNeeded(await runChecks([influxCheck(influx)], { signal: context.stop })), 'cannot set up');
    const admin = new InfluxAdmin(influx, context.stop);
    const orgId = await admin.organizationId();
    const buckets = await admin.ensureBuckets(orgId, bucketNames(config), config.retentionSeconds);
    const { tokens, replaced } = await admin.ensureTokens(orgId, buckets, options.tokens);
    // Tokens cannot be shown again, so they are printed before anything else can fail.
    if (!options.json) context.stdout.write(describeInflux(buckets, tokens, replaced, config.retentionSeconds));
    let made: { readonly stream: boolean; readonly archive: boolean };
    try {
      made = options.create
        ? {
            stream: (await ensureStream(kinesis, stream, { shards: options.shards, signal: context.stop })).created,
            archive: (await ensureArchive(archive, context.stop)).created,
          }
        : { stream: false, archive: false };
    } catch (error) {
      if (options.json)
        context.stdout.write(`${JSON.stringify({ buckets, tokens, replacedTokens: replaced }, null, 2)}\n`);
      throw error;
    }
    const checks = await runChecks([streamCheck(kinesis, stream, 'try'), archiveCheck(archive, 'try')], {
      signal: context.stop,
    });
    const report: SetupReport = {
      buckets,
      tokens,
      replacedTokens: replaced,
      stream: { name: config.stream, created: made.stream },
      archive: { url: config.archive.href, created: made.archive },
      checks,
    };
    context.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : describeSources(report));
    const errors = checks.filter((c) => c.state === 'error');
    const first = errors[0];
    if (first !== undefined) {
      throw new UserpulseError(
        first.code ?? 'internal',
        `the buckets are ready, but other checks failed:\n${errors.map((c) => `  - ${c.message} ${c.hint}`).join('\n')}`,
      );
    }
  } finally {
    kinesis.destroy();
    if (archive.kind === 's3') archive.s3.destroy();
  }
}

/** The usual hint is to get a token from setup, which does not help setup itself. */
const operatorNeeded = (results: readonly CheckResult[]): readonly CheckResult[] =>
  results.map((r) => (r.code === 'influx_unauthorized' ? { ...r, hint: OPERATOR_NEEDED } : r));

function retentionText(seconds: number): string {
  if (seconds === 0) return 'infinite';
  return seconds % 86_400 === 0 ? `${seconds / 86_400} d` : `${seconds / 3600} h`;
}

function describeInflux(
  buckets: readonly BucketOutcome[],
  tokens: readonly TokenOutcome[],
  replaced: readonly TokenOutcome[],
  wantedRetention: number,
): string {
  const lines = ['Buckets'];
  for (const b of buckets) {
    lines.push(`  ${b.created ? 'created' : 'exists '}  ${b.name}, retention ${retentionText(b.retentionSeconds)}`);
    if (b.retentionSeconds !== wantedRetention) {
      lines.push(
        `           USERPULSE_RETENTION is ${retentionText(wantedRetention)}, but setup does not change existing buckets. To change this one, run: influx bucket update --id ${b.id} --retention ${wantedRetention}s`,
      );
    }
  }
  const fresh = tokens.filter((t) => t.token !== undefined);
  const kept = tokens.filter((t) => t.token === undefined);
  lines.push('', 'Tokens');
  if (fresh.length > 0)
    lines.push(
      '  Save these tokens now: they are not shown again. Set INFLUX_TOKEN for each command, or write it to a file and set INFLUX_TOKEN_FILE:',
    );
  for (const t of fresh) lines.push(`    userpulse ${t.use.padEnd(7)}${t.token ?? ''}`);
  if (kept.length > 0) {
    lines.push(
      `  exists   ${kept.map((t) => t.use).join(', ')}: created by an earlier setup, and not shown again. "userpulse setup --tokens" creates new ones.`,
    );
  }
  for (const t of replaced) {
    lines.push(
      `  The old ${t.use} token is still valid. When it is no longer used, run: influx auth delete --id ${t.id}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

const MARK = { ok: 'ok     ', warning: 'warning', error: 'ERROR  ' } as const;

function describeSources(report: SetupReport): string {
  const lines = ['', 'Stream and archive'];
  if (report.stream.created) lines.push(`  created  stream ${report.stream.name}`);
  if (report.archive.created) lines.push(`  created  archive ${report.archive.url}`);
  for (const c of report.checks) lines.push(`  ${MARK[c.state]}  ${c.message}`);
  if (report.checks.every((c) => c.state !== 'error')) {
    lines.push(
      '',
      'Ready. Next, run "userpulse start" (ingest and serve in one process), or "userpulse ingest" and "userpulse serve".',
    );
  }
  return `${lines.join('\n')}\n`;
}
