import { join } from 'node:path';
import { startPluginHost, type PluginHost } from '../../host/serve.ts';
import type { Range } from './api.ts';

export interface PluginPage {
  /** What can be said at once. */
  readonly line: string;
  /** Ends the page, or the building of it where it is not there yet. */
  stop(): Promise<void>;
}

export interface PluginPageRequest {
  readonly backendUrl: string;
  /** Folder for the gateway's log. */
  readonly dir: string;
  /** Time range to show first; the dashboards' own, the last hour, unless told. */
  readonly range: Range | undefined;
  readonly say: (line: string) => void;
}

/**
 * Serves the plugin's own panels in a browser, without a Grafana server. The first time its packages are installed and it is built, in a
 * minute or two: the demo does not wait, and goes on without the page where that fails.
 */
export function startPluginPage({ backendUrl, dir, range, say }: PluginPageRequest): PluginPage {
  const giveUp = new AbortController();
  let host: PluginHost | undefined;
  const search = range === undefined ? '' : `?from=${range.fromMs}&to=${range.toMs}`;
  const starting = startPluginHost({
    generation: '19',
    backendUrl,
    token: '',
    gatewayLog: join(dir, 'gateway.log'),
    signal: giveUp.signal,
  }).then(
    (started) => {
      host = started;
      say(`Panels     ${started.url}/d/overview${search}   (the plugin in a browser, without a Grafana server)`);
    },
    (error: unknown) => {
      if (!giveUp.signal.aborted)
        say(`Panels     not served: ${error instanceof Error ? error.message : String(error)}`);
    },
  );
  return {
    line: 'Panels     being built; their address follows here',
    stop: async () => {
      giveUp.abort();
      await starting;
      await host?.stop();
    },
  };
}
