// The setup job of the Helm chart: runs `userpulse setup` and stores the tokens it makes in a Secret of Kubernetes.
//
//   node store-tokens.mjs --secret=NAMESPACE/NAME --ingest-key=KEY --serve-key=KEY --api-key=KEY [--repair-key=KEY] [-- ARGUMENTS OF SETUP]
//
// InfluxDB shows a token only once. Write access to the Secret is therefore tested before tokens are created, and they are stored before
// the outcome of setup is reported. Keys that the Secret already holds are kept.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const TRIES = 5;

const { values: options, positionals: setupArguments } = parseArgs({
  allowPositionals: true,
  options: {
    secret: { type: 'string' },
    'ingest-key': { type: 'string' },
    'serve-key': { type: 'string' },
    'api-key': { type: 'string' },
    'repair-key': { type: 'string' },
    program: { type: 'string', default: '/app/backend/bin/userpulse.js' },
    api: { type: 'string', default: 'https://kubernetes.default.svc' },
    account: { type: 'string', default: '/var/run/secrets/kubernetes.io/serviceaccount' },
    tokens: { type: 'string', default: '/var/run/userpulse/tokens' },
  },
});

/** @param {string} name */
function needed(name) {
  const value = options[name];
  if (typeof value !== 'string' || value === '') fail(`--${name} is missing.`);
  return value;
}

/** @param {string} message @returns {never} */
function fail(message) {
  process.stderr.write(`store-tokens: ${message}\n`);
  process.exit(1);
}

const [namespace = '', secret = ''] = needed('secret').split('/');
const keys = {
  ingest: needed('ingest-key'),
  serve: needed('serve-key'),
  api: needed('api-key'),
  // A repair reads and writes, as the command `start` does.
  ...(options['repair-key'] === undefined ? {} : { start: needed('repair-key') }),
};

/** Whether the Secret held this key when the pod started. @param {string} key */
function stored(key) {
  const path = join(needed('tokens'), key);
  return existsSync(path) && readFileSync(path, 'utf8').trim() !== '';
}

/**
 * JSON merge patch (RFC 7386) of the Secret: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
 * @param {Record<string, string>} data keys to set
 * @returns {Promise<{status: number, text: string}>}
 */
function patch(data) {
  const url = new URL(`/api/v1/namespaces/${namespace}/secrets/${secret}`, needed('api'));
  const body = JSON.stringify({
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  });
  // Read for each request, because Kubernetes renews the token in the file.
  const bearer = readFileSync(join(needed('account'), 'token'), 'utf8').trim();
  return new Promise((resolve, reject) => {
    const call =
      url.protocol === 'https:'
        ? httpsRequest(url, { method: 'PATCH', ca: readFileSync(join(needed('account'), 'ca.crt')) })
        : httpRequest(url, { method: 'PATCH' });
    call.setTimeout(10_000, () => call.destroy(new Error('no answer within 10 s')));
    call.setHeader('authorization', `Bearer ${bearer}`);
    call.setHeader('content-type', 'application/merge-patch+json');
    call.setHeader('accept', 'application/json');
    call.once('error', reject);
    call.once('response', (response) => {
      const chunks = /** @type {Buffer[]} */ ([]);
      response.on('data', (chunk) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    call.end(body);
  });
}

/** @param {Record<string, string>} data */
async function store(data) {
  const what = `Secret ${namespace}/${secret}`;
  let reason = '';
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    if (attempt > 1) await sleep(1_000 * attempt);
    try {
      const { status, text } = await patch(data);
      if (status >= 200 && status < 300) return;
      reason = `Kubernetes answered ${status}: ${messageOf(text)}`;
      // Forbidden, not found, invalid: a retry would not help.
      if (status >= 400 && status < 500 && status !== 429) break;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  fail(`${what} could not be written. ${reason}`);
}

/** The message of a Kubernetes Status object. @param {string} text */
function messageOf(text) {
  try {
    return String(JSON.parse(text).message);
  } catch {
    return 'the response is not JSON';
  }
}

const complete = [keys.ingest, keys.serve, keys.start].every((key) => key === undefined || stored(key));
await store({});
const api = stored(keys.api) ? {} : { [keys.api]: randomBytes(32).toString('hex') };

const setup = spawnSync(
  process.execPath,
  [needed('program'), 'setup', '--json', ...(complete ? [] : ['--tokens']), ...setupArguments],
  { stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 16 * 1024 * 1024 },
);
if (setup.error !== undefined) fail(`userpulse setup could not be run: ${setup.error.message}`);
const output = setup.stdout.toString('utf8');
// Empty if setup could not begin; the reason is on stderr.
const report = output.trim() === '' ? undefined : JSON.parse(output);
const made = Object.fromEntries(
  (report?.tokens ?? [])
    .filter((/** @type {any} */ t) => typeof t.token === 'string' && Object.hasOwn(keys, t.use))
    .map((/** @type {any} */ t) => [keys[/** @type {'ingest' | 'serve' | 'start'} */ (t.use)], t.token]),
);
const data = report === undefined ? {} : { ...api, ...made };
if (Object.keys(data).length > 0) {
  await store(data);
  process.stderr.write(`store-tokens: stored ${Object.keys(data).join(', ')} in Secret ${namespace}/${secret}.\n`);
}
for (const check of report?.checks ?? []) process.stderr.write(`store-tokens: ${check.state}: ${check.message}\n`);
for (const old of report?.replacedTokens ?? []) {
  process.stderr.write(
    `store-tokens: the old ${old.use} token is still valid; when it is out of use: influx auth delete --id ${old.id}\n`,
  );
}
process.exitCode = setup.status ?? 1;
