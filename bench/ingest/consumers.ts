import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../../tools/parts/ports.ts';
import type { Server } from '../../tools/parts/server.ts';
import { IMAGE_ALLOCATOR, startService, type ProcessOptions } from '../../tools/userpulse.ts';

/** Where a consumer reads and writes. */
export interface Wiring {
  readonly root: string;
  readonly stream: string;
  readonly kinesis: string;
  readonly influx: { readonly url: string; readonly org: string; readonly token: string };
  readonly s3: { readonly url: string; readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** Events that a consumer has written so far, and when the last of them was. */
export interface Written {
  readonly events: number;
  /** In all buckets. */
  readonly points: number;
  readonly lastMs: number;
}

/** Something that reads a stream into InfluxDB: Userpulse, or a peer of it. */
export interface Consumer {
  readonly name: string;
  /** Buckets that one event comes into. */
  readonly pointsPerEvent: 'all' | 'one';
  /** Whether the fake Kinesis refuses reads beyond a shard's quotas. */
  readonly heldToQuotas: boolean;
  /** Begins at the oldest record; nothing of earlier runs is known to it. */
  start(wiring: Wiring): Promise<Server>;
}

export interface UserpulseOptions extends ProcessOptions {
  /** `start` serves queries too. */
  readonly command?: 'ingest' | 'start';
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** The built backend with its default settings. */
export const userpulse = ({ port: wanted, env, ...options }: UserpulseOptions = {}): Consumer => ({
  name: 'Userpulse',
  pointsPerEvent: 'all',
  heldToQuotas: true,
  start: async (wiring) => {
    const port = wanted ?? (await freePorts(1))[0] ?? 0;
    const state = await mkdtemp(join(wiring.root, 'state-'));
    await mkdir(join(state, 'checkpoint'));
    return startService({
      command: 'ingest',
      ...options,
      root: wiring.root,
      url: `http://127.0.0.1:${port}`,
      env: {
        ...awsEnv(wiring),
        INFLUX_HOST: wiring.influx.url,
        INFLUX_ORG: wiring.influx.org,
        INFLUX_TOKEN: wiring.influx.token,
        USERPULSE_STREAM: wiring.stream,
        USERPULSE_ARCHIVE: `s3://userpulse-bench/${Date.now()}`,
        USERPULSE_CHECKPOINT: `file://${join(state, 'checkpoint')}`,
        USERPULSE_LISTEN: `127.0.0.1:${port}`,
        USERPULSE_LOG_LEVEL: 'warn',
        ...IMAGE_ALLOCATOR,
        ...env,
      },
    });
  },
});

export const awsEnv = (wiring: Wiring): Record<string, string> => ({
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: wiring.s3.accessKeyId,
  AWS_SECRET_ACCESS_KEY: wiring.s3.secretAccessKey,
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_ENDPOINT_URL_KINESIS: wiring.kinesis,
  AWS_ENDPOINT_URL_S3: wiring.s3.url,
});
