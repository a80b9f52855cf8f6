import { EmbeddedScene, UrlSyncContextProvider } from '@grafana/scenes';
import { useMemo } from 'react';
import { loadDashboard } from '../dashboard/classic.ts';
import type { ClassicDashboard } from '../dashboard/classic.ts';
import { dashboardScene } from '../dashboard/scene.ts';
import { Loaded } from './useLoaded.tsx';

function Drawn({ name, dashboard }: { name: string; dashboard: ClassicDashboard }) {
  const scene: EmbeddedScene = useMemo(
    () => dashboardScene(dashboard, (panel) => `/editor?dashboard=${encodeURIComponent(name)}&panel=${panel}`),
    [name, dashboard],
  );
  return (
    <UrlSyncContextProvider scene={scene} updateUrlOnInit={false} createBrowserHistorySteps>
      <scene.Component model={scene} />
    </UrlSyncContextProvider>
  );
}

/**
 * A dashboard as those with an account see it, or `publicly`: a public dashboard has no variables, so that nothing replaces what stands for one, not
 * even for the data source.
 */
export function DashboardRoute({ name, publicly = false }: { name: string; publicly?: boolean }) {
  const load = async () => {
    const dashboard = await loadDashboard(name);
    return publicly ? { ...dashboard, templating: { list: [] } } : dashboard;
  };
  return (
    <Loaded dependsOn={`${name}|${publicly}`} load={load}>
      {(dashboard) => (
        <>
          <h1 className="h3">{dashboard.title}</h1>
          <Drawn name={name} dashboard={dashboard} />
        </>
      )}
    </Loaded>
  );
}
