import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadConfig, settingDocs, type Environment, type SettingName } from './config.ts';
import { UserpulseError } from './errors.ts';

const options = { cwd: '/srv/app', defaultPort: 8088 };
const load = (env: Environment, ...names: SettingName[]) => loadConfig(env, names, options);
const failure = (env: Environment, ...names: SettingName[]): string => {
  try {
    load(env, ...names);
  } catch (error) {
    if (error instanceof UserpulseError && error.code === 'config_invalid') return error.message;
    throw error;
  }
  throw new Error('The configuration was accepted.');
};

describe('loadConfig', () => {
  it('gives defaults where a default makes sense', () => {
    const config = load(
      {},
      'archive',
      'checkpoint',
      'listen',
      'userPrefix',
      'sharePrefix',
      'start',
      'retentionSeconds',
      'batchMaxAgeMs',
    );
    expect(config.archive.href).toBe('file:///srv/app/userpulse-data/archive');
    expect(config.checkpoint.href).toBe('file:///srv/app/userpulse-data/checkpoint');
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 8088 });
    expect(config.userPrefix).toEqual({ by: 'first', length: 4 });
    expect(config.sharePrefix).toEqual({ by: 'first', length: 6 });
    expect(config.start).toEqual({ kind: 'trim_horizon' });
    expect(config.retentionSeconds).toBe(0);
    expect(config.batchMaxAgeMs).toBe(250);
  });

  it('reports every problem at once, each by its variable', () => {
    const message = failure(
      { USERPULSE_USER_PREFIX: 'middle:3', INFLUX_HOST: 'localhost:8086' },
      'influxHost',
      'influxOrg',
      'userPrefix',
      'stream',
    );
    for (const variable of ['INFLUX_HOST', 'INFLUX_ORG', 'USERPULSE_USER_PREFIX', 'USERPULSE_STREAM'])
      expect(message).toContain(variable);
    expect(message).toContain('4 settings are invalid');
  });

  it('treats an empty variable as absent', () => {
    expect(load({ USERPULSE_LISTEN: '' }, 'listen').listen.port).toBe(8088);
  });

  it('takes origins as browsers write them, none by default', () => {
    expect(load({}, 'corsOrigins').corsOrigins).toEqual([]);
    const text = 'https://app.example.com, http://localhost:3000,http://[::1]:8080,';
    expect(load({ USERPULSE_CORS_ORIGINS: text }, 'corsOrigins').corsOrigins).toEqual([
      'https://app.example.com',
      'http://localhost:3000',
      'http://[::1]:8080',
    ]);
  });

  it.each([
    ['*', 'must name each origin, not "*"'],
    ['https://app.example.com,*', 'must name each origin, not "*"'],
    ['https://*.example.com', 'must name each origin, not "https://*.example.com"'],
    ['null', 'not "null"'],
    ['app.example.com', 'not "app.example.com"'],
    ['localhost:3000', 'not "localhost:3000"'],
    ['ftp://app.example.com', 'not "ftp://app.example.com"'],
    ['https://app.example.com/', 'did you mean https://app.example.com?'],
    ['https://app.example.com/live?x#y', 'did you mean https://app.example.com?'],
    ['https://user@app.example.com', 'did you mean https://app.example.com?'],
    ['HTTPS://App.Example.com', 'did you mean https://app.example.com?'],
    ['https://app.example.com:443', 'did you mean https://app.example.com?'],
  ])('refuses the origin %s', (text, message) => {
    const problem = failure({ USERPULSE_CORS_ORIGINS: text }, 'corsOrigins');
    expect(problem).toContain('USERPULSE_CORS_ORIGINS');
    expect(problem).toContain(message);
  });

  it('never repeats a secret in a message', () => {
    expect(failure({ USERPULSE_API_TOKEN: 'hunter2' }, 'apiToken')).not.toContain('hunter2');
  });

  it.each([
    ['0.0.0.0:8088', true],
    ['[::]:8088', true],
    ['192.168.1.4:80', true],
    ['127.0.0.1:8088', false],
    ['127.8.0.1:1', false],
    ['[::1]:8088', false],
    ['localhost:8088', false],
  ])('listening on %s needs a token: %s', (listen, needed) => {
    const env = { USERPULSE_LISTEN: listen };
    if (needed) expect(failure(env, 'listen', 'apiToken')).toContain('USERPULSE_API_TOKEN is required');
    else expect(load(env, 'listen', 'apiToken').apiToken).toBeUndefined();
    expect(load({ ...env, USERPULSE_API_TOKEN: 'x'.repeat(16) }, 'listen', 'apiToken').apiToken.current()).toBe(
      'x'.repeat(16),
    );
  });

  it.each<[SettingName, string, string]>([
    ['listen', 'USERPULSE_LISTEN', '8088'],
    ['listen', 'USERPULSE_LISTEN', 'host:99999'],
    ['archive', 'USERPULSE_ARCHIVE', '/var/archive'],
    ['archive', 'USERPULSE_ARCHIVE', 'gs://bucket'],
    ['archive', 'USERPULSE_ARCHIVE', 'file://relative/dir'],
    ['archive', 'USERPULSE_ARCHIVE', 's3:///prefix'],
    ['archive', 'USERPULSE_ARCHIVE', 's3://bucket:9000/prefix'],
    ['archive', 'USERPULSE_ARCHIVE', 's3://bucket/100%'],
    ['archive', 'USERPULSE_ARCHIVE', 'file:///a%2Fb'],
    ['checkpoint', 'USERPULSE_CHECKPOINT', 'file:///%ff'],
    ['checkpoint', 'USERPULSE_CHECKPOINT', 's3://bucket'],
    ['influxHost', 'INFLUX_HOST', 'influxdb'],
    ['influxHost', 'INFLUX_HOST', 'http://'],
    ['userPrefix', 'USERPULSE_USER_PREFIX', 'first:0'],
    ['userPrefix', 'USERPULSE_USER_PREFIX', 'first:7'],
    ['sharePrefix', 'USERPULSE_SHARE_PREFIX', 'last:9'],
    ['start', 'USERPULSE_START', 'yesterday'],
    ['start', 'USERPULSE_START', '2026-01-31T00:00:00'],
    ['start', 'USERPULSE_START', '2026-02-30T00:00:00Z'],
    ['retentionSeconds', 'USERPULSE_RETENTION', '30'],
    ['drainMs', 'USERPULSE_DRAIN_MS', '-1'],
    ['decompress', 'USERPULSE_DECOMPRESS', 'true'],
    ['decompress', 'USERPULSE_DECOMPRESS', 'gzip,brotli'],
    ['decompress', 'USERPULSE_DECOMPRESS', 'off,gzip'],
    ['split', 'USERPULSE_SPLIT', 'json'],
    ['split', 'USERPULSE_SPLIT', 'array,array'],
    ['pollIntervalMs', 'USERPULSE_POLL_INTERVAL_MS', '100'],
    ['bucketMade', 'USERPULSE_BUCKET_MADE', '_internal'],
    ['logLevel', 'USERPULSE_LOG_LEVEL', 'loud'],
  ])('%s rejects %s=%s and quotes it', (name, variable, value) => {
    const message = failure({ [variable]: value }, name);
    expect(message).toContain(variable);
    expect(message).toContain(`"${value}"`);
  });

  it('takes a value or says what is wrong with it, whatever it is', () => {
    const parts = fc.constantFrom('http://', 'file:///', 's3://', 'first:', '127.0.0.1', ':', '%', '2026-01-31T', '9');
    const value = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(parts, fc.string()), { maxLength: 4 }).map((a) => a.join('')),
    );
    const names = settingDocs.map(({ name, variable }) => [name, variable] as const);
    fc.assert(
      fc.property(fc.constantFrom(...names), value, ([name, variable], text) => {
        try {
          const { [name]: parsed } = load({ [variable]: text }, name);
          // What a folder's or bucket's address means must be readable later.
          if (parsed instanceof URL) decodeURIComponent(parsed.pathname);
          if (parsed instanceof URL && parsed.protocol === 'file:') fileURLToPath(parsed);
        } catch (error) {
          expect(error).toMatchObject({ code: 'config_invalid' });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses two roles in one bucket', () => {
    expect(
      failure(
        { USERPULSE_BUCKET_MADE: 'x', USERPULSE_BUCKET_SHARE: 'x' },
        'bucketMade',
        'bucketReceived',
        'bucketShare',
        'bucketTotal',
      ),
    ).toContain('must name different buckets');
  });

  it.each([
    ['latest', { kind: 'latest' }],
    ['2026-01-31T00:00:00Z', { kind: 'time', ms: Date.UTC(2026, 0, 31) }],
    ['2026-01-31T00:00:00+05:30', { kind: 'time', ms: Date.UTC(2026, 0, 30, 18, 30) }],
    ['1769817600000', { kind: 'time', ms: Date.UTC(2026, 0, 31) }],
  ])('starts at %s', (text, expected) => {
    expect(load({ USERPULSE_START: text }, 'start').start).toEqual(expected);
  });

  it.each([
    ['90d', 7_776_000],
    ['12h', 43_200],
    ['2w', 1_209_600],
  ])('keeps points for %s', (text, seconds) => {
    expect(load({ USERPULSE_RETENTION: text }, 'retentionSeconds').retentionSeconds).toBe(seconds);
  });

  it('decompresses and splits nothing unless it is told to', () => {
    expect(load({}, 'decompress', 'split')).toMatchObject({ decompress: [], split: [] });
    expect(load({ USERPULSE_DECOMPRESS: 'off', USERPULSE_SPLIT: 'off' }, 'decompress', 'split')).toMatchObject({
      decompress: [],
      split: [],
    });
    expect(
      load({ USERPULSE_DECOMPRESS: 'gzip,zstd', USERPULSE_SPLIT: 'array, ndjson' }, 'decompress', 'split'),
    ).toMatchObject({ decompress: ['gzip', 'zstd'], split: ['ndjson', 'array'] });
  });

  it('is documented in the README row by row, and nothing else is', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const rows = settingDocs.map(
      ({ variable, fallback, text }) => `| \`${variable}\` | ${fallback === '' ? '' : `\`${fallback}\``} | ${text} |`,
    );
    expect(readme.split('\n').filter((line) => /^\| `(INFLUX|USERPULSE)_/.test(line))).toEqual(rows);
  });
});
