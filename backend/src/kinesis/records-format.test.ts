import { GetRecordsCommand, type KinesisClient } from '@aws-sdk/client-kinesis';
import { cbor } from '@smithy/core/cbor';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createKinesisClient } from './client.ts';
import { KinesisSource, SourceError } from './stream-source.ts';

interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body: Uint8Array | string;
}

const CBOR = 'application/x-amz-cbor-1.1';
const JSON_1_1 = 'application/x-amz-json-1.1';
const TIME_MS = Date.UTC(2026, 0, 31, 12, 0, 0, 123);
const record = { PartitionKey: 'k', SequenceNumber: '49' };
const inCbor: Answer = {
  type: CBOR,
  body: cbor.serialize({
    Records: [{ ...record, Data: Buffer.from('hello'), ApproximateArrivalTimestamp: TIME_MS }],
    NextShardIterator: 'next',
    MillisBehindLatest: 5,
  }),
};
const inJson: Answer = {
  type: JSON_1_1,
  body: JSON.stringify({
    Records: [{ ...record, Data: 'aGVsbG8=', ApproximateArrivalTimestamp: TIME_MS / 1000 }],
    NextShardIterator: 'next',
    MillisBehindLatest: 5,
  }),
};
const page = {
  records: [{ data: Buffer.from('hello'), partitionKey: 'k', sequenceNumber: '49', approximateArrivalMs: TIME_MS }],
  next: 'next',
  millisBehindLatest: 5,
};

describe('the format of GetRecords', () => {
  let server: Server;
  let client: KinesisClient;
  const onJson = vi.fn();
  const asked: { readonly type: string | undefined; readonly input: unknown }[] = [];
  let answer: (type: string | undefined) => Answer = () => inCbor;
  const signal = new AbortController().signal;

  async function inputOf(request: IncomingMessage): Promise<unknown> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    return request.headers['content-type'] === CBOR ? cbor.deserialize(body) : JSON.parse(body.toString());
  }

  beforeAll(async () => {
    server = createServer((request, response) => {
      void (async () => {
        const type = request.headers['content-type'];
        asked.push({ type, input: await inputOf(request) });
        const { status = 200, type: answered = '', body } = answer(type);
        response.writeHead(status, { 'content-type': answered }).end(body);
      })();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void server.close());
  beforeEach(() => {
    vi.stubEnv('AWS_REGION', 'us-east-1');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
    vi.stubEnv('AWS_ENDPOINT_URL_KINESIS', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    asked.length = 0;
    onJson.mockClear();
    client = createKinesisClient({ maxAttempts: 1, onJson });
  });
  afterEach(() => {
    client.destroy();
    vi.unstubAllEnvs();
  });

  const get = async () => {
    const { records, ...others } = await new KinesisSource(client, 's').records('iterator', 10, signal);
    return { records: [...records], ...others };
  };
  const types = (): (string | undefined)[] => asked.map(({ type }) => type);

  it('is CBOR', async () => {
    answer = () => inCbor;
    expect(await get()).toEqual(page);
    expect(asked).toEqual([{ type: CBOR, input: { ShardIterator: 'iterator', Limit: 10 } }]);
    expect(onJson).not.toHaveBeenCalled();
  });

  it('is JSON from the first answer in JSON on, and says so once', async () => {
    // As AWS has done it, under the name of CBOR.
    answer = () => ({ ...inJson, type: CBOR });
    expect(await get()).toEqual(page);
    answer = () => inJson;
    expect(await get()).toEqual(page);
    expect(types()).toEqual([CBOR, JSON_1_1]);
    expect(asked[1]?.input).toEqual({ ShardIterator: 'iterator', Limit: 10 });
    expect(onJson).toHaveBeenCalledOnce();
  });

  it.each<[string, Answer]>([
    ['an error in JSON', { status: 400, type: JSON_1_1, body: '{"__type":"SerializationException"}' }],
    ['an error in CBOR', { status: 400, type: CBOR, body: cbor.serialize({ __type: 'UnknownOperationException' }) }],
    ['XML', { status: 404, body: '<UnknownOperationException/>\n' }],
    ['nothing', { status: 415, body: '' }],
  ])('is JSON where CBOR is answered with %s', async (_what, refusal) => {
    answer = (type) => (type === CBOR ? refusal : inJson);
    expect(await Promise.all([get(), get()])).toEqual([page, page]);
    asked.length = 0;
    expect(await get()).toEqual(page);
    expect(types()).toEqual([JSON_1_1]);
    expect(onJson).toHaveBeenCalledOnce();
  });

  it('stays CBOR where JSON is not understood either', async () => {
    answer = () => ({ status: 400, type: JSON_1_1, body: '{"__type":"SerializationException","message":"no"}' });
    await expect(get()).rejects.toThrow('no');
    answer = () => inCbor;
    expect(await get()).toEqual(page);
    expect(types()).toEqual([CBOR, JSON_1_1, CBOR]);
    expect(onJson).not.toHaveBeenCalled();
  });

  const error = (__type: string, message: string) => cbor.serialize({ __type, message });
  it.each<[string, Answer, SourceError['kind'], string]>([
    [
      'throttling',
      { status: 400, body: error('ProvisionedThroughputExceededException', 'Slow.') },
      'throttled',
      'Slow',
    ],
    ['an old iterator', { status: 400, body: error('ExpiredIteratorException', 'Old.') }, 'iterator_expired', 'Old'],
    ['a namespace', { status: 400, body: error('com.amazon#ResourceNotFoundException', 'Gone.') }, 'not_found', 'Gone'],
    ['no access', { status: 400, body: error('AccessDeniedException', 'Not you.') }, 'unauthorized', 'Not you'],
    ['a failure', { status: 500, body: error('InternalFailure', 'Broken.') }, 'unavailable', 'Broken'],
    [
      'a failure in JSON',
      { status: 503, body: '{"__type":"ServiceUnavailable","message":"Later."}' },
      'unavailable',
      'Later',
    ],
  ])('lets an error in CBOR be read as in JSON: %s', async (_what, refusal, kind, message) => {
    answer = () => ({ type: CBOR, ...refusal });
    const failure = await get().catch((caught: unknown) => caught);
    expect(failure).toBeInstanceOf(SourceError);
    expect(failure).toMatchObject({ kind, message: expect.stringContaining(message) as string });
    expect(types()).toEqual([CBOR]);
  });

  it('gives a broken answer for what it is, and is asked again in CBOR', async () => {
    answer = () => ({ ...inCbor, body: inCbor.body.slice(0, -3) });
    await expect(get()).rejects.toThrow('A response of GetRecords ends too early.');
    await expect(client.send(new GetRecordsCommand({ ShardIterator: 'i' }))).rejects.toThrow('ends too early');
    expect(types()).toEqual([CBOR, CBOR]);
    expect(onJson).not.toHaveBeenCalled();
  });
});
