/**
 * Runs before any @grafana package is evaluated: they read these globals while they load.
 * Grafana itself writes them into its index page.
 */
import { frontendSettings } from './frontendSettings.ts';

async function boot(): Promise<void> {
  const theme = new URLSearchParams(location.search).get('theme') === 'light' ? 'light' : 'dark';
  const settings = await frontendSettings();
  Object.assign(window, {
    __grafana_public_path__: '/public/',
    grafanaBootData: {
      user: {
        id: 1,
        orgId: 1,
        orgRole: 'Admin',
        isSignedIn: true,
        theme,
        login: 'host',
        name: 'host',
        timezone: 'browser',
        weekStart: 'monday',
        language: 'en-US',
        locale: 'en-US',
        regionalFormat: 'en-GB',
        permissions: {},
      },
      settings: {
        ...settings,
        appUrl: `${location.origin}/`,
        appSubUrl: '',
        namespace: 'default',
        featureToggles: {},
        minRefreshInterval: '1s',
        licenseInfo: {},
        panels: {},
        apps: {},
        rudderstackWriteKey: '',
        sentry: {},
        unifiedAlerting: {},
        dateFormats: undefined,
        buildInfo: { version: HOST_GRAFANA_VERSION, commit: 'host', env: HOST_MODE, edition: 'Open Source' },
      },
      navTree: [],
    },
    // Grafana serves Monaco's workers; here the editor does its small work on the page.
    MonacoEnvironment: {
      getWorker: () => new Worker(URL.createObjectURL(new Blob(['onmessage=()=>{}'], { type: 'text/javascript' }))),
    },
  });
  await import('./start.tsx');
}

boot().catch((error: unknown) => {
  console.error(error);
  const starting = document.getElementById('starting');
  if (starting)
    starting.textContent = `The plugin host could not start: ${error instanceof Error ? error.message : String(error)}`;
});
