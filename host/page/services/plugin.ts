import type { DataSourceApi, DataSourceInstanceSettings, DataSourcePlugin, PluginMeta } from '@grafana/data';

type AnyPlugin = DataSourcePlugin<DataSourceApi>;

let loading: Promise<AnyPlugin> | undefined;

/** The built plugin, loaded as Grafana loads it. Errors of SystemJS (a module nobody shares) reach the caller. */
export function loadPlugin(meta: PluginMeta): Promise<AnyPlugin> {
  loading ??= System.import(meta.module).then((module) => {
    const { plugin } = module as { plugin?: AnyPlugin };
    if (!plugin) throw new Error(`${meta.module} exports no "plugin".`);
    plugin.meta = meta;
    return plugin;
  });
  return loading;
}

/** A data source with the plugin's components attached, as Grafana's DatasourceSrv makes it. */
export async function instantiate(settings: DataSourceInstanceSettings): Promise<DataSourceApi> {
  const plugin = await loadPlugin(settings.meta);
  const instance = new plugin.DataSourceClass(settings);
  instance.components = plugin.components;
  return instance;
}
