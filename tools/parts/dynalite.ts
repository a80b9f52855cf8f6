import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { LOOPBACK } from './ports.ts';
import { startServer, type Server } from './server.ts';

export interface DynamoDB {
  readonly endpoint: string;
  readonly server: Server;
}

/**
 * Starts dynalite, a DynamoDB API server with everything in memory. It is not DynamoDB: it has no throttling, no replicas, and knows fewer errors. Its
 * conditional writes, which leases rest on, are the same.
 */
export async function startDynalite(root: string): Promise<DynamoDB> {
  const program = join(dirname(createRequire(import.meta.url).resolve('dynalite')), 'cli.js');
  const server = await startServer({
    name: 'dynalite',
    root,
    ports: 1,
    graceMs: 0,
    plan: (_folder, [port = 0]) => ({
      command: process.execPath,
      args: [program, '--host', LOOPBACK, '--port', String(port), '--createTableMs', '50', '--deleteTableMs', '50'],
      env: {},
      healthy: async () => {
        const answer = await fetch(`http://${LOOPBACK}:${port}/`, { signal: AbortSignal.timeout(2_000) });
        return (await answer.text()).startsWith('healthy');
      },
    }),
  });
  return { endpoint: `http://${LOOPBACK}:${server.ports[0] ?? 0}`, server };
}
