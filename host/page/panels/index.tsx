import { PanelPlugin } from '@grafana/data';
import { sceneUtils } from '@grafana/scenes';
import { bargauge, stat } from './values.tsx';
import { table, text } from './tableAndText.tsx';
import { timeseries } from './timeseries.tsx';

const drawn = { timeseries, stat, bargauge, table, text } as const;

/** Makes the panel kinds of our dashboards known to scenes; Grafana's own are part of its core and in no package. */
export function registerPanels(): void {
  for (const [pluginId, plugin] of Object.entries(drawn)) {
    const { skipDataQuery } = plugin.meta ?? {};
    sceneUtils.registerRuntimePanelPlugin({ pluginId, plugin: plugin as PanelPlugin });
    if (skipDataQuery) plugin.meta.skipDataQuery = true;
  }
}

/** What stands in the place of a panel kind that the host does not draw. */
export function notDrawn(pluginId: string): PanelPlugin {
  const plugin = new PanelPlugin(() => <p>The plugin host does not draw “{pluginId}” panels; Grafana does.</p>);
  plugin.meta = { ...timeseries.meta, id: pluginId, name: pluginId };
  return plugin;
}
