import { describe, expect, it } from 'vitest';
import { awsFailure } from './aws/failure.ts';
import { awsEndpoint } from './checks/targets.ts';
import { loadConfig, type Environment } from './config.ts';
import { secretMask, shownUrl, withoutToken } from './secrets.ts';

const SECRET = 'hunter2-hunter2-hunter2';

describe('the mask', () => {
  it.each(['INFLUX_TOKEN', 'USERPULSE_API_TOKEN', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'])('hides %s', (name) => {
    expect(secretMask({ [name]: SECRET })(`a ${SECRET} b "${SECRET}"`)).toBe('a [secret] b "[secret]"');
  });
  it('hides a value that JSON writes with escapes', () => {
    const value = 'a"b\\c-and-more';
    expect(secretMask({ AWS_SECRET_ACCESS_KEY: value })(JSON.stringify({ msg: value }))).toBe('{"msg":"[secret]"}');
  });
  it('leaves text alone where nothing is set, or something too short to be a secret', () => {
    expect(secretMask({ INFLUX_TOKEN: 'a', USERPULSE_API_TOKEN: '' })('a b')).toBe('a b');
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
    expect(awsEndpoint({ AWS_ENDPOINT_URL_S3: `http://u:${SECRET}@s3:1` }, 'S3')).toBe('http://s3:1');
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
  });
});
