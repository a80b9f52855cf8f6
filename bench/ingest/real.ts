import { startLocalParts, type LocalParts } from '../../tools/parts/index.ts';
import { freePorts } from '../../tools/parts/ports.ts';
import { runCommand } from '../../tools/userpulse.ts';
import { awsEnv, userpulse, type Wiring } from './consumers.ts';
import type { FakeKinesis } from './fakes.ts';
import { runTrial, type Trial } from './trial.ts';
import { cpuSeconds } from '../usage.ts';

type Parts = LocalParts<{ influx: true; s3: true }>;

export interface RealTrial extends Trial {
  readonly influxdCpuSeconds: number;
  readonly s3CpuSeconds: number;
}

/** The real influxd and S3 server on this machine, with fresh buckets whenever asked. */
export class RealSinks {
  readonly #parts: Parts;
  readonly #kinesis: FakeKinesis;
  #runs = 0;

  private constructor(parts: Parts, kinesis: FakeKinesis) {
    this.#parts = parts;
    this.#kinesis = kinesis;
  }

  static async start(kinesis: FakeKinesis): Promise<RealSinks> {
    return new RealSinks(await startLocalParts({ influx: true, s3: true }), kinesis);
  }

  stop(): Promise<void> {
    return this.#parts.stop();
  }

  wiring(root: string): Omit<Wiring, 'stream'> {
    const { influx, s3 } = this.#parts;
    return {
      root,
      kinesis: this.#kinesis.endpoint,
      influx,
      s3: { url: s3.endpoint, accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
    };
  }

  /** Buckets that hold nothing yet, as settings of Userpulse. */
  async freshBuckets(root: string, stream: string): Promise<Record<string, string>> {
    const run = ++this.#runs;
    const buckets = Object.fromEntries(
      ['MADE', 'RECEIVED', 'SHARE', 'TOTAL'].map((role) => [
        `USERPULSE_BUCKET_${role}`,
        `${role.toLowerCase()}_${run}`,
      ]),
    );
    const { influx } = this.#parts;
    await runCommand(['setup', '--create'], {
      PATH: process.env['PATH'] ?? '',
      ...awsEnv({ ...this.wiring(root), stream }),
      INFLUX_HOST: influx.url,
      INFLUX_ORG: influx.org,
      INFLUX_TOKEN: influx.token,
      USERPULSE_STREAM: stream,
      USERPULSE_ARCHIVE: 's3://userpulse-bench/events',
      USERPULSE_CHECKPOINT: `file://${root}/setup`,
      ...buckets,
    });
    return buckets;
  }

  async trial(root: string, stream: string): Promise<RealTrial> {
    const env = await this.freshBuckets(root, stream);
    const [port = 0] = await freePorts(1);
    const { influx, s3 } = this.#parts;
    const pids = { influx: influx.server.pid ?? 0, s3: s3.server.pid ?? 0 };
    const before = { influx: cpuSeconds(pids.influx), s3: cpuSeconds(pids.s3) };
    const trial = await runTrial(
      userpulse({ port, env }),
      { ...this.wiring(root), stream },
      this.#kinesis,
      async () => {
        const written = await pointsWritten(port);
        return { events: written.made, points: written.all, lastMs: Date.now() };
      },
    );
    return {
      ...trial,
      influxdCpuSeconds: cpuSeconds(pids.influx) - before.influx,
      s3CpuSeconds: cpuSeconds(pids.s3) - before.s3,
    };
  }
}

async function pointsWritten(port: number): Promise<{ made: number; all: number }> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const out = { made: 0, all: 0 };
  for (const [, bucket, value] of text.matchAll(/^userpulse_points_written_total\{bucket="(\w+)"\} (\d+)/gm)) {
    out.all += Number(value);
    if (bucket === 'made') out.made = Number(value);
  }
  return out;
}
