import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { awsFailure } from './aws/failure.ts';
import { loadConfig, type Environment } from './config.ts';
import { FileSecret, SecretMask, shownUrl, withoutToken } from './secrets.ts';

const SECRET = 'hunter2-hunter2-hunter2';

describe('the mask', () => {
  it.each(['INFLUX_TOKEN', 'USERPULSE_API_TOKEN', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'])('hides %s', (name) => {
    expect(new SecretMask({ [name]: SECRET }).apply(`a ${SECRET} b "${SECRET}"`)).toBe('a [secret] b "[secret]"');
  });
  it('hides a value that JSON writes with escapes', () => {
    const value = 'a"b\\c-and-more';
    expect(new SecretMask({ AWS_SECRET_ACCESS_KEY: value }).apply(JSON.stringify({ msg: value }))).toBe(
      '{"msg":"[secret]"}',
    );
  });
  it('leaves text alone where nothing is set, or something too short to be a secret', () => {
    expect(new SecretMask({ INFLUX_TOKEN: 'a', USERPULSE_API_TOKEN: '' }).apply('a b')).toBe('a b');
    expect(withoutToken('a b', 'a')).toBe('a b');
  });
});

describe('a URL in a message', () => {
  it.each([
    [`http://user:${SECRET}@host:1/path`, 'http://host:1/path'],
    [`http://${SECRET}@host`, 'http://host'],
    [`htp://user:p@ss${SECRET}@host`, 'htp://host'],
    [`s3://bucket/x?X-Amz-Signature=${SECRET}`, 's3://bucket/x?…'],
    ['first:4', 'first:4'],
  ])('%s is shown as %s', (url, shown) => {
    expect(shownUrl(url)).toBe(shown);
  });
  it('of an AWS endpoint has no credentials', () => {
    expect(shownUrl(`http://u:${SECRET}@s3:1`)).toBe('http://s3:1');
  });
});

describe('settings', () => {
  const problem = (env: Environment, name: 'influxHost' | 'archive' | 'influxToken' | 'apiToken'): string => {
    try {
      loadConfig(env, [name], { cwd: '/x', defaultPort: 1 });
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
    throw new Error('accepted');
  };
  it.each([
    [{ INFLUX_HOST: `http://user:${SECRET}@influx:8086` }, 'influxHost', 'must not have a user name, password'],
    [{ INFLUX_HOST: `ftp://user:${SECRET}@influx:8086` }, 'influxHost', 'must be a URL'],
    [{ INFLUX_HOST: `http://influx:8086/?token=${SECRET}` }, 'influxHost', 'query'],
    [{ USERPULSE_ARCHIVE: `s3://key:${SECRET}@bucket/x` }, 'archive', 'must not have a user name, password'],
    [{ INFLUX_TOKEN: `${SECRET}\n` }, 'influxToken', 'printable ASCII'],
    [{ USERPULSE_API_TOKEN: `${SECRET} ${SECRET}` }, 'apiToken', 'printable ASCII'],
  ] as const)('%j are refused without repeating the secret', (env, name, what) => {
    const message = problem(env, name);
    expect(message).toContain(what);
    expect(message).not.toContain(SECRET);
  });
});

describe('a secret in a file', () => {
  const OTHER = 'another-secret-of-the-tests';
  let folder = '';
  let path = '';
  let now = 0;
  const seen: string[] = [];
  const open = (): FileSecret =>
    new FileSecret({
      path,
      variable: 'INFLUX_TOKEN_FILE',
      check: (text) => (text.includes(' ') ? 'holds white space' : undefined),
      onValue: (value) => seen.push(value),
      now: () => now,
    });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'userpulse-secret-'));
    path = join(folder, 'token');
    now = 0;
    seen.length = 0;
  });
  afterEach(() => rm(folder, { recursive: true }));

  it.each(['', '\n', '\r\n', '\n\n'])('is read without the line break %j at its end', async (end) => {
    await writeFile(path, SECRET + end);
    expect(open().current()).toBe(SECRET);
    expect(seen).toEqual([SECRET]);
  });
  it('is read again when the file has changed, as Kubernetes changes it: by a link to another folder', async () => {
    await mkdir(join(folder, '..1'));
    await mkdir(join(folder, '..2'));
    await writeFile(join(folder, '..1/token'), SECRET);
    await writeFile(join(folder, '..2/token'), OTHER);
    await symlink('..1', join(folder, '..data'));
    await symlink('..data/token', path);
    const secret = open();
    await symlink('..2', join(folder, '..new'));
    await rename(join(folder, '..new'), join(folder, '..data'));
    // A look at the file a second, whatever the number of requests.
    expect(secret.current()).toBe(SECRET);
    now += 1_000;
    expect(secret.current()).toBe(OTHER);
    expect(seen).toEqual([SECRET, OTHER]);
  });
  it('is read again at once when it was refused', async () => {
    await writeFile(path, SECRET);
    const secret = open();
    await writeFile(path, OTHER);
    secret.refused();
    expect(secret.current()).toBe(OTHER);
  });
  it.each([
    ['gone', () => rm(path)],
    ['empty', () => writeFile(path, '')],
    ['invalid', () => writeFile(path, 'two words')],
  ])('stays as it was while the file is %s', async (_, change) => {
    await writeFile(path, SECRET);
    const secret = open();
    await change();
    secret.refused();
    expect(secret.current()).toBe(SECRET);
    await writeFile(path, OTHER);
    secret.refused();
    expect(secret.current()).toBe(OTHER);
  });

  const load = (env: Environment): string => {
    try {
      return loadConfig(env, ['influxToken', 'apiToken'], { cwd: folder, defaultPort: 1 }).influxToken.current();
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
  };
  it('is a setting, by a path from the working directory', async () => {
    await writeFile(path, `${SECRET}\n`);
    expect(load({ INFLUX_TOKEN_FILE: 'token' })).toBe(SECRET);
    expect(load({ INFLUX_TOKEN_FILE: path })).toBe(SECRET);
  });
  it.each<readonly [string, () => Promise<unknown>, Environment, string]>([
    ['an absent file', () => Promise.resolve(), {}, 'token does not exist.'],
    ['an empty file', () => writeFile(path, '\n'), {}, 'token is empty.'],
    ['a folder', () => mkdir(path), {}, 'token is a folder, not a file.'],
    ['white space', () => writeFile(path, 'a b'), {}, 'token holds a value that must be printable ASCII'],
    [
      'both',
      () => writeFile(path, SECRET),
      { INFLUX_TOKEN: SECRET },
      'INFLUX_TOKEN and INFLUX_TOKEN_FILE are both set.',
    ],
  ])('is refused where it is %s', async (_, make, env, message) => {
    await make();
    const said = load({ INFLUX_TOKEN_FILE: path, ...env });
    expect(said).toContain('INFLUX_TOKEN_FILE');
    expect(said).toContain(message);
    expect(said).not.toContain(SECRET);
  });
  it('is refused where it may not be read, which root may', async () => {
    await writeFile(path, SECRET);
    await chmod(path, 0o000);
    const root = process.getuid?.() === 0;
    expect(load({ INFLUX_TOKEN_FILE: path })).toContain(root ? SECRET : 'may not be read by this user');
  });
  it('is as good as the variable for USERPULSE_API_TOKEN', async () => {
    await writeFile(path, 'short\n');
    expect(load({ INFLUX_TOKEN: SECRET, USERPULSE_API_TOKEN_FILE: path })).toContain(
      `USERPULSE_API_TOKEN_FILE: ${path} holds a value that must have at least 16 characters.`,
    );
  });
});

it("AWS's words about a wrong signature end before what was signed, the session token", () => {
  const error = Object.assign(
    new Error(
      `The request signature we calculated does not match.\n\nThe Canonical String should have been\n'POST\nx-amz-security-token:${SECRET}\n'`,
    ),
    { name: 'InvalidSignatureException', $metadata: { httpStatusCode: 400 } },
  );
  expect(awsFailure(error)).toEqual({
    kind: 'unauthorized',
    reason: 'The request signature we calculated does not match',
    advice: 'Provide valid keys where these came from: they are looked up anew before each attempt.',
  });
});
