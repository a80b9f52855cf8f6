import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { createApp } from './base.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { listen } from './listen.ts';
import type { Readiness } from '../check.ts';
import { registerOps } from './routes/ops.ts';

/** A listener of its own with /metrics, /healthz and /readyz, for a process without the rest of the interface. */
export async function startOpsServer(options: {
  readonly listen: { readonly host: string; readonly port: number };
  readonly registry: Registry;
  readonly ready: () => Readiness | Promise<Readiness>;
  readonly logger: Logger;
}): Promise<{ readonly url: string; close(): Promise<void> }> {
  const app = createApp({ limits: DEFAULT_LIMITS, logger: options.logger });
  registerOps(app, options);
  const url = await listen(app, options.listen);
  return { url, close: () => app.close() };
}
