import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { UserpulseServer } from '../support/cli.ts';
import { FaultyProxy, type SeenRequest } from '../support/faulty-proxy.ts';
import { testEvents } from '../support/ingest-world.ts';
import { createBuckets, eventually, influxApi, parts, temporaryFolder } from '../support/parts.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';

/* Tokens and keys are replaced while the process runs, as every rotation does. */

const { world } = worldsOfEachTest();
const CLEAN = { code: 0, signal: null };

let proxies: FaultyProxy[] = [];
afterEach(async () => {
  await Promise.all(proxies.map((proxy) => proxy.close()));
  proxies = [];
});
async function proxy(upstream: string): Promise<FaultyProxy> {
  const started = await FaultyProxy.start(upstream);
  proxies.push(started);
  return started;
}
const EXPIRED = 'The security token included in the request is expired';
const kinesisExpires = (kinesis: FaultyProxy, match: (seen: SeenRequest) => boolean): void =>
  void kinesis.add({
    kind: 'ExpiredTokenException',
    match,
    action: {
      kind: 'answer',
      status: 400,
      headers: { 'content-type': 'application/x-amz-json-1.1' },
      body: JSON.stringify({ __type: 'ExpiredTokenException', message: EXPIRED }),
    },
  });

const keyFile = (id: string, secret: string): string =>
  `[default]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`;
const NO_VARIABLES = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' };

describe('keys of AWS that are refused while ingest runs', () => {
  it('are read again from the shared credentials file, for the stream', async () => {
    const kinesis = await proxy(parts().kinesis.endpoint);
    const file = join(await temporaryFolder('credentials'), 'credentials');
    await writeFile(file, keyFile('first', 'x'));
    const w = await world({
      env: { ...NO_VARIABLES, AWS_SHARED_CREDENTIALS_FILE: file, AWS_ENDPOINT_URL_KINESIS: kinesis.url },
    });
    const ingest = w.ingest();
    await w.put(testEvents(50));
    await w.untilWritten();
    kinesisExpires(kinesis, ({ headers }) => headers.authorization?.includes('Credential=first/') === true);
    await w.put(testEvents(50));
    await ingest.says(`${EXPIRED}. Provide valid keys where these came from`);
    expect(ingest.log).not.toContain('restart');
    await writeFile(file, keyFile('second', 'x'));
    await w.untilWritten();
    expect(await ingest.stop()).toEqual(CLEAN);
    await w.expectExact();
  });

  it('are read again from the shared credentials file, for the archive', async () => {
    const s3 = await proxy(parts().s3.endpoint);
    const file = join(await temporaryFolder('credentials'), 'credentials');
    const { accessKeyId, secretAccessKey } = parts().s3;
    await writeFile(file, keyFile(accessKeyId, secretAccessKey));
    const w = await world({
      archive: 's3',
      env: { ...NO_VARIABLES, AWS_SHARED_CREDENTIALS_FILE: file, AWS_ENDPOINT_URL_S3: s3.url },
    });
    const ingest = w.ingest();
    await w.put(testEvents(50));
    await w.untilArchived();
    // Refused once, ingest reads what is wrong, which the server itself says, and then what is right.
    await writeFile(file, keyFile(accessKeyId, 'wrong'));
    const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>ExpiredToken</Code><Message>${EXPIRED}</Message></Error>`;
    s3.add({
      kind: 'ExpiredToken',
      match: ({ method }) => method === 'PUT',
      times: 1,
      action: { kind: 'answer', status: 400, body },
    });
    await w.put(testEvents(50));
    const refusals = async (): Promise<number> =>
      Number(/target="archive",reason="unauthorized"} (\d+)/.exec(await ingest.metrics())?.[1] ?? 0);
    await eventually(async () => (await refusals()) > 1, { what: 'a second refusal' });
    expect(ingest.log).toContain(`denies access: ${EXPIRED}. Provide valid keys where these came from`);
    await writeFile(file, keyFile(accessKeyId, secretAccessKey));
    await w.untilArchived();
    expect(await ingest.stop()).toEqual(CLEAN);
    await w.expectExact();
  });

  it('are said to need a restart where they came from variables', async () => {
    const kinesis = await proxy(parts().kinesis.endpoint);
    const w = await world({ env: { AWS_ENDPOINT_URL_KINESIS: kinesis.url } });
    const ingest = w.ingest();
    await w.put(testEvents(5));
    await w.untilWritten();
    kinesisExpires(kinesis, () => true);
    await ingest.says('to valid keys and restart: a running process does not see the change');
    ingest.kill('SIGKILL');
  });
});

const list = z.object({ orgs: z.array(z.object({ id: z.string() })) });
const made = z.object({ id: z.string(), token: z.string() });
/** A token for all buckets. */
async function makeToken(action: 'read' | 'write'): Promise<z.infer<typeof made>> {
  const [org] = list.parse(await influxApi('GET', `/api/v2/orgs?org=${parts().influx.org}`)).orgs;
  return made.parse(
    await influxApi('POST', '/api/v2/authorizations', {
      orgID: org?.id,
      permissions: [{ action, resource: { type: 'buckets', orgID: org?.id } }],
    }),
  );
}
const revoke = (token: z.infer<typeof made>): Promise<unknown> =>
  influxApi('DELETE', `/api/v2/authorizations/${token.id}`);

describe('a token of InfluxDB that is revoked while ingest runs', () => {
  it('is read again from INFLUX_TOKEN_FILE', async () => {
    const [first, second] = [await makeToken('write'), await makeToken('write')];
    const file = join(await temporaryFolder('token'), 'token');
    await writeFile(file, `${first.token}\n`);
    const w = await world({ env: { INFLUX_TOKEN: '', INFLUX_TOKEN_FILE: file } });
    const ingest = w.ingest();
    await w.put(testEvents(50));
    await w.untilWritten();
    await revoke(first);
    await w.put(testEvents(50));
    await ingest.says(`rejects the token in ${file} (INFLUX_TOKEN_FILE)`);
    await writeFile(file, `${second.token}\n`);
    await w.untilWritten();
    expect(await ingest.stop()).toEqual(CLEAN);
    for (const { token } of [first, second]) expect(ingest.log).not.toContain(token);
    await w.expectExact();
  });

  it('is said to need a restart where it came from INFLUX_TOKEN', async () => {
    const token = await makeToken('write');
    const w = await world({ env: { INFLUX_TOKEN: token.token } });
    const ingest = w.ingest();
    await w.put(testEvents(5));
    await w.untilWritten();
    await revoke(token);
    await w.put(testEvents(5));
    await ingest.says('Set INFLUX_TOKEN to a valid one and restart');
    ingest.kill('SIGKILL');
  });
});

describe('serve', () => {
  it('takes both of its tokens from files, and the new ones without a restart', async () => {
    const [first, second] = [await makeToken('read'), await makeToken('read')];
    const folder = await temporaryFolder('tokens');
    const files = { influx: join(folder, 'influx'), api: join(folder, 'api') };
    await writeFile(files.influx, `${first.token}\n`);
    await writeFile(files.api, 'a-token-of-the-tests\n');
    const { env } = await createBuckets('tokens');
    const server = await UserpulseServer.start('serve', {
      ...env,
      INFLUX_TOKEN: '',
      INFLUX_TOKEN_FILE: files.influx,
      USERPULSE_API_TOKEN: '',
      USERPULSE_API_TOKEN_FILE: files.api,
    });
    try {
      const status = async (bearer: string): Promise<number> => {
        const url = new URL('/v1/types', server.url);
        return (await fetch(url, { headers: { authorization: `Bearer ${bearer}` } })).status;
      };
      expect(await status('a-token-of-the-tests')).toBe(200);
      expect(await status('another-token-of-the-tests')).toBe(401);
      await writeFile(files.influx, `${second.token}\n`);
      await revoke(first);
      await writeFile(files.api, 'another-token-of-the-tests\n');
      await eventually(async () => (await status('another-token-of-the-tests')) === 200, { what: 'the new tokens' });
      expect(await status('a-token-of-the-tests')).toBe(401);
    } finally {
      await server.stop();
    }
  });
});
