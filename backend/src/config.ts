import { pathToFileURL } from 'node:url';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import {
  DEFAULT_ID_FORMATS,
  defaultPrefixOf,
  ID_FORMATS,
  ID_KIND_NAMES,
  ID_KINDS,
  type IdFormat,
  type IdFormatRow,
  type IdKind,
  type IdKindRow,
} from '../../contract/ids.ts';
import { parsePrefixScheme, prefixSchemeText, type PrefixScheme } from '../../contract/prefix.ts';
import { BUCKET_ROLES, BUCKET_SETTINGS_TEXT, ROLES, type BucketRole } from '../../contract/roles.ts';
import { UserpulseError } from './errors.ts';
import { COMPRESSIONS } from './event/decompress.ts';
import { SPLITS } from './event/split.ts';
import { parseRfc3339 } from './event/timestamp.ts';
import { FileSecret, SECRET_VARIABLES, SecretFileError, shownUrl, variableSecret, type Secret } from './secrets.ts';

/** The environment, as the composition root gives it. */
export type Environment = Readonly<Record<string, string | undefined>>;

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be between ${min} and ${max}`);

/** `off`, or some of the values with commas between them, each at most once. */
const listOf = <T extends string>(values: readonly T[]) =>
  z.string().transform((text, ctx): readonly T[] => {
    const list = text === 'off' ? [] : text.split(',').map((part) => part.trim());
    const known = values.filter((value) => list.includes(value));
    if (known.length === list.length) return known;
    ctx.addIssue({ code: 'custom', message: `must be off, ${values.join(', ')}, or ${values.join(',')}` });
    return z.NEVER;
  });

/** `https://app.example.com`, as browsers write an origin: nothing but scheme, host and a port that is not the scheme's own. */
const originList = z.string().transform((text, ctx): readonly string[] => {
  const origins = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  for (const origin of origins) {
    const url = URL.canParse(origin) ? new URL(origin) : undefined;
    const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
    // URL takes * as a part of a host, and no browser's origin would ever equal it.
    const hasWildcard = origin.includes('*');
    if (isWeb && !hasWildcard && url.origin === origin) continue;
    const message = hasWildcard
      ? `must name each origin, not "${origin}": * would let pages read the numbers that nobody named`
      : `must be origins such as https://app.example.com, with commas between them, not "${origin}"${isWeb ? `: did you mean ${url.origin}?` : ''}`;
    ctx.addIssue({ code: 'custom', message });
    return z.NEVER;
  }
  return origins;
});

const fraction = z
  .string()
  .regex(/^\d+(\.\d+)?$/, 'must be a number such as 0.5')
  .transform(Number)
  .refine((n) => n > 0 && n <= 1, 'must be more than 0 and at most 1');

/** What of an id is its prefix tag. Which schemes suit an id depends on its format: see {@link prefixProblem}. */
const prefixScheme = z.string().transform((text, ctx) => {
  const scheme = parsePrefixScheme(text);
  if (scheme !== undefined) return scheme;
  ctx.addIssue({ code: 'custom', message: 'must be first:N, last:N or hash:N, for example first:4' });
  return z.NEVER;
});

const or = (texts: readonly string[]): string =>
  texts.length < 2 ? (texts[0] ?? '') : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1) ?? ''}`;

/** The bounds of each format keep the tag's cardinality at about 10^6. */
function prefixProblem(kind: IdKind, format: IdFormat, scheme: PrefixScheme): string | undefined {
  const { prefixSetting, setting } = ID_KINDS[kind];
  const { prefixes }: IdFormatRow = ID_FORMATS[format];
  const most = prefixes[scheme.by];
  if (most !== undefined && scheme.length <= most) return undefined;
  const wanted =
    most === undefined ? or(Object.keys(prefixes).map((by) => `${by}:N`)) : `${scheme.by}:N with N up to ${most}`;
  return `${prefixSetting} must be ${wanted}, because ${setting} is ${format}. It is "${prefixSchemeText(scheme)}".`;
}

/** Whether a URL has parts that may hold credentials, and that nothing would use. */
const hasMore = (url: URL): boolean => `${url.username}${url.password}${url.search}${url.hash}` !== '';
const PLAIN = 'must not have a user name, password, query or fragment, because addresses are shown in messages';

/** Nothing else fits into an HTTP header, and a trailing line break, as files have one, would only fail later. */
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
            : 'must be s3://BUCKET/PREFIX without a port; for a server other than AWS, set AWS_ENDPOINT_URL_S3',
      });
      return z.NEVER;
    }
    if (url.protocol === 'file:' && (url.hostname !== '' || url.pathname === '/')) {
      ctx.addIssue({
        code: 'custom',
        message: `must be an absolute path with three slashes, for example ${example}`,
      });
      return z.NEVER;
    }
    // The path is decoded where it is used.
    if (/%(?![0-9a-f]{2})|%(2f|5c|00)/i.test(url.pathname) || !isDecodable(url.pathname)) {
      ctx.addIssue({
        code: 'custom',
        message:
          'must encode a percent sign in its path as %25, and must not contain an encoded slash, backslash or NUL',
      });
      return z.NEVER;
    }
    return url;
  });

/** DynamoDB's rule for names of tables, with room for what KCL appends to name its other ones. */
const TABLE = /^[a-zA-Z0-9_.-]{3,230}$/;
const checkpointUrl = storeUrl('file:///var/lib/userpulse/checkpoint', ['file:', 'dynamodb:']).refine(
  ({ protocol, hostname, port, pathname }) =>
    protocol !== 'dynamodb:' || (TABLE.test(hostname) && port === '' && pathname === ''),
  'must name a DynamoDB table: dynamodb://TABLE, with 3 to 230 of the characters a-z, A-Z, 0-9, "_", "-" and "."',
);

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

/** `30d`, `12h`, or `infinite` → seconds, 0 = infinite (InfluxDB's own convention). */
const retention = z
  .string()
  .regex(/^(infinite|[1-9]\d*[hdw])$/, 'must be infinite, or a number of hours, days or weeks, such as 12h, 90d or 4w')
  .transform((text) => {
    if (text === 'infinite') return 0;
    const seconds = { h: 3600, d: 86_400, w: 604_800 }[text.slice(-1) as 'h' | 'd' | 'w'];
    return Number(text.slice(0, -1)) * seconds;
  });

/** The setting that names a role's bucket: `bucketMade`. */
export type BucketSetting<R extends BucketRole = BucketRole> = `bucket${Capitalize<R>}`;
export const bucketSetting = <R extends BucketRole>(role: R): BucketSetting<R> =>
  `bucket${role.charAt(0).toUpperCase()}${role.slice(1)}` as BucketSetting<R>;

const bucketRow = (role: BucketRole): readonly [string, typeof bucketName, string, string] => {
  const { setting, bucket, content } = ROLES[role];
  return [setting, bucketName, bucket, `Bucket of ${content}.`];
};
const bucketSettings = Object.fromEntries(
  BUCKET_ROLES.map((role) => [bucketSetting(role), bucketRow(role)]),
) as Readonly<Record<BucketSetting, ReturnType<typeof bucketRow>>>;

/** One entry per setting: its environment variable, its rule, its default where there is one, and what it is for. */
const settings = {
  influxHost: [
    'INFLUX_HOST',
    z
      .url({ protocol: /^https?$/, error: 'must be a URL such as http://localhost:8086', abort: true })
      .refine((text) => !hasMore(new URL(text)), PLAIN),
    'http://localhost:8086',
    'Address of InfluxDB 2.',
  ],
  influxOrg: ['INFLUX_ORG', z.string().min(1), undefined, 'Organisation of the buckets.'],
  influxToken: [
    'INFLUX_TOKEN',
    token(),
    undefined,
    'API token: an operator token for `setup`, and the narrower ones that it prints for everything else.',
  ],
  influxTokenFile: [
    'INFLUX_TOKEN_FILE',
    z.string(),
    undefined,
    'File with that token, instead of `INFLUX_TOKEN`. It is read again when it changes.',
  ],
  stream: [
    'USERPULSE_STREAM',
    z.string().regex(/^[a-zA-Z0-9_.-]{1,128}$/, 'must be a Kinesis stream name: 1 to 128 of a-z A-Z 0-9 _ . -'),
    undefined,
    'Kinesis data stream with the events.',
  ],
  archive: [
    'USERPULSE_ARCHIVE',
    storeUrl('s3://my-bucket/userpulse', ['s3:', 'file:']),
    undefined,
    'Where raw events are archived: `s3://BUCKET/PREFIX` or `file:///DIR`.',
  ],
  archiveRegion: [
    'USERPULSE_ARCHIVE_REGION',
    z.string().regex(/^[a-z0-9-]+$/, 'must be a region such as eu-west-1'),
    undefined,
    'AWS region of the archive bucket, if it is not that of the stream (`AWS_REGION`).',
  ],
  checkpoint: [
    'USERPULSE_CHECKPOINT',
    checkpointUrl,
    undefined,
    '`file:///DIR`: folder for the checkpoint of each shard, on a disk that outlives the process; or `dynamodb://TABLE`, where several ingests share the stream.',
  ],
  failoverMs: [
    'USERPULSE_FAILOVER_MS',
    wholeNumber(1_000, 300_000),
    '10000',
    'With `dynamodb://`: how long a worker may be silent before others take its shards, in ms.',
  ],
  userIdFormat: [
    ID_KINDS.user.setting,
    z.enum(ID_KINDS.user.formats, `must be ${or(ID_KINDS.user.formats)}`),
    DEFAULT_ID_FORMATS.user,
    'How user IDs are written: `int64`, whole numbers up to 2^63-1, or `text`, 1 to 128 of `a-z A-Z 0-9 - . _ ~ : / @ + =` and the vertical bar.',
  ],
  shareIdFormat: [
    ID_KINDS.share.setting,
    z.enum(ID_KINDS.share.formats, `must be ${or(ID_KINDS.share.formats)}`),
    DEFAULT_ID_FORMATS.share,
    'How share IDs are written: `objectid`, 24 hex digits in lower case, `text` or `int64`.',
  ],
  userPrefix: [
    ID_KINDS.user.prefixSetting,
    prefixScheme,
    undefined,
    'What of a user ID is its prefix tag: its `first:N` or `last:N` digits, N up to 6, or `hash:N`, digits of its hash, N up to 5. Text takes `hash:N` alone.',
  ],
  sharePrefix: [
    ID_KINDS.share.prefixSetting,
    prefixScheme,
    undefined,
    'What of a share ID is its prefix tag, as above; of an ObjectId `first:N` and `last:N` have N up to 8.',
  ],
  ...bucketSettings,
  retentionSeconds: [
    'USERPULSE_RETENTION',
    retention,
    'infinite',
    'Retention of buckets that `setup` creates: `infinite`, or hours, days or weeks, such as `90d`.',
  ],
  listen: [
    'USERPULSE_LISTEN',
    listenAddress,
    undefined,
    'Address to listen on. With an address other than localhost, `serve` and `start` require `USERPULSE_API_TOKEN`.',
  ],
  apiToken: [
    'USERPULSE_API_TOKEN',
    token().min(16, 'must have at least 16 characters'),
    undefined,
    'Bearer token that clients of `/v1` must send; at least 16 characters.',
  ],
  apiTokenFile: [
    'USERPULSE_API_TOKEN_FILE',
    z.string(),
    undefined,
    'File with that token, instead of `USERPULSE_API_TOKEN`. It is read again when it changes.',
  ],
  erasureKey: [
    'USERPULSE_ERASURE_KEY',
    token().min(32, 'must have at least 32 characters'),
    undefined,
    'Key of erasures, for `forget`: hashes who was forgotten, and signs reports. At least 32 characters, always the same.',
  ],
  erasureKeyFile: [
    'USERPULSE_ERASURE_KEY_FILE',
    z.string(),
    undefined,
    'File with that key, instead of `USERPULSE_ERASURE_KEY`.',
  ],
  forgotten: [
    'USERPULSE_FORGOTTEN',
    z.enum(['ignore', 'apply'], 'must be ignore or apply'),
    'ignore',
    'Events that name someone whom `forget` has forgotten: `ignore` that, or `apply` it (needs the key), in ingest, replay and repair.',
  ],
  start: [
    'USERPULSE_START',
    startPosition,
    'trim_horizon',
    'Where to start a shard without a checkpoint: `trim_horizon` (its oldest record), `latest` (the time of the first start), or a time (RFC 3339, or ms since 1970).',
  ],
  onTrimmed: [
    'USERPULSE_ON_TRIMMED',
    z.enum(['stop', 'continue'], 'must be stop or continue'),
    'stop',
    'If the stream no longer holds all records since the checkpoint: `stop` with an error, or `continue` with the oldest record.',
  ],
  maxAheadMs: [
    'USERPULSE_MAX_AHEAD_MS',
    wholeNumber(0, 86_400_000),
    '600000',
    'How far in the future of its arrival on the stream an event may be, in ms.',
  ],
  decompress: [
    'USERPULSE_DECOMPRESS',
    listOf(COMPRESSIONS),
    'off',
    'Compressed records that are decompressed: `off`, `gzip`, `zstd`, or `gzip,zstd`.',
  ],
  split: [
    'USERPULSE_SPLIT',
    listOf(SPLITS),
    'off',
    'Records of several events that are split: `off`, `ndjson` (objects one after another), `array` (a JSON array), or `ndjson,array`.',
  ],
  rejectMaxRatio: [
    'USERPULSE_REJECT_MAX_RATIO',
    fraction,
    '0.5',
    'A shard is held if more than this fraction of what is read of it is rejected; `1` = never.',
  ],
  rejectMinRecords: [
    'USERPULSE_REJECT_MIN_RECORDS',
    wholeNumber(1, 1_000_000_000),
    '1000',
    'Minimum number of events and rejections in the window, of all such shards together, for that fraction to apply.',
  ],
  rejectWindowMs: [
    'USERPULSE_REJECT_WINDOW_MS',
    wholeNumber(1000, 86_400_000),
    '60000',
    'Length of that window, in ms.',
  ],
  read: [
    'USERPULSE_READ',
    z.enum(['polling', 'fanout'], 'must be polling or fanout'),
    'polling',
    'How ingest reads: `polling`, or `fanout` (enhanced fan-out), which needs a registered consumer and costs extra.',
  ],
  consumer: [
    'USERPULSE_CONSUMER',
    z.string().regex(/^[a-zA-Z0-9_.-]{1,128}$/, 'must be the name of a consumer: 1 to 128 of a-z A-Z 0-9 _ . -'),
    'userpulse',
    'With `fanout`: name of the consumer on the stream. Each checkpoint needs one of its own.',
  ],
  pollIntervalMs: [
    'USERPULSE_POLL_INTERVAL_MS',
    wholeNumber(200, 60_000),
    '250',
    'Pause between two reads of a shard that has no new records, in ms; at least 200, the quota of Kinesis.',
  ],
  batchMaxLines: [
    'USERPULSE_BATCH_MAX_LINES',
    wholeNumber(1, 50_000),
    '5000',
    'Maximum lines in one write to InfluxDB.',
  ],
  batchMaxAgeMs: [
    'USERPULSE_BATCH_MAX_AGE_MS',
    wholeNumber(1, 10_000),
    '250',
    'Maximum time before a batch is written, in ms.',
  ],
  bufferMaxBytes: [
    'USERPULSE_BUFFER_MAX_BYTES',
    wholeNumber(1_048_576, 8_589_934_592),
    '20971520',
    'Maximum bytes of events in memory, for all shards together. Reading pauses when they are used up.',
  ],
  archiveMaxBytes: [
    'USERPULSE_ARCHIVE_MAX_BYTES',
    wholeNumber(1024, 1_073_741_824),
    '67108864',
    'Raw bytes after which the archive objects of a shard are closed.',
  ],
  archiveMaxAgeMs: [
    'USERPULSE_ARCHIVE_MAX_AGE_MS',
    wholeNumber(100, 86_400_000),
    '300000',
    'Age at which the archive objects of a shard are closed, in ms.',
  ],
  startDeadlineMs: [
    'USERPULSE_START_DEADLINE_MS',
    wholeNumber(0, 600_000),
    '30000',
    'How long a start waits for what does not answer yet, in ms; `0` = one attempt.',
  ],
  drainMs: [
    'USERPULSE_DRAIN_MS',
    wholeNumber(0, 600_000),
    '30000',
    'Maximum time for a stop to write what was read, in ms.',
  ],
  queryTimeoutMs: [
    'USERPULSE_QUERY_TIMEOUT_MS',
    wholeNumber(100, 600_000),
    '30000',
    'Maximum time of one query, in ms.',
  ],
  queryMaxBytes: [
    'USERPULSE_QUERY_MAX_BYTES',
    wholeNumber(16_777_216, 17_179_869_184),
    '100663296',
    'Maximum bytes of memory for all queries, their answers and live streams together. What does not fit waits, and is then refused.',
  ],
  cacheMs: [
    'USERPULSE_CACHE_MS',
    wholeNumber(0, 600_000),
    '30000',
    'How long an answer about a range that ended more than an hour ago may be given again, in ms; `0` = never.',
  ],
  rollup: [
    'USERPULSE_ROLLUP',
    z.enum(['on', 'off'], 'must be on or off'),
    'on',
    'Whether hours are counted once they are over, and queries of everyone and rankings read the counts instead of the points: `on` or `off`. Answers are the same.',
  ],
  corsOrigins: [
    'USERPULSE_CORS_ORIGINS',
    originList,
    '',
    'Origins whose pages may ask `/v1`, such as `https://app.example.com`, with commas between them; none by default.',
  ],
  streamTicketMs: [
    'USERPULSE_STREAM_TICKET_MS',
    wholeNumber(10_000, 3_600_000),
    '300000',
    'How long a ticket of `POST /v1/stream-tickets` can open its live stream, in ms.',
  ],
  userRequestsPerMinute: [
    'USERPULSE_USER_REQUESTS_PER_MINUTE',
    wholeNumber(0, 1_000_000),
    '0',
    'Maximum requests a minute of one Grafana user, where the data source sends the name; `0` = no limit.',
  ],
  logLevel: [
    'USERPULSE_LOG_LEVEL',
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'info',
    'Log level: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`.',
  ],
} as const satisfies Record<string, readonly [string, z.ZodType, string | undefined, string]>;

type Settings = typeof settings;
export type SettingName = keyof Settings;
/** Parsed settings. A command gets exactly those that it requests from {@link loadConfig}. */
export type Config<K extends SettingName = SettingName> = {
  readonly [N in K]: N extends SecretName
    ? Secret
    : N extends 'archiveRegion'
      ? string | undefined
      : z.output<Settings[N][1]>;
};

/** Settings that may come from a file, with the setting that names it. */
const SECRET_FILES = {
  influxToken: 'influxTokenFile',
  apiToken: 'apiTokenFile',
  erasureKey: 'erasureKeyFile',
} as const satisfies Partial<Record<SettingName, SettingName>>;
type SecretName = keyof typeof SECRET_FILES;
const isSecret = (name: SettingName): name is SecretName => name in SECRET_FILES;

/** What defaults may depend on. */
export interface LoadOptions {
  readonly cwd: string;
  readonly defaultPort: number;
  /** The region that the AWS SDK has found; absent where nobody has looked. */
  readonly awsRegion?: string | undefined;
  /** Told of every secret that is read from a file, so that it can be masked. */
  readonly onSecret?: (value: string) => void;
}

interface ComputedDefault {
  /** For the documentation. */
  readonly text: string;
  readonly value: (options: LoadOptions, env: Environment) => string;
}

const dataFolder = (folder: string): ComputedDefault => ({
  text: `file://$PWD/userpulse-data/${folder}`,
  value: ({ cwd }) => pathToFileURL(join(cwd, 'userpulse-data', folder)).href,
});

function defaultPrefix(kind: IdKind): ComputedDefault {
  const { formats, setting }: IdKindRow = ID_KINDS[kind];
  const [first, second] = formats.map((format) => defaultPrefixOf(kind, format));
  return {
    text: `${first ?? ''} (of other formats ${second ?? ''})`,
    value: (_options, env) =>
      defaultPrefixOf(kind, formats.find((format) => format === env[setting]) ?? DEFAULT_ID_FORMATS[kind]),
  };
}

/** Defaults that depend on the working directory, the command or another setting. */
const COMPUTED: Partial<Record<SettingName, ComputedDefault>> = {
  archive: dataFolder('archive'),
  checkpoint: dataFolder('checkpoint'),
  userPrefix: defaultPrefix('user'),
  sharePrefix: defaultPrefix('share'),
  listen: { text: '127.0.0.1:8088 (ingest: 8089)', value: ({ defaultPort }) => `127.0.0.1:${defaultPort}` },
};

const OPTIONAL: ReadonlySet<SettingName> = new Set(['apiToken', 'archiveRegion', 'influxTokenFile', 'apiTokenFile']);
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;

/**
 * Parses the settings that a command needs. All problems are reported at once, each with its environment variable and a fix.
 * @throws UserpulseError `config_invalid`
 */
export function loadConfig<K extends SettingName>(
  env: Environment,
  names: readonly K[],
  options: LoadOptions,
): Config<K> & { readonly apiToken: Secret | undefined } {
  const problems: string[] = [];
  const out: Partial<Record<SettingName, unknown>> = {};
  for (const name of new Set<SettingName>(names)) {
    const [variable, rule] = settings[name];
    if (isSecret(name)) {
      const secret = readSecret(env, name, options);
      if (typeof secret !== 'string') out[name] = secret;
      else if (secret !== '') problems.push(secret);
      continue;
    }
    const given = env[variable];
    const text =
      given === undefined || given === '' ? (COMPUTED[name]?.value(options, env) ?? settings[name][2]) : given;
    if (text === undefined) {
      if (!OPTIONAL.has(name)) problems.push(`${variable} is not set.`);
      continue;
    }
    const parsed = rule.safeParse(text);
    if (parsed.success) out[name] = parsed.data;
    else
      problems.push(
        `${variable} ${parsed.error.issues.map((i) => i.message).join('; ')}.${SECRET_VARIABLES.includes(variable) ? '' : ` It is "${shownUrl(text)}".`}`,
      );
  }
  const listen = out.listen as Config['listen'] | undefined;
  if (
    listen !== undefined &&
    (names as readonly string[]).includes('apiToken') &&
    out.apiToken === undefined &&
    !LOOPBACK.test(listen.host)
  ) {
    problems.push(`USERPULSE_API_TOKEN is required to listen on ${listen.host}. Without it, listen on localhost.`);
  }
  const archive = out.archive as Config['archive'] | undefined;
  const needsRegion = [
    ...(out.stream === undefined ? [] : [settings.stream[0]]),
    ...(archive?.protocol === 's3:' && out.archiveRegion === undefined ? [settings.archive[0]] : []),
  ];
  if ('awsRegion' in options && options.awsRegion === undefined && needsRegion.length > 0) {
    problems.push(
      `AWS_REGION is not set, and the profile in the AWS configuration file has no region. ${needsRegion.join(' and ')} need one, for example AWS_REGION=eu-west-1.`,
    );
  }
  for (const kind of ID_KIND_NAMES) {
    const format = (out[`${kind}IdFormat`] ?? DEFAULT_ID_FORMATS[kind]) as IdFormat;
    const scheme = out[`${kind}Prefix`] as PrefixScheme | undefined;
    const problem = scheme && prefixProblem(kind, format, scheme);
    if (problem !== undefined) problems.push(problem);
  }
  const buckets = BUCKET_ROLES.map((role) => out[bucketSetting(role)]).filter((b) => b !== undefined);
  if (new Set(buckets).size < buckets.length) problems.push(`${BUCKET_SETTINGS_TEXT} must name different buckets.`);
  if (problems.length > 0) {
    throw new UserpulseError(
      'config_invalid',
      `${problems.length === 1 ? '1 setting is' : `${problems.length} settings are`} invalid:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
      {
        hint: 'All settings are described in the README under "Settings".',
      },
    );
  }
  return out as Config<K> & { apiToken: Secret | undefined };
}

/** @returns what is wrong, as a sentence; '' where it is not set and need not be */
function readSecret(env: Environment, name: SecretName, options: LoadOptions): Secret | string {
  const [variable, rule] = settings[name];
  const [fileVariable] = settings[SECRET_FILES[name]];
  const value = env[variable] ?? '';
  const path = env[fileVariable] ?? '';
  const check = (text: string): string | undefined => {
    const parsed = rule.safeParse(text);
    return parsed.success ? undefined : parsed.error.issues.map((i) => i.message).join('; ');
  };
  if (path !== '' && value !== '') return `${variable} and ${fileVariable} are both set. Set one of them.`;
  if (path === '') {
    if (value === '') return OPTIONAL.has(name) ? '' : `${variable} is not set, and neither is ${fileVariable}.`;
    const problem = check(value);
    return problem === undefined ? variableSecret(variable, value) : `${variable} ${problem}.`;
  }
  try {
    return new FileSecret({
      path: resolve(options.cwd, path),
      variable: fileVariable,
      check: (text) => {
        const problem = check(text);
        return problem === undefined ? undefined : `holds a value that ${problem}`;
      },
      onValue: options.onSecret ?? (() => undefined),
    });
  } catch (error) {
    if (!(error instanceof SecretFileError)) throw error;
    return `${fileVariable}: ${resolve(options.cwd, path)} ${error.message}.`;
  }
}

/** The rows of the README's table of settings; a test compares them. */
export const settingDocs: readonly {
  readonly name: SettingName;
  readonly variable: string;
  readonly fallback: string;
  readonly text: string;
}[] = (Object.keys(settings) as SettingName[]).map((name) => ({
  name,
  variable: settings[name][0],
  fallback: COMPUTED[name]?.text ?? settings[name][2] ?? '',
  text: settings[name][3],
}));
