import { readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { userpulse, UserpulseServer } from '../support/cli.ts';
import { FaultyProxy, type Action } from '../support/faulty-proxy.ts';
import { createBuckets, createS3Bucket, createStream, parts, temporaryFolder, uniqueName } from '../support/parts.ts';
import { pathToFileURL } from 'node:url';

/** A working installation, to be broken in one place. A failing start changes nothing in it. */
const install = async (): Promise<Record<string, string>> => {
  const buckets = await createBuckets('startup');
  return {
    ...buckets.env,
    USERPULSE_STREAM: await createStream(),
    USERPULSE_ARCHIVE: `s3://${await createS3Bucket()}/events`,
    USERPULSE_CHECKPOINT: pathToFileURL(await temporaryFolder('startup')).href,
    USERPULSE_LISTEN: '127.0.0.1:0',
    // One attempt, except where a test is about more.
    USERPULSE_START_DEADLINE_MS: '0',
  };
};

/** An address that takes connections and never answers. */
const silentServer = async (): Promise<{ url: string; asked: Promise<unknown>; close: () => void }> => {
  const sockets: { destroy(): void }[] = [];
  const server = createServer((socket) => sockets.push(socket));
  const asked = new Promise((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  return {
    url: `http://127.0.0.1:${address.port}`,
    asked,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
};

const ALL = ['ingest', 'serve', 'start'] as const;
const SOURCE = ['ingest', 'start'] as const;
/** Where the commands share the check, one of them stands for all. */
const ONE = ['start'] as const;
const cases: readonly (readonly [
  what: string,
  env: Record<string, string>,
  setting: string,
  commands: readonly string[],
])[] = [
  ['a wrong token', { INFLUX_TOKEN: 'wrong-token-of-the-tests' }, 'INFLUX_TOKEN', ALL],
  ['a wrong organisation', { INFLUX_ORG: 'nobody' }, 'INFLUX_ORG', ONE],
  ['a host where nothing listens', { INFLUX_HOST: 'http://127.0.0.1:1' }, 'INFLUX_HOST', ONE],
  ['a host name that nobody has', { INFLUX_HOST: 'http://influx.invalid:8086' }, 'INFLUX_HOST', ONE],
  ['a wrong bucket', { USERPULSE_BUCKET_SHARE: 'no_such_bucket' }, 'USERPULSE_BUCKET_SHARE', ALL],
  ['a wrong stream', { USERPULSE_STREAM: 'no_such_stream' }, 'USERPULSE_STREAM', SOURCE],
  [
    'a Kinesis endpoint where nothing listens',
    { AWS_ENDPOINT_URL_KINESIS: 'http://127.0.0.1:1' },
    'AWS_ENDPOINT_URL_KINESIS',
    ONE,
  ],
  ['a wrong archive bucket', { USERPULSE_ARCHIVE: `s3://${uniqueName('absent')}/x` }, 'USERPULSE_ARCHIVE', ONE],
  ['an S3 endpoint where nothing listens', { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' }, 'AWS_ENDPOINT_URL_S3', ONE],
  ['wrong S3 credentials', { AWS_SECRET_ACCESS_KEY: 'wrong' }, 'USERPULSE_ARCHIVE', ONE],
  ['a setting that cannot be read', { USERPULSE_USER_PREFIX: 'middle:4' }, 'USERPULSE_USER_PREFIX', ONE],
  ['an open address without API token', { USERPULSE_LISTEN: '0.0.0.0:0' }, 'USERPULSE_API_TOKEN', ['serve', 'start']],
];

describe('a command that cannot start', () => {
  let installation: Record<string, string> = {};
  beforeAll(async () => {
    installation = await install();
  });

  it.each(
    cases.flatMap(([what, env, setting, commands]) => commands.map((command) => ({ command, what, env, setting }))),
  )(
    '$command with $what says so in one message that names $setting, with exit code 1',
    async ({ command, env, setting }) => {
      const end = await userpulse([command], { ...installation, ...env });
      expect(end.code).toBe(1);
      expect(end.stderr).toContain(setting);
      expect(end.stderr.match(/^userpulse: /gm)).toHaveLength(1);
      expect(end.stderr).not.toMatch(/\n {4}at /);
      expect(end.stderr).not.toContain('wrong-token-of-the-tests');
    },
  );

  it.each([
    ['INFLUX_HOST', ALL],
    ['AWS_ENDPOINT_URL_KINESIS', ONE],
    ['AWS_ENDPOINT_URL_S3', ONE],
  ] as const)('does not wait for ever on a silent %s', async (setting, commands) => {
    const silent = await silentServer();
    try {
      const env = { ...installation, [setting]: silent.url };
      for (const command of commands) {
        const end = await userpulse([command], env);
        expect(end.code).toBe(1);
        expect(end.stderr).toMatch(/INFLUX_HOST|USERPULSE_STREAM|USERPULSE_ARCHIVE/);
        // The promise of issue 3 to whoever waits for a start, in the worst case there is.
        expect(end.ms).toBeLessThan(10_000);
      }
    } finally {
      silent.close();
    }
  });

  it.each<readonly [string, string, Action, number]>([
    ['a dropped connection', 'INFLUX_HOST', { kind: 'reset', when: 'before' }, 1],
    ['an answer of 503', 'INFLUX_HOST', { kind: 'answer', status: 503, body: 'starting' }, 3],
    ['an answer that takes longer than the first attempt', 'INFLUX_HOST', { kind: 'delay', ms: 2_500 }, Infinity],
    ['dropped connections', 'AWS_ENDPOINT_URL_KINESIS', { kind: 'reset', when: 'before' }, 3],
    ['dropped connections', 'AWS_ENDPOINT_URL_S3', { kind: 'reset', when: 'mid-request' }, 3],
    ['an answer of 500', 'AWS_ENDPOINT_URL_S3', { kind: 'answer', status: 500, body: '' }, 4],
  ])('is not stopped by %s of %s', async (_, setting, action, times) => {
    const { influx, kinesis, s3 } = parts();
    const upstream: Record<string, string> = {
      INFLUX_HOST: influx.url,
      AWS_ENDPOINT_URL_KINESIS: kinesis.endpoint,
      AWS_ENDPOINT_URL_S3: s3.endpoint,
    };
    const proxy = await FaultyProxy.start(upstream[setting] ?? '');
    proxy.add({ kind: 'fault', match: () => true, action, times });
    try {
      const env = { ...installation, [setting]: proxy.url, USERPULSE_START_DEADLINE_MS: '60000' };
      const server = await UserpulseServer.start('start', env);
      expect(server.log).toContain('The start waits for it.');
      expect(proxy.injected.get('fault')).toBeGreaterThan(0);
      expect(await server.stop()).toBe(0);
    } finally {
      await proxy.close();
    }
  });

  it('says what it waited for, how long, and the last answer, when time is up', async () => {
    const end = await userpulse(['start'], {
      ...installation,
      INFLUX_HOST: 'http://127.0.0.1:1',
      USERPULSE_START_DEADLINE_MS: '2000',
    });
    expect(end.code).toBe(1);
    expect(end.stderr).toMatch(
      /^userpulse: cannot start after waiting \d s \(USERPULSE_START_DEADLINE_MS\)\. InfluxDB at http:\/\/127\.0\.0\.1:1 \(INFLUX_HOST\) cannot be reached: connection refused\. /m,
    );
  });

  it('does not wait where somebody has to change something, whatever else there is to wait for', async () => {
    const end = await userpulse(['start'], {
      ...installation,
      INFLUX_HOST: 'http://127.0.0.1:1',
      USERPULSE_STREAM: 'no_such_stream',
      USERPULSE_START_DEADLINE_MS: '600000',
    });
    expect(end.code).toBe(1);
    expect(end.stderr).not.toContain('after waiting');
    for (const setting of ['INFLUX_HOST', 'USERPULSE_STREAM']) expect(end.stderr).toContain(setting);
  });

  it.each([...ALL.map((command) => [command, 0] as const), ['setup', 1] as const])(
    '%s that is stopped while it looks at what it needs blames nothing and ends with %d',
    async (command, code) => {
      const silent = await silentServer();
      try {
        const end = await userpulse([command], { ...installation, INFLUX_HOST: silent.url }, silent.asked);
        expect(end).toMatchObject({ code, stderr: code === 0 ? '' : 'userpulse: Stopped by SIGTERM.\n' });
      } finally {
        silent.close();
      }
    },
  );

  it('says everything that is wrong at once', async () => {
    const end = await userpulse(['start'], {
      ...installation,
      INFLUX_TOKEN: 'wrong-token-of-the-tests',
      USERPULSE_STREAM: 'no_such_stream',
      USERPULSE_ARCHIVE: `s3://${uniqueName('absent')}/x`,
    });
    expect(end.code).toBe(1);
    for (const setting of ['INFLUX_TOKEN', 'USERPULSE_STREAM', 'USERPULSE_ARCHIVE'])
      expect(end.stderr).toContain(setting);
  });

  it('names a missing region together with all else that is wrong', async () => {
    const env = { ...installation, AWS_REGION: '', AWS_CONFIG_FILE: '/nowhere', USERPULSE_USER_PREFIX: 'middle:4' };
    const end = await userpulse(['ingest'], env);
    expect(end).toMatchObject({ code: 1 });
    expect(end.stderr).toContain('2 settings are invalid');
    expect(end.stderr).toContain('AWS_REGION is not set');
    expect(end.stderr).toContain('USERPULSE_STREAM and USERPULSE_ARCHIVE need one');
  });

  it.each([
    ['serve', ['INFLUX_HOST', 'USERPULSE_STREAM', 'USERPULSE_ARCHIVE']],
    ['replay --from 2012/07/01 --to 2012/07/01', ['INFLUX_HOST', 'USERPULSE_ARCHIVE']],
    ['dead-letters redrive --from 2012/07/01 --to 2012/07/01', ['USERPULSE_STREAM', 'USERPULSE_ARCHIVE']],
  ])('%s names every setting that cannot be read at once', async (command, settings) => {
    const wrong = Object.fromEntries(settings.map((setting) => [setting, '%']));
    const end = await userpulse(command.split(' '), { ...installation, ...wrong });
    expect(end).toMatchObject({ code: 1, stdout: '' });
    expect(end.stderr).toContain(`${settings.length} settings are invalid`);
    for (const setting of settings) expect(end.stderr).toContain(`- ${setting} `);
  });

  it.each(ALL)('%s says that its address is taken, and has done nothing', async (command) => {
    const taken = await silentServer();
    try {
      const folder = await temporaryFolder('taken');
      const end = await userpulse([command], {
        ...installation,
        USERPULSE_CHECKPOINT: pathToFileURL(folder).href,
        USERPULSE_LISTEN: new URL(taken.url).host,
      });
      expect(end.code).toBe(1);
      expect(end.stderr).toContain('USERPULSE_LISTEN');
      expect(await readdir(folder)).toEqual([]);
    } finally {
      taken.close();
    }
  });
});
