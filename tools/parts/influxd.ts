import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { LOOPBACK } from './ports.ts';
import { startServer, type Server } from './server.ts';

export interface Influx {
  readonly url: string;
  readonly org: string;
  /** An operator token: it may do everything. */
  readonly token: string;
  readonly server: Server;
}

const ORG = 'userpulse';

/** Starts influxd on an empty store and makes its first user, organisation and operator token. */
export async function startInfluxd(program: string, root: string): Promise<Influx> {
  const server = await startServer({
    name: 'influxd',
    root,
    ports: 1,
    plan: (folder, [port = 0]) => ({
      command: program,
      args: [
        `--http-bind-address=${LOOPBACK}:${port}`,
        `--bolt-path=${join(folder, 'influxd.bolt')}`,
        `--sqlite-path=${join(folder, 'influxd.sqlite')}`,
        `--engine-path=${join(folder, 'engine')}`,
        '--reporting-disabled',
        // Else every 4 KiB that it allocates is sampled, which takes a fifth of a query's CPU.
        '--pprof-disabled',
        '--log-level=warn',
      ],
      healthy: async () => {
        const answer = await fetch(`http://${LOOPBACK}:${port}/health`, { signal: AbortSignal.timeout(2_000) });
        await answer.arrayBuffer();
        return answer.ok;
      },
    }),
  });
  const url = `http://${LOOPBACK}:${server.ports[0] ?? 0}`;
  try {
    const token = randomBytes(32).toString('base64url');
    const answer = await fetch(`${url}/api/v2/setup`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        username: 'operator',
        password: randomBytes(16).toString('base64url'),
        org: ORG,
        bucket: 'first',
        token,
      }),
    });
    if (!answer.ok) throw new Error(`influxd refused its set-up: ${answer.status} ${await answer.text()}`);
    await answer.arrayBuffer();
    return { url, org: ORG, token, server };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
