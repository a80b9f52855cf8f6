import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LOOPBACK } from './ports.ts';
import { startServer, type Server } from './server.ts';

export interface Kinesis {
  readonly endpoint: string;
  readonly server: Server;
}

/** State changes that take seconds at AWS and half a second here by default. Not 0: the state in between must be seen by callers. */
const CHANGE = '50ms';

/**
 * It turns every byte of a record into several short-lived objects, and with Node's small young generation spends most of its time moving
 * them: with these flags the same records take 60 % of the processor time, and a sixth of the time in garbage collection.
 */
const GC = ['--min-semi-space-size=256', '--max-semi-space-size=256', '--single-threaded-gc'];

/** Starts kinesis-local, a Kinesis API server: plain HTTP, HTTP/1.1 only, everything in memory, about 230 PutRecords entries or 1 MB a second. */
export async function startKinesis(root: string, region: string): Promise<Kinesis> {
  const program = createRequire(import.meta.url).resolve('kinesis-local/main.js');
  const server = await startServer({
    name: 'kinesis-local',
    root,
    ports: 2,
    // It keeps nothing, and would wait for connections to close.
    graceMs: 0,
    plan: (_folder, [plain = 0, tls = 0]) => ({
      command: process.execPath,
      args: [...GC, '--require', fileURLToPath(new URL('loopback-only.cjs', import.meta.url)), program],
      env: {
        KINESIS_MOCK_PLAIN_PORT: String(plain),
        KINESIS_MOCK_TLS_PORT: String(tls),
        // Otherwise it looks for the certificate in its working directory and ends.
        KINESIS_MOCK_CERT_PATH: join(dirname(program), 'server.json'),
        AWS_REGION: region,
        LOG_LEVEL: 'ERROR',
        SHARD_LIMIT: '10000',
        ON_DEMAND_STREAM_COUNT_LIMIT: '1000',
        ...Object.fromEntries(
          [
            'CREATE_STREAM',
            'DELETE_STREAM',
            'REGISTER_STREAM_CONSUMER',
            'DEREGISTER_STREAM_CONSUMER',
            'START_STREAM_ENCRYPTION',
            'STOP_STREAM_ENCRYPTION',
            'MERGE_SHARDS',
            'SPLIT_SHARD',
            'UPDATE_SHARD_COUNT',
            'UPDATE_STREAM_MODE',
          ].map((name) => [`${name}_DURATION`, CHANGE]),
        ),
      },
      healthy: async () => {
        const answer = await fetch(`http://${LOOPBACK}:${plain}/healthcheck`, { signal: AbortSignal.timeout(2_000) });
        await answer.arrayBuffer();
        return answer.ok;
      },
    }),
  });
  return { endpoint: `http://${LOOPBACK}:${server.ports[0] ?? 0}`, server };
}
