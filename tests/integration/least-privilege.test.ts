import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { userpulse, UserpulseServer } from '../support/cli.ts';
import { createBuckets, influxApi, influxWrite, parts, temporaryFolder, uniqueName } from '../support/parts.ts';
import { pathToFileURL } from 'node:url';

const report = z.object({
  buckets: z.array(z.object({ id: z.string() })),
  tokens: z.array(z.object({ use: z.string(), id: z.string(), token: z.string() })),
});

let env: Record<string, string>;
let made: z.infer<typeof report>;
let foreign: string;
let foreignBucket: { id: string; orgID: string };
beforeAll(async () => {
  const name = uniqueName('least');
  env = {
    USERPULSE_STREAM: name,
    USERPULSE_ARCHIVE: pathToFileURL(await temporaryFolder('least')).href,
    USERPULSE_BUCKET_MADE: `${name}-made`,
    USERPULSE_BUCKET_RECEIVED: `${name}-received`,
    USERPULSE_BUCKET_SHARE: `${name}-share`,
    USERPULSE_BUCKET_TOTAL: `${name}-total`,
  };
  made = report.parse(JSON.parse((await userpulse(['setup', '--create', '--json'], env)).stdout));
  foreign = (await createBuckets('foreign')).made;
  const found = z
    .object({ buckets: z.array(z.object({ id: z.string(), orgID: z.string() })).length(1) })
    .parse(await influxApi('GET', `/api/v2/buckets?name=${foreign}`));
  foreignBucket = found.buckets[0] ?? { id: '', orgID: '' };
  await influxWrite(foreign, ['interaction,type=like user=1i 1769850000000000000']);
});

const tokenOf = (use: string): string => made.tokens.find((t) => t.use === use)?.token ?? '';

/** The status that InfluxDB gives to a call with a token. */
const call = async (token: string, method: string, path: string, body?: string, type = 'application/json') => {
  const answer = await fetch(new URL(path, parts().influx.url), {
    method,
    headers: { authorization: `Token ${token}`, 'content-type': type },
    ...(body === undefined ? {} : { body }),
  });
  return { status: answer.status, text: await answer.text() };
};

describe.each(['ingest', 'serve', 'start'])('the token for %s', (use) => {
  const org = (): string => `org=${parts().influx.org}`;
  it('may neither make a bucket, nor change, empty or delete one that is not its to write', async () => {
    const token = tokenOf(use);
    const range = '{"start":"1970-01-01T00:00:00Z","stop":"2030-01-01T00:00:00Z"}';
    const fresh = JSON.stringify({ orgID: foreignBucket.orgID, name: uniqueName('x'), retentionRules: [] });
    const others = [{ id: foreignBucket.id, name: foreign }];
    // In InfluxDB 2 the right to write a bucket includes managing that bucket: no permission is narrower.
    if (use === 'serve') others.push({ id: made.buckets[0]?.id ?? '', name: env['USERPULSE_BUCKET_MADE'] ?? '' });
    const tries = [await call(token, 'POST', '/api/v2/buckets', fresh)];
    for (const { id, name } of others) {
      tries.push(
        await call(token, 'PATCH', `/api/v2/buckets/${id}`, '{"description":"other"}'),
        await call(token, 'DELETE', `/api/v2/buckets/${id}`),
        await call(token, 'POST', `/api/v2/delete?${org()}&bucket=${name}`, range),
      );
    }
    for (const { status } of tries) expect([401, 403, 404]).toContain(status);
  });
  it('may neither see nor touch other buckets, users or tokens', async () => {
    const token = tokenOf(use);
    const read = await call(
      token,
      'POST',
      `/api/v2/query?${org()}`,
      `from(bucket: "${foreign}") |> range(start: 0)`,
      'application/vnd.flux',
    );
    expect(read.status).toBe(404);
    const write = await call(token, 'POST', `/api/v2/write?${org()}&bucket=${foreign}`, 'm f=1i', 'text/plain');
    expect([401, 403, 404]).toContain(write.status);
    for (const path of [`/api/v2/buckets?${org()}`, '/api/v2/authorizations', '/api/v2/users', `/api/v2/secrets`]) {
      const { text } = await call(token, 'GET', path);
      expect(text).not.toContain(foreign);
      expect(text).not.toContain('operator');
      for (const { token: one } of made.tokens) expect(text).not.toContain(one);
    }
  });
});

it('serve works with its token at level trace, and no output of it holds a secret', async () => {
  const secrets = { INFLUX_TOKEN: tokenOf('serve'), AWS_SECRET_ACCESS_KEY: uniqueName('aws-secret') };
  const server = await UserpulseServer.start('serve', { ...env, ...secrets, USERPULSE_LOG_LEVEL: 'trace' });
  let seen = '';
  try {
    const range = { from: '2026-01-31T00:00:00Z', to: '2026-02-01T00:00:00Z' };
    seen += JSON.stringify(
      await server.query({ ...range, queries: [{ refId: 'A', preset: 'made', ids: ['1'], every: '1h' }] }),
    );
    expect(seen).toContain('executedQueryString');
    for (const path of [
      '/v1/health',
      '/v1/schema',
      '/v1/openapi.json',
      '/metrics',
      '/readyz',
      '/v1/types',
      '/v1/nothing',
    ]) {
      seen += await (await server.fetch(path)).text();
    }
  } finally {
    await server.stop();
  }
  for (const secret of [...Object.values(secrets), server.token]) expect(seen + server.log).not.toContain(secret);
});

it.each(['doctor', 'ingest', 'start'])('%s says what is wrong without a secret', async (command) => {
  const secrets = {
    INFLUX_TOKEN: 'marked-influx-secret',
    AWS_SECRET_ACCESS_KEY: 'marked-aws-secret',
    AWS_SESSION_TOKEN: 'marked-aws-session',
  };
  const end = await userpulse([command], {
    ...env,
    ...secrets,
    USERPULSE_ARCHIVE: 's3://no-such-bucket/x',
    USERPULSE_API_TOKEN: 'marked-api-secret',
    USERPULSE_LOG_LEVEL: 'trace',
    USERPULSE_LISTEN: '127.0.0.1:0',
  });
  expect(end.code).toBe(1);
  expect(end.stdout + end.stderr).toContain('INFLUX_TOKEN');
  expect(end.stdout + end.stderr).not.toContain('marked-');
});
