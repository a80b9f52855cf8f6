import { locationUtil } from '@grafana/data';
import { config, locationService, LocationServiceProvider } from '@grafana/runtime';
import { ErrorBoundaryAlert, PortalContainer, Tab, TabsBar, useTheme2 } from '@grafana/ui';
import { useEffect, useState } from 'react';
import type { ReactElement } from 'react';
import { Router } from 'react-router-dom';
import { CompatRouter } from 'react-router-dom-v5-compat';
import { version as reactVersion } from 'react';
import { AnnotationRoute } from './routes/AnnotationRoute.tsx';
import { ConfigRoute } from './routes/ConfigRoute.tsx';
import { DashboardRoute } from './routes/DashboardRoute.tsx';
import { EditorRoute } from './routes/EditorRoute.tsx';
import { ListRoute } from './routes/ListRoute.tsx';
import { VariableRoute } from './routes/VariableRoute.tsx';

const TABS = [
  { href: '/', label: 'Dashboards', owns: (path: string) => path === '/' || path.startsWith('/d/') },
  { href: '/editor', label: 'Query editor', owns: (path: string) => path === '/editor' },
  { href: '/variable', label: 'Variable', owns: (path: string) => path === '/variable' },
  { href: '/annotation', label: 'Annotation', owns: (path: string) => path === '/annotation' },
  { href: '/config', label: 'Data source', owns: (path: string) => path === '/config' },
];

function routeOf(path: string): ReactElement {
  const dashboard = /^\/d\/([\w-]+)/.exec(path)?.[1];
  // Data links of the plugin use Grafana's addresses, by uid.
  if (dashboard !== undefined) return <DashboardRoute name={dashboard.replace(/^userpulse-/, '')} />;
  const shared = /^\/public-dashboards\/([\w-]+)/.exec(path)?.[1];
  if (shared !== undefined) return <DashboardRoute name={shared} publicly />;
  if (path === '/editor') return <EditorRoute />;
  if (path === '/variable') return <VariableRoute />;
  if (path === '/annotation') return <AnnotationRoute />;
  if (path === '/config') return <ConfigRoute />;
  return <ListRoute />;
}

/** What the page reads of a `history` location; that package brings no types of its own. */
interface Location {
  readonly pathname: string;
  readonly search: string;
}
interface History {
  listen(listener: (next: Location) => void): () => void;
}

const history = locationService.getHistory() as History;

function useLocation(): Location {
  const [current, setCurrent] = useState(locationService.getLocation() as Location);
  useEffect(() => history.listen(setCurrent), []);
  return current;
}

/** Links of the same origin change the page without loading it anew, as in Grafana. */
function useLinks(): void {
  useEffect(() => {
    const follow = (event: MouseEvent) => {
      const link = (event.target as Element).closest('a');
      if (
        !link ||
        event.defaultPrevented ||
        event.button !== 0 ||
        event.ctrlKey ||
        event.metaKey ||
        link.target === '_blank'
      )
        return;
      const href = link.getAttribute('href');
      if (!href?.startsWith('/') || href.startsWith('/public/') || href.startsWith('//')) return;
      event.preventDefault();
      locationService.push(locationUtil.stripBaseFromUrl(href));
    };
    document.addEventListener('click', follow);
    return () => document.removeEventListener('click', follow);
  }, []);
}

export function App() {
  const current = useLocation();
  const theme = useTheme2();
  useLinks();
  return (
    <LocationServiceProvider service={locationService}>
      <Router history={history}>
        <CompatRouter>
          <PortalContainer />
          <header
            style={{
              padding: theme.spacing(1, 2, 0),
              background: theme.colors.background.primary,
              borderBottom: `1px solid ${theme.colors.border.weak}`,
            }}
          >
            <p
              role="note"
              style={{ margin: 0, color: theme.colors.text.secondary, fontSize: theme.typography.bodySmall.fontSize }}
            >
              <strong style={{ color: theme.colors.text.primary }}>Userpulse plugin host</strong> — stands in for
              Grafana only to try and to test: no log-in, alerting, expressions, Explore or saving; panels are drawn by
              @grafana/ui and scenes {config.buildInfo.version} on React {reactVersion}.
            </p>
            <TabsBar>
              {TABS.map(({ href, label, owns }) => (
                <Tab key={href} label={label} href={href} active={owns(current.pathname)} />
              ))}
            </TabsBar>
          </header>
          <main style={{ padding: theme.spacing(2) }}>
            <ErrorBoundaryAlert key={current.pathname}>{routeOf(current.pathname)}</ErrorBoundaryAlert>
          </main>
        </CompatRouter>
      </Router>
    </LocationServiceProvider>
  );
}
