import { createTheme, EventBusSrv, PluginContextProvider, setTimeZoneResolver, ThemeContext } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import {
  config,
  locationService,
  setAppEvents,
  setBackendSrv,
  setChromeHeaderHeightHook,
  setDataSourceSrv,
  setEchoSrv,
  setGrafanaLiveSrv,
  setLocationSrv,
  setPluginImportUtils,
  setRunRequest,
  setTemplateSrv,
} from '@grafana/runtime';
import * as unstable from '@grafana/runtime/unstable';
import { loadResources } from '@grafana/scenes';
import { GlobalStyles } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { App } from './App.tsx';
import { registerPanels, notDrawn } from './panels/index.tsx';
import { registerStandardFieldConfig } from './panels/fieldConfig.ts';
import { createBackendSrv } from './services/backend.ts';
import { createDataSourceSrv } from './services/dataSources.ts';
import { createLiveSrv } from './services/live.ts';
import { runRequest } from './services/runRequest.ts';
import { createTemplateSrv } from './services/template.ts';
import { shareModules } from './sharedModules.ts';

async function start(): Promise<void> {
  shareModules();
  await initPluginTranslations('grafana-scenes', [loadResources]);
  setTimeZoneResolver(() => config.bootData.user.timezone);
  setBackendSrv(createBackendSrv());
  setTemplateSrv(createTemplateSrv());
  setAppEvents(new EventBusSrv());
  setEchoSrv({ flush: () => undefined, addBackend: () => undefined, addEvent: () => undefined });
  setLocationSrv(locationService);
  setGrafanaLiveSrv(createLiveSrv());
  setRunRequest(runRequest);
  setChromeHeaderHeightHook(() => 0);
  setPluginImportUtils({
    importPanelPlugin: (id) => Promise.resolve(notDrawn(id)),
    getPanelPluginFromCache: () => undefined,
  });
  // From 13.2 on a query needs these; the stable setters alone leave a development build without loggers and settings.
  unstable.initializeLoggersRegistry?.();
  await unstable.reloadDataSourceInstanceSettings?.();
  setDataSourceSrv(createDataSourceSrv());
  registerStandardFieldConfig();
  registerPanels();

  const root = document.getElementById('root');
  if (!root) throw new Error('The page has no #root.');
  const theme = createTheme({ colors: { mode: config.bootData.user.theme === 'light' ? 'light' : 'dark' } });
  Object.assign(config, { theme2: theme });
  document.body.style.background = theme.colors.background.canvas;
  createRoot(root).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <App />
    </ThemeContext.Provider>,
  );
}

await start();
export { PluginContextProvider };
