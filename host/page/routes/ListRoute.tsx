import { Card, Icon } from '@grafana/ui';
import { dashboardNames, loadDashboard, panelsOf } from '../dashboard/classic.ts';
import { Loaded } from './useLoaded.tsx';

export function ListRoute() {
  const load = async () => {
    const names = await dashboardNames();
    return Promise.all(names.map(async (name) => ({ name, dashboard: await loadDashboard(name) })));
  };
  return (
    <Loaded dependsOn="" load={load}>
      {(all) => (
        <>
          <h1 className="h3">Dashboards</h1>
          {all.map(({ name, dashboard }) => (
            <Card key={name} href={`/d/${name}`} noMargin style={{ marginBottom: 8 }}>
              <Card.Heading>{dashboard.title}</Card.Heading>
              <Card.Figure>
                <Icon name="apps" size="xl" />
              </Card.Figure>
              <Card.Description>{dashboard.description}</Card.Description>
              <Card.Meta>{[`${panelsOf(dashboard).length} panels`]}</Card.Meta>
            </Card>
          ))}
        </>
      )}
    </Loaded>
  );
}
