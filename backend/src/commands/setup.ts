import { InvalidArgumentError } from 'commander';
import { createS3Client } from '../archive/s3.ts';
import { createKinesisClient } from '../kinesis/client.ts';
import { archiveCheck } from '../archive/archive-check.ts';
import { runChecks, type CheckResult } from '../check.ts';
import { influxCheck } from '../influx/influx-check.ts';
import { refuse } from '../checks/preflight.ts';
import { streamCheck } from '../kinesis/stream-check.ts';
import { archiveTarget, awsEndpoint, bucketNames, influxTarget, streamTarget } from '../checks/targets.ts';
import { UserpulseError } from '../errors.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { BUCKET_SETTINGS, INFLUX_SETTINGS } from './settings.ts';
import { ensureArchive, ensureStream } from './setup-aws.ts';
import { InfluxAdmin, OPERATOR_NEEDED, type BucketOutcome, type TokenOutcome } from './setup-influx.ts';

interface SetupOptions {
  readonly create: boolean;
  readonly shards: number;
  readonly tokens: boolean;
  readonly json: boolean;
}

/** All that a run did and found; printed as text or, with --json, as it is. */
interface SetupReport {
  readonly buckets: readonly BucketOutcome[];
  readonly tokens: readonly TokenOutcome[];
  /** Older tokens of the same kind, still valid. */
  readonly replacedTokens: readonly TokenOutcome[];
  readonly stream: { readonly name: string; readonly created: boolean };
  readonly archive: { readonly url: string; readonly created: boolean };
  readonly checks: readonly CheckResult[];
}

export const registerSetup: RegisterCommand = (program, context) => {
  program
    .command('setup')
    .summary('make buckets and tokens, check stream and archive')
    .description(
      'Makes the four InfluxDB buckets and narrower tokens for the other commands, and checks the Kinesis stream and the archive.\n' +
        'May be run again at any time: what is there is left as it is. Needs an operator token.',
    )
    .option('--create', 'also make the Kinesis stream and the archive bucket or folder', false)
    .option('--shards <n>', 'shards of a stream that --create makes', wholeNumber, 1)
    .option('--tokens', 'make new tokens even where some exist (the old ones stay valid until you delete them)', false)
    .option('--json', 'print the outcome as JSON', false)
    .addHelpText(
      'after',
      `
Environment:
  INFLUX_HOST, INFLUX_ORG, INFLUX_TOKEN      InfluxDB; the token must be an operator token
  USERPULSE_BUCKET_MADE, _RECEIVED, _SHARE, _TOTAL, USERPULSE_RETENTION
                                             names of the buckets, and how long new ones keep points
  USERPULSE_STREAM                           Kinesis stream
  USERPULSE_ARCHIVE                          s3://BUCKET/PREFIX or file:///DIR
  AWS_REGION, AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL_S3 and AWS credentials

Tokens are printed once, when they are made, and stored nowhere.`,
    )
    .action((options: SetupOptions) => setup(context, options));
};

function wholeNumber(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < 1 || n > 10_000) throw new InvalidArgumentError('It must be a whole number from 1.');
  return n;
}

async function setup(context: CommandContext, options: SetupOptions): Promise<void> {
  const config = context.config([...INFLUX_SETTINGS, ...BUCKET_SETTINGS, 'retentionSeconds', 'stream', 'archive']);
  const influx = influxTarget(config);
  const stream = streamTarget(config, context.env);
  const kinesis = createKinesisClient();
  const archive = archiveTarget(config, context.env, () =>
    createS3Client({ customEndpoint: awsEndpoint(context.env, 'S3') !== undefined }),
  );
  try {
    refuse(operatorNeeded(await runChecks([influxCheck(influx)], { signal: context.stop })), 'cannot set up');
    const admin = new InfluxAdmin(influx, context.stop);
    const orgId = await admin.organizationId();
    const buckets = await admin.ensureBuckets(orgId, bucketNames(config), config.retentionSeconds);
    const { tokens, replaced } = await admin.ensureTokens(orgId, buckets, options.tokens);
    // Tokens cannot be shown twice: they are printed before anything else can fail.
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
    const checks = await runChecks([streamCheck(kinesis, stream), archiveCheck(archive)], { signal: context.stop });
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
        `the buckets are ready, but not everything is.\n${errors.map((c) => `  - ${c.message} ${c.hint}`).join('\n')}`,
      );
    }
  } finally {
    kinesis.destroy();
    if (archive.kind === 's3') archive.s3.destroy();
  }
}

/** For the other commands setup is the way to a token; for setup itself it is not. */
const operatorNeeded = (results: readonly CheckResult[]): readonly CheckResult[] =>
  results.map((r) => (r.code === 'influx_unauthorized' ? { ...r, hint: OPERATOR_NEEDED } : r));

function retentionText(seconds: number): string {
  if (seconds === 0) return 'keeps points for ever';
  return seconds % 86_400 === 0 ? `keeps points ${seconds / 86_400} d` : `keeps points ${seconds / 3600} h`;
}

function describeInflux(
  buckets: readonly BucketOutcome[],
  tokens: readonly TokenOutcome[],
  replaced: readonly TokenOutcome[],
  wantedRetention: number,
): string {
  const lines = ['Buckets'];
  for (const b of buckets) {
    lines.push(`  ${b.created ? 'made ' : 'there'}  ${b.name}, ${retentionText(b.retentionSeconds)}`);
    if (b.retentionSeconds !== wantedRetention) {
      lines.push(
        `         USERPULSE_RETENTION says that it ${retentionText(wantedRetention)}: setup changes no bucket that exists. To change it: influx bucket update --id ${b.id} --retention ${wantedRetention}s`,
      );
    }
  }
  const fresh = tokens.filter((t) => t.token !== undefined);
  const kept = tokens.filter((t) => t.token === undefined);
  lines.push('', 'Tokens');
  if (fresh.length > 0) lines.push('  Shown once; Userpulse stores none. Set INFLUX_TOKEN to:');
  for (const t of fresh) lines.push(`    userpulse ${t.use.padEnd(7)}${t.token ?? ''}`);
  if (kept.length > 0) {
    lines.push(
      `  there  ${kept.map((t) => t.use).join(', ')}: made by an earlier setup and not shown again. "userpulse setup --tokens" makes new ones.`,
    );
  }
  for (const t of replaced) {
    lines.push(`  The old ${t.use} token is still valid; when it is out of use: influx auth delete --id ${t.id}`);
  }
  return `${lines.join('\n')}\n`;
}

const MARK = { ok: 'ok   ', warning: 'warn ', error: 'ERROR' } as const;

function describeSources(report: SetupReport): string {
  const lines = ['', 'Stream and archive'];
  if (report.stream.created) lines.push(`  made   stream ${report.stream.name}`);
  if (report.archive.created) lines.push(`  made   ${report.archive.url}`);
  for (const c of report.checks) lines.push(`  ${MARK[c.state]}  ${c.message}`);
  if (report.checks.every((c) => c.state !== 'error')) {
    lines.push(
      '',
      'Ready. Next: "userpulse start" (ingest and serve in one), or "userpulse ingest" and "userpulse serve".',
    );
  }
  return `${lines.join('\n')}\n`;
}
