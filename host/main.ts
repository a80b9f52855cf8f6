import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { GENERATIONS } from './bundle.ts';
import { startPluginHost } from './serve.ts';

/*
 * The plugin in a browser, without a Grafana server, for whoever starts it: `npx tsx host/main.ts --backend-url URL`. Builds what is missing,
 * prints {"url": …} when it serves, and ends with its standard input, as with SIGINT and SIGTERM. The backend's token is taken from
 * USERPULSE_API_TOKEN.
 */
const { values } = parseArgs({
  options: {
    'backend-url': { type: 'string' },
    generation: { type: 'string', default: '19' },
    listen: { type: 'string' },
    'gateway-log': { type: 'string' },
  },
});

const ending = new AbortController();
const end = (): void => ending.abort();
process.stdin.resume().once('end', end);
process.once('SIGINT', end);
process.once('SIGTERM', end);

const schema = z.object({
  generation: z.enum(GENERATIONS, { error: `--generation must be one of ${GENERATIONS.join(', ')}.` }),
  'backend-url': z.url({ error: '--backend-url must be the URL of userpulse serve or start.' }),
});

try {
  const { data: options, error } = schema.safeParse(values);
  if (error !== undefined) throw new Error(error.issues.map(({ message }) => message).join(' '));
  const { listen, 'gateway-log': gatewayLog } = values;
  const host = await startPluginHost({
    generation: options.generation,
    backendUrl: options['backend-url'],
    token: process.env['USERPULSE_API_TOKEN'] ?? '',
    ...(listen === undefined ? {} : { listen }),
    ...(gatewayLog === undefined ? {} : { gatewayLog }),
    signal: ending.signal,
  });
  process.stdout.write(`${JSON.stringify({ url: host.url })}\n`);
  if (!ending.signal.aborted) await once(ending.signal, 'abort');
  await host.stop();
} catch (error) {
  if (!ending.signal.aborted) {
    process.stderr.write(`plugin host: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
process.stdin.destroy();
