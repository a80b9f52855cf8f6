import { access, cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { readFileSync } from 'node:fs';
import { LOOPBACK } from './ports.ts';
import { startServer, type Server } from './server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const pluginJson = z.object({ id: z.string() });

/** User name and password of the administrator; @grafana/plugin-e2e signs in with them. */
export const ADMIN = { user: 'admin', password: 'admin' } as const;

/** Grafana asks nobody outside this machine: no reports, update checks, catalogue, avatars or news. */
const ALONE = {
  GF_ANALYTICS_REPORTING_ENABLED: 'false',
  GF_ANALYTICS_CHECK_FOR_UPDATES: 'false',
  GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: 'false',
  GF_ANALYTICS_FEEDBACK_LINKS_ENABLED: 'false',
  GF_SECURITY_DISABLE_GRAVATAR: 'true',
  GF_NEWS_NEWS_FEED_ENABLED: 'false',
  GF_PLUGINS_PREINSTALL_DISABLED: 'true',
  GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED: 'true',
  GF_SNAPSHOTS_EXTERNAL_ENABLED: 'false',
  GF_GRAFANA_COM_URL: `http://${LOOPBACK}:9`,
  GF_GRAFANA_COM_API_URL: `http://${LOOPBACK}:9/api`,
} as const;

export interface GrafanaOptions {
  /** An unpacked Grafana: the folder with bin/, conf/ and public/. */
  readonly home: string;
  /** Temporary folder of the local parts. */
  readonly root: string;
  /** Address of `userpulse serve` or `start`, and its token. */
  readonly backendUrl: string;
  readonly token: string;
  /** A port of one's own; a free one unless told. */
  readonly port?: number;
  /** More settings, as Grafana's environment variables. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Grafana {
  readonly url: string;
  readonly server: Server;
}

/** Starts a Grafana with the plugin as it is in dist/, and the data sources, dashboards and alert rules of provisioning/. */
export async function startGrafana(options: GrafanaOptions): Promise<Grafana> {
  const program = join(options.home, 'bin', 'grafana');
  await access(program).catch(() => {
    throw new Error(
      `${program} is missing. GRAFANA_HOME must name an unpacked Grafana: a folder with bin/, conf/ and public/.`,
    );
  });
  await access(join(ROOT, 'dist', 'module.js')).catch(() => {
    throw new Error('The plugin is not built. Run make build first.');
  });
  const { id } = pluginJson.parse(JSON.parse(readFileSync(join(ROOT, 'src', 'plugin.json'), 'utf8')));
  // Copies: what is built or edited meanwhile does not change under a Grafana that runs.
  const files = join(options.root, 'grafana');
  const [plugins, provisioning] = [join(files, 'plugins'), join(files, 'provisioning')];
  await cp(join(ROOT, 'dist'), join(plugins, id), { recursive: true });
  for (const kind of ['datasources', 'dashboards', 'alerting'])
    await cp(join(ROOT, 'provisioning', kind), join(provisioning, kind), { recursive: true });
  for (const kind of ['plugins', 'notifiers', 'access-control']) await mkdir(join(provisioning, kind));
  const server = await startServer({
    name: 'grafana',
    root: options.root,
    ports: 1,
    ...(options.port !== undefined && { attempts: 1 }),
    plan: (folder, [free = 0]) => {
      const port = options.port ?? free;
      return {
        command: program,
        args: ['server', '--homepath', options.home],
        env: {
          ...ALONE,
          GF_SERVER_HTTP_ADDR: LOOPBACK,
          GF_SERVER_HTTP_PORT: String(port),
          GF_SERVER_ROOT_URL: `http://${LOOPBACK}:${port}/`,
          GF_SECURITY_ADMIN_USER: ADMIN.user,
          GF_SECURITY_ADMIN_PASSWORD: ADMIN.password,
          GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS: id,
          GF_LOG_MODE: 'console',
          GF_LOG_LEVEL: 'warn',
          GF_PATHS_DATA: join(folder, 'data'),
          GF_PATHS_LOGS: join(folder, 'logs'),
          GF_PATHS_PLUGINS: plugins,
          GF_PATHS_PROVISIONING: provisioning,
          USERPULSE_URL: options.backendUrl,
          USERPULSE_API_TOKEN: options.token,
          PROMETHEUS_URL: `http://${LOOPBACK}:9`,
          ...options.env,
        },
        healthy: async () => {
          const answer = await fetch(`http://${LOOPBACK}:${port}/api/health`, { signal: AbortSignal.timeout(2_000) });
          await answer.arrayBuffer();
          return answer.ok;
        },
      };
    },
  });
  return { url: `http://${LOOPBACK}:${options.port ?? server.ports[0] ?? 0}`, server };
}
