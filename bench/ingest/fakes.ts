import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { startServer, type Server } from '../../tools/parts/server.ts';
import type { Written } from './consumers.ts';
import type { Stats, StreamSpec } from './fake-stream.ts';

const TSX = import.meta.resolve('tsx');
const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

async function control<T>(schema: z.ZodType<T>, url: string, body?: unknown): Promise<T> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(url, init);
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${JSON.stringify(answer)}`);
  return schema.parse(answer);
}

const startFake = (root: string, file: string, ports: number, path: string): Promise<Server> =>
  startServer({
    name: file.replace('.ts', ''),
    root,
    ports,
    plan: (_folder, taken) => ({
      command: process.execPath,
      args: ['--import', TSX, '--max-old-space-size=4096', script(file), ...taken.map(String)],
      healthy: async () => {
        const answer = await fetch(`http://127.0.0.1:${taken[0] ?? 0}${path}`, { signal: AbortSignal.timeout(2_000) });
        await answer.arrayBuffer();
        return answer.ok;
      },
    }),
  });

const streamStats: z.ZodType<Stats> = z.object({
  events: z.number(),
  records: z.number(),
  bytes: z.number(),
  answered: z.number(),
  calls: z.number(),
  throttled: z.number(),
  shards: z.number(),
  shardsAsked: z.number(),
  openedMs: z.number(),
});

/** The fake Kinesis as a process of its own. */
export class FakeKinesis {
  readonly server: Server;
  readonly endpoint: string;

  private constructor(server: Server) {
    this.server = server;
    this.endpoint = `http://127.0.0.1:${server.ports[0] ?? 0}`;
  }

  static async start(root: string): Promise<FakeKinesis> {
    return new FakeKinesis(await startFake(root, 'fake-kinesis.ts', 1, '/control/ready'));
  }

  /** @returns its records */
  async create(spec: StreamSpec): Promise<number> {
    return (await control(z.object({ records: z.number() }), `${this.endpoint}/control/stream`, spec)).records;
  }
  async open(name: string, quotas = true): Promise<Stats> {
    return control(streamStats, `${this.endpoint}/control/open`, { name, quotas });
  }
  async shut(name: string): Promise<void> {
    await control(z.object({}), `${this.endpoint}/control/shut`, { name });
  }
  async remove(name: string): Promise<void> {
    await control(z.object({}), `${this.endpoint}/control/remove`, { name });
  }
  async stats(name: string): Promise<Stats> {
    return control(streamStats, `${this.endpoint}/control/stats?name=${name}`);
  }
}

const sinkStats = z.object({
  points: z.record(z.string(), z.number()),
  /** When the last write came, epoch ms. */
  lastMs: z.number(),
  writes: z.number(),
  writeBytes: z.number(),
  objects: z.number(),
  objectBytes: z.number(),
});
export type SinkStats = z.infer<typeof sinkStats>;

/** The fake InfluxDB and S3 as a process of their own. */
export class FakeSinks {
  readonly server: Server;
  readonly influx: string;
  readonly s3: string;

  private constructor(server: Server) {
    this.server = server;
    this.influx = `http://127.0.0.1:${server.ports[0] ?? 0}`;
    this.s3 = `http://127.0.0.1:${server.ports[1] ?? 0}`;
  }

  static async start(root: string): Promise<FakeSinks> {
    return new FakeSinks(await startFake(root, 'fake-sinks.ts', 2, '/health'));
  }

  async reset(): Promise<void> {
    await control(z.object({}), `${this.influx}/control/reset`, {});
  }
  /** Each event becomes one point in this bucket. */
  async written(): Promise<Written> {
    const { points, lastMs } = await this.stats();
    const all = Object.values(points).reduce((sum, some) => sum + some, 0);
    return { events: points['interactions_made'] ?? 0, points: all, lastMs };
  }

  async stats(): Promise<SinkStats> {
    return control(sinkStats, `${this.influx}/control/stats`);
  }
}
