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

export function DashboardRoute({ name }: { name: string }) {
  return (
    <Loaded dependsOn={name} load={() => loadDashboard(name)}>
      {(dashboard) => (
        <>
          <h1 className="h3">{dashboard.title}</h1>
          <Drawn name={name} dashboard={dashboard} />
        </>
      )}
    </Loaded>
  );
}
