import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

/**
 * Fakes of InfluxDB's write API and of S3 for pacing: they take everything at once and keep nothing. The points of each bucket are counted after
 * the answer, so that a benchmark sees when the last one has come and that none is missing.
 *
 *   node --import tsx bench/ingest/fake-sinks.ts INFLUX_PORT S3_PORT
 *
 * POST /control/reset and GET /control/stats on the first port are for the benchmark.
 */
const unzip = promisify<Uint8Array, Buffer>(gunzip);

let points = new Map<string, number>();
let lastMs = 0;
let writes = 0;
let writeBytes = 0;
let objects = 0;
let objectBytes = 0;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const NEWLINE = 0x0a;

async function count(bucket: string, body: Buffer, zipped: boolean): Promise<void> {
  const text = zipped ? await unzip(body) : body;
  let lines = 0;
  for (let at = text.indexOf(NEWLINE); at !== -1; at = text.indexOf(NEWLINE, at + 1)) lines++;
  if (text.length > 0 && text[text.length - 1] !== NEWLINE) lines++;
  points.set(bucket, (points.get(bucket) ?? 0) + lines);
}

const influx = createServer((request, response) => {
  void (async () => {
    const body = await bodyOf(request);
    const url = new URL(request.url ?? '/', 'http://fake');
    const json = (value: unknown): void => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(value));
    };
    switch (url.pathname) {
      case '/api/v2/write':
        response.statusCode = 204;
        response.end();
        if (body.length === 0) return;
        lastMs = Date.now();
        writes++;
        writeBytes += body.length;
        await count(url.searchParams.get('bucket') ?? '', body, request.headers['content-encoding'] === 'gzip');
        return;
      case '/api/v2/buckets':
        json({ buckets: [{ id: '0000000000000001', name: url.searchParams.get('name') ?? 'fake' }] });
        return;
      case '/health':
        json({ name: 'influxdb', status: 'pass', version: 'v2.7.12' });
        return;
      case '/control/reset':
        points = new Map();
        lastMs = writes = writeBytes = objects = objectBytes = 0;
        json({});
        return;
      case '/control/stats':
        json({ points: Object.fromEntries(points), lastMs, writes, writeBytes, objects, objectBytes });
        return;
      default:
        response.statusCode = 404;
        json({ code: 'not found', message: `The fake does not know ${url.pathname}.` });
    }
  })();
});

/** What Userpulse writes to find out whether the store can do what it needs; all else is forgotten. */
const PROBES = '/_probe/';
const probes = new Map<string, Buffer>();
const TAKEN = '<Error><Code>PreconditionFailed</Code><Message>The key is taken.</Message></Error>';

const s3 = createServer((request, response) => {
  void (async () => {
    const body = await bodyOf(request);
    const url = new URL(request.url ?? '/', 'http://fake');
    const key = url.pathname;
    const probe = key.includes(PROBES);
    const part = url.searchParams.has('uploadId') || url.searchParams.has('uploads');
    if (request.headers['if-none-match'] !== undefined && probes.has(key)) {
      response.statusCode = 412;
      response.end(TAKEN);
      return;
    }
    if (request.method === 'POST') {
      response.end('<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>');
      return;
    }
    if (request.method === 'DELETE' && !part) probes.delete(key);
    if (request.method === 'PUT' && probe && !part) probes.set(key, body);
    if (request.method === 'PUT' && !probe) {
      objects++;
      objectBytes += body.length;
    }
    // What S3 answers where nothing is encrypted by a key: the body's MD5. Userpulse compares it with what it sent.
    response.setHeader('etag', `"${createHash('md5').update(body).digest('hex')}"`);
    response.end(request.method === 'GET' ? (probes.get(key) ?? '<ListBucketResult></ListBucketResult>') : undefined);
  })();
});

function listen(server: Server, port: string | undefined): void {
  server.keepAliveTimeout = 60_000;
  server.listen(Number(port), '127.0.0.1');
}
listen(influx, process.argv[2]);
listen(s3, process.argv[3]);
