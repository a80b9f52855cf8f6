import { PLUGIN_ID, PLUGIN_PATH } from './pluginId.ts';

interface Settings {
  readonly name: string;
  readonly uid: string;
}

async function json(url: string): Promise<unknown> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.json();
}

/** Instance settings as Grafana's /api/frontend/settings has them: by name, each with the plugin's meta. */
export async function frontendSettings(): Promise<{ datasources: Record<string, unknown>; defaultDatasource: string }> {
  const [list, plugin] = await Promise.all([
    json('/api/datasources') as Promise<readonly Settings[]>,
    json(`${PLUGIN_PATH}/plugin.json`) as Promise<Record<string, unknown>>,
  ]);
  const meta = { ...plugin, module: `${PLUGIN_PATH}/module.js`, baseUrl: PLUGIN_PATH };
  const datasources = Object.fromEntries(
    list.map((settings, index) => [
      settings.name,
      // Grafana hides the address of a proxied data source behind its own.
      { id: index + 1, isDefault: index === 0, access: 'proxy', readOnly: false, ...settings, type: PLUGIN_ID, meta },
    ]),
  );
  return { datasources, defaultDatasource: list[0]?.name ?? '' };
}
