import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { z } from 'zod';
import { UserpulseError } from './errors.ts';
import { parseRfc3339 } from './event/timestamp.ts';
import { shownUrl } from './secrets.ts';

/** Environment as given by the composition root. */
export type Environment = Readonly<Record<string, string | undefined>>;

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be between ${min} and ${max}`);

const fraction = z
  .string()
  .regex(/^\d+(\.\d+)?$/, 'must be a number such as 0.5')
  .transform(Number)
  .refine((n) => n > 0 && n <= 1, 'must be more than 0 and at most 1');

/** `first:N` or `last:N`: which characters of an id are its prefix tag. Bounds keep the tag's cardinality at most 10^6. */
const prefixScheme = (maxLength: number) =>
  z
    .string()
    .regex(/^(first|last):[1-9]\d?$/, 'must be first:N or last:N, for example first:4')
    .transform((text) => {
      const [side, length] = text.split(':') as ['first' | 'last', string];
      return { side, length: Number(length) };
    })
    .refine((s) => s.length <= maxLength, `N must be at most ${maxLength}`);

/** Whether a URL has parts that hold credentials and that nothing here would use. */
const hasMore = (url: URL): boolean => `${url.username}${url.password}${url.search}${url.hash}` !== '';
const PLAIN = 'must have no user name, password, query or fragment: addresses are shown in messages';

/** HTTP carries nothing else in a header, and a line break at the end, as files have one, would only fail later. */
const token = () => z.string().regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without white space');

const storeUrl = (example: string, protocols: readonly string[]) =>
  z.string().transform((text, ctx) => {
    let url: URL;
    try {
      url = new URL(text);
    } catch {
      ctx.addIssue({ code: 'custom', message: `must be a URL such as ${example}` });
      return z.NEVER;
    }
    if (!protocols.includes(url.protocol)) {
      ctx.addIssue({
        code: 'custom',
        message: `must begin with ${protocols.map((p) => `${p}//`).join(' or ')}, for example ${example}`,
      });
      return z.NEVER;
    }
    if (hasMore(url)) {
      ctx.addIssue({ code: 'custom', message: PLAIN });
      return z.NEVER;
    }
    if (url.protocol === 's3:' && (url.hostname === '' || url.port !== '')) {
      ctx.addIssue({
        code: 'custom',
        message:
          url.port === ''
            ? 'must name a bucket: s3://BUCKET/PREFIX'
            : 'must name a bucket without a port, s3://BUCKET/PREFIX: a server other than AWS is set by AWS_ENDPOINT_URL_S3',
      });
      return z.NEVER;
    }
    if (url.protocol === 'file:' && (url.hostname !== '' || url.pathname === '/')) {
      ctx.addIssue({
        code: 'custom',
        message: `must be an absolute folder with three slashes, for example ${example}`,
      });
      return z.NEVER;
    }
    // What a path means is read from its percent-encoded form; see sinks/archive-file.ts and archive-s3.ts.
    if (/%(?![0-9a-f]{2})|%(2f|5c|00)/i.test(url.pathname) || !isDecodable(url.pathname)) {
      ctx.addIssue({
        code: 'custom',
        message: 'must have %25 where its path has a percent sign, and no slash, backslash or NUL written as a code',
      });
      return z.NEVER;
    }
    return url;
  });

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

const bucketName = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^_"][^"]*$/, 'must not begin with _ or contain a quote');

/** `127.0.0.1:8088`, `[::1]:8088`, `0.0.0.0:8088` */
const listenAddress = z.string().transform((text, ctx) => {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port >= 0 && port <= 65535)) {
    ctx.addIssue({ code: 'custom', message: 'must be HOST:PORT, for example 127.0.0.1:8088' });
    return z.NEVER;
  }
  return { host, port };
});

const startPosition = z.string().transform((text, ctx) => {
  if (text === 'trim_horizon' || text === 'latest') return { kind: text } as const;
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : parseRfc3339(text);
  if (typeof ms === 'string') {
    ctx.addIssue({
      code: 'custom',
      message:
        'must be trim_horizon, latest, or a time: RFC 3339 with an offset such as 2026-01-31T00:00:00Z, or milliseconds since 1970',
    });
    return z.NEVER;
  }
  return { kind: 'time', ms } as const;
});

/** `30d`, `12h`, or `infinite` → seconds, 0 = for ever (InfluxDB's own convention). */
const retention = z
  .string()
  .regex(/^(infinite|[1-9]\d*[hdw])$/, 'must be infinite, or hours, days or weeks such as 90d')
  .transform((text) => {
    if (text === 'infinite') return 0;
    const seconds = { h: 3600, d: 86_400, w: 604_800 }[text.slice(-1) as 'h' | 'd' | 'w'];
    return Number(text.slice(0, -1)) * seconds;
  });

/** One entry per setting: environment name, its rule, its default where there is one, and what it is for. */
const settings = {
  influxHost: [
    'INFLUX_HOST',
    z
      .url({ protocol: /^https?$/, error: 'must be a URL such as http://localhost:8086', abort: true })
      .refine((text) => !hasMore(new URL(text)), PLAIN),
    'http://localhost:8086',
    'Address of InfluxDB 2.',
  ],
  influxOrg: ['INFLUX_ORG', z.string().min(1), undefined, 'Organisation that holds the buckets.'],
  influxToken: [
    'INFLUX_TOKEN',
    token(),
    undefined,
    'Token: an operator token for `setup`, the narrower ones it prints for everything else.',
  ],
  stream: [
    'USERPULSE_STREAM',
    z.string().regex(/^[a-zA-Z0-9_.-]{1,128}$/, 'must be a Kinesis stream name: 1 to 128 of a-z A-Z 0-9 _ . -'),
    undefined,
    'Kinesis data stream that carries the events.',
  ],
  archive: [
    'USERPULSE_ARCHIVE',
    storeUrl('s3://my-bucket/userpulse', ['s3:', 'file:']),
    undefined,
    'Where raw events are kept: `s3://BUCKET/PREFIX` or `file:///DIR`.',
  ],
  checkpoint: [
    'USERPULSE_CHECKPOINT',
    storeUrl('file:///var/lib/userpulse/checkpoint', ['file:']),
    undefined,
    'Folder that remembers how far each shard is durable in every sink. Give it a disk that outlives the process.',
  ],
  userPrefix: [
    'USERPULSE_USER_PREFIX',
    prefixScheme(6),
    'first:4',
    'Which digits of a user id are its prefix tag: `first:N` or `last:N`, N up to 6.',
  ],
  sharePrefix: [
    'USERPULSE_SHARE_PREFIX',
    prefixScheme(8),
    'first:6',
    'Which characters of a share id are its prefix tag: `first:N` or `last:N`, N up to 8.',
  ],
  bucketMade: ['USERPULSE_BUCKET_MADE', bucketName, 'interactions_made', 'Bucket of what users make.'],
  bucketReceived: ['USERPULSE_BUCKET_RECEIVED', bucketName, 'interactions_received', 'Bucket of what users receive.'],
  bucketShare: ['USERPULSE_BUCKET_SHARE', bucketName, 'interactions_share', 'Bucket of what shares receive.'],
  bucketTotal: [
    'USERPULSE_BUCKET_TOTAL',
    bucketName,
    'interactions_total',
    "Bucket of everyone's interactions, tagged by type only.",
  ],
  retentionSeconds: [
    'USERPULSE_RETENTION',
    retention,
    'infinite',
    'How long `setup` lets new buckets keep points: `infinite`, or hours, days, weeks such as `90d`.',
  ],
  listen: [
    'USERPULSE_LISTEN',
    listenAddress,
    undefined,
    'Address to listen on. `serve` and `start` need `USERPULSE_API_TOKEN` for anything but loopback.',
  ],
  apiToken: [
    'USERPULSE_API_TOKEN',
    token().min(16, 'must have at least 16 characters'),
    undefined,
    'Bearer token that /v1 asks for; at least 16 characters.',
  ],
  start: [
    'USERPULSE_START',
    startPosition,
    'trim_horizon',
    'Where a shard without a checkpoint begins: `trim_horizon`, `latest` (the time of this machine), or a time (RFC 3339, or ms).',
  ],
  onTrimmed: [
    'USERPULSE_ON_TRIMMED',
    z.enum(['stop', 'continue'], 'must be stop or continue'),
    'stop',
    'When the stream no longer holds all records since the checkpoint: `stop` with an error, or `continue` with the oldest there is.',
  ],
  maxAheadMs: [
    'USERPULSE_MAX_AHEAD_MS',
    wholeNumber(0, 86_400_000),
    '600000',
    'How far (ms) an event may lie ahead of its arrival on the stream.',
  ],
  rejectMaxRatio: [
    'USERPULSE_REJECT_MAX_RATIO',
    fraction,
    '0.5',
    'Ingest stops rather than dead-letter more than this fraction of what it reads; `1` = never.',
  ],
  rejectMinRecords: [
    'USERPULSE_REJECT_MIN_RECORDS',
    wholeNumber(1, 1_000_000_000),
    '1000',
    'Events and rejections within the window below which that fraction says nothing.',
  ],
  rejectWindowMs: [
    'USERPULSE_REJECT_WINDOW_MS',
    wholeNumber(1000, 86_400_000),
    '60000',
    'Time (ms) over which that fraction is taken.',
  ],
  pollIntervalMs: [
    'USERPULSE_POLL_INTERVAL_MS',
    wholeNumber(200, 60_000),
    '250',
    "Pause (ms) between two reads of a shard that has nothing new; at least 200, Kinesis's quota.",
  ],
  batchMaxLines: ['USERPULSE_BATCH_MAX_LINES', wholeNumber(1, 50_000), '5000', 'Most lines in one write to InfluxDB.'],
  batchMaxAgeMs: [
    'USERPULSE_BATCH_MAX_AGE_MS',
    wholeNumber(1, 10_000),
    '250',
    'Longest wait (ms) before a batch is written.',
  ],
  bufferMaxBytes: [
    'USERPULSE_BUFFER_MAX_BYTES',
    wholeNumber(1_048_576, 8_589_934_592),
    '20971520',
    'Most bytes of events held in memory, over all shards. Reading stops when it is used up.',
  ],
  archiveMaxBytes: [
    'USERPULSE_ARCHIVE_MAX_BYTES',
    wholeNumber(1024, 1_073_741_824),
    '67108864',
    "Raw bytes after which a shard's archive objects are closed.",
  ],
  archiveMaxAgeMs: [
    'USERPULSE_ARCHIVE_MAX_AGE_MS',
    wholeNumber(100, 86_400_000),
    '300000',
    "Age (ms) at which a shard's archive objects are closed.",
  ],
  drainMs: [
    'USERPULSE_DRAIN_MS',
    wholeNumber(0, 600_000),
    '30000',
    'Longest time (ms) that a stop may take to write what was read.',
  ],
  queryTimeoutMs: [
    'USERPULSE_QUERY_TIMEOUT_MS',
    wholeNumber(100, 600_000),
    '30000',
    'Longest time (ms) that one query may take.',
  ],
  logLevel: [
    'USERPULSE_LOG_LEVEL',
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'info',
    '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`.',
  ],
} as const satisfies Record<string, readonly [string, z.ZodType, string | undefined, string]>;

type Settings = typeof settings;
export type SettingName = keyof Settings;
/** All settings, parsed. A command asks for the ones it needs with {@link loadConfig} and gets exactly those as non-optional. */
export type Config<K extends SettingName = SettingName> = { readonly [N in K]: z.output<Settings[N][1]> };

/** Settings without which a command still makes sense get their value here, where the working directory or the command decides. */
export interface LoadOptions {
  readonly cwd: string;
  readonly defaultPort: number;
}

/** Defaults that depend on where and what is run, as the documentation names them. */
const COMPUTED: Partial<Record<SettingName, string>> = {
  archive: 'file://$PWD/userpulse-data/archive',
  checkpoint: 'file://$PWD/userpulse-data/checkpoint',
  listen: '127.0.0.1:8088 (ingest: 8089)',
};

const computedDefault = (name: SettingName, options: LoadOptions): string | undefined => {
  if (name === 'archive') return pathToFileURL(join(options.cwd, 'userpulse-data', 'archive')).href;
  if (name === 'checkpoint') return pathToFileURL(join(options.cwd, 'userpulse-data', 'checkpoint')).href;
  if (name === 'listen') return `127.0.0.1:${options.defaultPort}`;
  return settings[name][2];
};

const OPTIONAL: ReadonlySet<SettingName> = new Set(['apiToken']);
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;

/**
 * Parses the settings a command needs. All problems are reported together, each with its environment variable and how to mend it.
 * @throws UserpulseError `config_invalid`
 */
export function loadConfig<K extends SettingName>(
  env: Environment,
  names: readonly K[],
  options: LoadOptions,
): Config<K> & { readonly apiToken: string | undefined } {
  const problems: string[] = [];
  const out: Partial<Record<SettingName, unknown>> = {};
  for (const name of new Set<SettingName>(names)) {
    const [variable, rule] = settings[name];
    const given = env[variable];
    const text = given === undefined || given === '' ? computedDefault(name, options) : given;
    if (text === undefined) {
      if (!OPTIONAL.has(name)) problems.push(`${variable} is not set.`);
      continue;
    }
    const parsed = rule.safeParse(text);
    if (parsed.success) out[name] = parsed.data;
    else
      problems.push(
        `${variable} ${parsed.error.issues.map((i) => i.message).join('; ')}.${name === 'influxToken' || name === 'apiToken' ? '' : ` It is "${shownUrl(text)}".`}`,
      );
  }
  const listen = out.listen as Config['listen'] | undefined;
  if (
    listen !== undefined &&
    (names as readonly string[]).includes('apiToken') &&
    out.apiToken === undefined &&
    !LOOPBACK.test(listen.host)
  ) {
    problems.push(
      `USERPULSE_API_TOKEN is required to listen on ${listen.host}: without it only loopback addresses are served.`,
    );
  }
  const buckets = (['bucketMade', 'bucketReceived', 'bucketShare', 'bucketTotal'] as const)
    .map((n) => out[n])
    .filter((b) => b !== undefined);
  if (new Set(buckets).size < buckets.length)
    problems.push('USERPULSE_BUCKET_MADE, _RECEIVED, _SHARE and _TOTAL must name four different buckets.');
  if (problems.length > 0) {
    throw new UserpulseError(
      'config_invalid',
      `${problems.length === 1 ? 'A setting is' : `${problems.length} settings are`} wrong:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
      {
        hint: 'Every setting is described in the README under "Settings".',
      },
    );
  }
  return out as Config<K> & { apiToken: string | undefined };
}

/** What the README's table of settings says; a test holds the two equal. */
export const settingDocs: readonly {
  readonly name: SettingName;
  readonly variable: string;
  readonly fallback: string;
  readonly text: string;
}[] = (Object.keys(settings) as SettingName[]).map((name) => ({
  name,
  variable: settings[name][0],
  fallback: COMPUTED[name] ?? settings[name][2] ?? '',
  text: settings[name][3],
}));
