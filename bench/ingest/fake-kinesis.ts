import { createServer, type ServerResponse } from 'node:http';
import { cbor } from '@smithy/core/cbor';
import { z } from 'zod';
import { FakeStream, iteratorOf, streamSpec } from './fake-stream.ts';
import type { Writing } from './shard-data.ts';

/**
 * A fake of Kinesis for pacing: the read side of the API over HTTP/1.1, in JSON 1.1 and for GetRecords in CBOR too, with answers made beforehand
 * and the real quotas per shard. Nothing can be put and nothing is remembered; what Kinesis itself does is tested elsewhere.
 *
 *   node --import tsx bench/ingest/fake-kinesis.ts PORT
 *
 * POST /control/stream|open|shut and GET /control/stats are for the benchmark.
 */
const streams = new Map<string, FakeStream>();

class ApiError extends Error {
  readonly type: string;
  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

function streamNamed(name: string | undefined): FakeStream {
  const stream = streams.get(name ?? '');
  if (stream === undefined) throw new ApiError('ResourceNotFoundException', `Stream ${name} not found.`);
  return stream;
}

const shardId = (shard: number): string => `shardId-${String(shard).padStart(12, '0')}`;

function shardList(stream: FakeStream): object[] {
  const size = 2n ** 128n / BigInt(stream.shards.length);
  return stream.shards.map(({ shard }, index) => ({
    ShardId: shardId(shard),
    HashKeyRange: {
      StartingHashKey: String(BigInt(index) * size),
      EndingHashKey: String(index + 1 === stream.shards.length ? 2n ** 128n - 1n : BigInt(index + 1) * size - 1n),
    },
    SequenceNumberRange: { StartingSequenceNumber: stream.shards[index]?.sequenceNumber(0) ?? '' },
  }));
}

const body = z.object({
  StreamName: z.string().optional(),
  NextToken: z.string().optional(),
  ShardId: z.string().optional(),
  ShardIteratorType: z.string().optional(),
  StartingSequenceNumber: z.string().optional(),
  Timestamp: z.number().optional(),
  ShardIterator: z.string().optional(),
  Limit: z.number().optional(),
});

const JSON_TYPE = 'application/x-amz-json-1.1';
const CBOR_TYPE = 'application/x-amz-cbor-1.1';

function call(operation: string, input: z.infer<typeof body>, writing: Writing): object | readonly Buffer[] {
  if (operation === 'GetRecords') {
    const [name, shard, position] = (input.ShardIterator ?? '').split('|');
    const page = streamNamed(name).page(Number(shard), Number(position), input.Limit ?? 10_000, writing);
    if (page === undefined) {
      throw new ApiError('ProvisionedThroughputExceededException', `Rate exceeded for shard ${shard ?? ''}.`);
    }
    return page;
  }
  const stream = streamNamed(input.StreamName);
  const arn = `arn:aws:kinesis:us-east-1:000000000000:stream/${stream.spec.name}`;
  const summary = {
    StreamName: stream.spec.name,
    StreamARN: arn,
    StreamStatus: 'ACTIVE',
    StreamModeDetails: { StreamMode: 'PROVISIONED' },
    RetentionPeriodHours: 8760,
    StreamCreationTimestamp: 1_700_000_000,
    EncryptionType: 'NONE',
    EnhancedMonitoring: [{ ShardLevelMetrics: [] }],
  };
  switch (operation) {
    case 'ListShards':
      return { Shards: shardList(stream) };
    case 'DescribeStreamSummary':
      return {
        StreamDescriptionSummary: { ...summary, OpenShardCount: stream.shards.length, ConsumerCount: 0 },
      };
    case 'DescribeStream':
      return { StreamDescription: { ...summary, Shards: shardList(stream), HasMoreShards: false } };
    case 'ListTagsForStream':
      return { Tags: [], HasMoreTags: false };
    case 'AddTagsToStream':
      return {};
    case 'GetShardIterator': {
      const shard = Number((input.ShardId ?? '').slice('shardId-'.length));
      return { ShardIterator: iteratorOf(stream.spec.name, shard, position(stream, shard, input)) };
    }
    default:
      throw new ApiError('InvalidArgumentException', `The fake does not know ${operation}.`);
  }
}

function position(stream: FakeStream, shard: number, input: z.infer<typeof body>): number {
  const data = stream.shards[shard];
  if (data === undefined) throw new ApiError('ResourceNotFoundException', `Shard ${shard} not found.`);
  switch (input.ShardIteratorType) {
    case 'AT_SEQUENCE_NUMBER':
      return data.positionOf(input.StartingSequenceNumber ?? '');
    case 'AFTER_SEQUENCE_NUMBER':
      return data.positionOf(input.StartingSequenceNumber ?? '') + 1;
    case 'AT_TIMESTAMP':
      return data.positionAt((input.Timestamp ?? 0) * 1000);
    case 'LATEST':
      return data.records;
    default:
      return 0;
  }
}

const named = z.object({ name: z.string() });

function control(path: string, text: string, query: URLSearchParams): unknown {
  switch (path) {
    case '/control/stream': {
      const spec = streamSpec.parse(JSON.parse(text));
      const stream = new FakeStream(spec);
      streams.set(spec.name, stream);
      return { records: stream.shards.reduce((sum, shard) => sum + shard.records, 0) };
    }
    case '/control/open': {
      const { name, quotas } = named.extend({ quotas: z.boolean() }).parse(JSON.parse(text));
      streamNamed(name).open({ quotas });
      return streamNamed(name).stats();
    }
    case '/control/shut':
      streamNamed(named.parse(JSON.parse(text)).name).shut();
      return {};
    case '/control/remove':
      streams.delete(named.parse(JSON.parse(text)).name);
      return {};
    case '/control/stats':
      return streamNamed(query.get('name') ?? undefined).stats();
    default:
      return { ready: true };
  }
}

function send(response: ServerResponse, status: number, type: string, pieces: readonly Buffer[]): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': pieces.reduce((sum, piece) => sum + piece.length, 0),
    'x-amzn-requestid': 'fake',
  });
  for (const piece of pieces) response.write(piece);
  response.end();
}

const written = (answer: object, writing: Writing): Buffer =>
  Buffer.from(writing === 'cbor' ? cbor.serialize(answer) : JSON.stringify(answer));

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const bytes = Buffer.concat(chunks);
    const target = request.headers['x-amz-target'];
    const writing: Writing = request.headers['content-type'] === CBOR_TYPE ? 'cbor' : 'json';
    try {
      if (typeof target === 'string') {
        const input: unknown =
          writing === 'cbor' ? cbor.deserialize(bytes) : JSON.parse(bytes.toString('utf8') || '{}');
        const answer = call(target.split('.')[1] ?? '', body.parse(input), writing);
        const pieces = Array.isArray(answer) ? (answer as readonly Buffer[]) : [written(answer, writing)];
        send(response, 200, writing === 'cbor' ? CBOR_TYPE : JSON_TYPE, pieces);
        return;
      }
      const url = new URL(request.url ?? '/', 'http://fake');
      const answer = control(url.pathname, bytes.toString('utf8'), url.searchParams);
      send(response, 200, 'application/json', [Buffer.from(JSON.stringify(answer))]);
    } catch (error) {
      const type = error instanceof ApiError ? error.type : 'ValidationException';
      const message = error instanceof Error ? error.message : String(error);
      send(response, 400, writing === 'cbor' ? CBOR_TYPE : JSON_TYPE, [written({ __type: type, message }, writing)]);
    }
  });
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2]), '127.0.0.1');
