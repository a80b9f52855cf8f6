import { CoreApp, LoadingState } from '@grafana/data';
import type { DataQuery, DataSourceApi, PanelData } from '@grafana/data';
import { getDataSourceSrv, locationService } from '@grafana/runtime';
import {
  EmbeddedScene,
  SceneFlexItem,
  SceneFlexLayout,
  sceneGraph,
  SceneQueryRunner,
  UrlSyncContextProvider,
  VizPanel,
} from '@grafana/scenes';
import { Alert, Combobox, Field, RadioButtonGroup, Stack } from '@grafana/ui';
import { useMemo } from 'react';
import { dashboardNames, loadDashboard, panelsOf } from '../dashboard/classic.ts';
import type { ClassicDashboard, ClassicPanel } from '../dashboard/classic.ts';
import { annotationLayers, controls, timeOf, variablesOf, vizPanel } from '../dashboard/scene.ts';
import { PLUGIN_ID } from '../pluginId.ts';
import { useActive } from './useActive.ts';
import { Loaded } from './useLoaded.tsx';

const LOADING = { state: LoadingState.Loading, series: [], timeRange: undefined } as unknown as PanelData;

const blank = (type: string, query: DataQuery): ClassicPanel => ({
  id: 1,
  type,
  title: 'Result',
  datasource: { type: PLUGIN_ID, uid: '${datasource}' },
  targets: [query],
  options:
    type === 'timeseries'
      ? {
          legend: { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] },
          tooltip: { mode: 'multi', sort: 'desc' },
        }
      : {},
  fieldConfig: { defaults: type === 'timeseries' ? { custom: { lineWidth: 2, fillOpacity: 10 } } : {}, overrides: [] },
});

const WITHOUT_DASHBOARD: ClassicDashboard = {
  title: 'A single query',
  time: { from: 'now-1h', to: 'now' },
  templating: { list: [{ type: 'datasource', name: 'datasource', label: 'Data source', query: PLUGIN_ID }] },
};

function runnerOf(panel: VizPanel): SceneQueryRunner {
  const data = panel.state.$data;
  const runner = data instanceof SceneQueryRunner ? data : data?.state.$data;
  if (!(runner instanceof SceneQueryRunner)) throw new Error('This panel asks no data source.');
  return runner;
}

function editorScene(dashboard: ClassicDashboard, panel: ClassicPanel): { scene: EmbeddedScene; viz: VizPanel } {
  const viz = vizPanel(panel);
  const layers = annotationLayers(dashboard);
  const scene = new EmbeddedScene({
    $timeRange: timeOf(dashboard),
    $variables: variablesOf(dashboard),
    ...(layers && { $data: layers }),
    controls: controls({ ...dashboard, refresh: '' }),
    body: new SceneFlexLayout({ children: [new SceneFlexItem({ minHeight: 360, height: 360, body: viz })] }),
  });
  return { scene, viz };
}

/** The plugin's own editor over a query runner of scenes: editing changes the model, running asks, as in Grafana's panel editor. */
function Queries({ viz, datasource, app }: { viz: VizPanel; datasource: DataSourceApi; app: CoreApp }) {
  const runner = runnerOf(viz);
  const { queries, data = LOADING } = runner.useState();
  const { value: range } = sceneGraph.getTimeRange(viz).useState();
  const QueryEditor = datasource.components?.QueryEditor;
  if (!QueryEditor) return <Alert severity="error" title="The plugin has no query editor." />;
  return (
    <>
      {queries.map((query, index) => (
        <section key={query.refId} aria-label={`Query ${query.refId}`} style={{ marginTop: 16 }}>
          <QueryEditor
            datasource={datasource}
            query={query as DataQuery}
            queries={queries as DataQuery[]}
            app={app}
            range={range}
            data={data}
            onChange={(changed: DataQuery) =>
              runner.setState({ queries: queries.map((one, at) => (at === index ? changed : one)) })
            }
            onRunQuery={() => runner.runQueries()}
            onAddQuery={(added: DataQuery) =>
              runner.setState({ queries: [...queries, { ...added, refId: String.fromCharCode(65 + queries.length) }] })
            }
          />
          <output data-testid="host-query" hidden>
            {JSON.stringify(query)}
          </output>
        </section>
      ))}
      {data.errors?.map((error, index) => (
        <Alert
          key={index}
          severity="error"
          title={error.message ?? 'The query failed.'}
          data-testid="host-query-error"
          style={{ marginTop: 16 }}
        />
      ))}
    </>
  );
}

function Workbench({
  dashboard,
  panel,
  app,
  live,
  datasource,
}: {
  dashboard: ClassicDashboard;
  panel: ClassicPanel;
  app: CoreApp;
  live: boolean;
  datasource: DataSourceApi;
}) {
  const { scene, viz } = useMemo(() => {
    const made = editorScene(dashboard, panel);
    runnerOf(made.viz).setState({ liveStreaming: live });
    return made;
  }, [dashboard, panel, live]);
  const [Viz, Controls] = [viz.Component, scene.state.controls ?? []];
  const active = useActive(scene);
  return (
    <UrlSyncContextProvider scene={scene} createBrowserHistorySteps={false}>
      <Stack direction="row" gap={2} wrap="wrap" alignItems="flex-end">
        {Controls.map((control) => (
          <control.Component key={control.state.key} model={control} />
        ))}
      </Stack>
      <div style={{ height: 360, marginTop: 16 }}>{active && <Viz model={viz} />}</div>
      <Queries viz={viz} datasource={datasource} app={app} />
    </UrlSyncContextProvider>
  );
}

/** `/editor?dashboard=overview&panel=2`: the query of a provisioned panel. `/editor?query={…}&viz=table&app=explore`: any query; `&live=1` asks as Explore does after its Live button. */
export function EditorRoute() {
  const search = locationService.getSearch();
  const [name, id, given, viz, app, live] = ['dashboard', 'panel', 'query', 'viz', 'app', 'live'].map((key) =>
    search.get(key),
  );
  const load = async () => {
    const datasource = await getDataSourceSrv().get();
    const names = await dashboardNames();
    if (name) {
      const dashboard = await loadDashboard(name);
      const panels = panelsOf(dashboard).filter(({ datasource: ref }) => ref?.type === PLUGIN_ID);
      const panel = panels.find((one) => String(one.id) === id) ?? panels[0];
      if (!panel) throw new Error(`Dashboard "${name}" has no panel of this data source.`);
      return { names, datasource, dashboard, panel, panels };
    }
    const query = {
      refId: 'A',
      ...datasource.getDefaultQuery?.(CoreApp.PanelEditor),
      ...(given ? (JSON.parse(given) as object) : {}),
      datasource: { type: PLUGIN_ID, uid: '${datasource}' },
    };
    return { names, datasource, dashboard: WITHOUT_DASHBOARD, panel: blank(viz ?? 'timeseries', query), panels: [] };
  };
  const coreApp =
    app === 'explore' ? CoreApp.Explore : app === 'alerting' ? CoreApp.UnifiedAlerting : CoreApp.PanelEditor;
  return (
    <Loaded dependsOn={[name, id, given, viz, app].join('|')} load={load}>
      {({ names, datasource, dashboard, panel, panels }) => (
        <>
          <h1 className="h3">Query editor</h1>
          <Stack direction="row" gap={2} wrap="wrap">
            <Field label="Of dashboard" noMargin>
              <Combobox
                aria-label="Of dashboard"
                width={32}
                isClearable
                value={name ?? null}
                placeholder="none: a query of its own"
                options={names.map((value) => ({ value }))}
                onChange={(choice) => locationService.push(choice ? `/editor?dashboard=${choice.value}` : '/editor')}
              />
            </Field>
            {panels.length > 0 ? (
              <Field label="Panel" noMargin>
                <Combobox
                  aria-label="Panel"
                  width={40}
                  value={panel.id ?? null}
                  options={panels.map((one) => ({ value: one.id, label: one.title ?? '' }))}
                  onChange={({ value }) => locationService.push(`/editor?dashboard=${name}&panel=${value}`)}
                />
              </Field>
            ) : (
              <Field label="Drawn as" noMargin>
                <RadioButtonGroup
                  options={['timeseries', 'table', 'stat', 'bargauge'].map((value) => ({ value, label: value }))}
                  value={panel.type}
                  onChange={(value) => locationService.partial({ viz: value })}
                />
              </Field>
            )}
          </Stack>
          <div style={{ height: 12 }} />
          <Workbench
            key={`${name}|${panel.id}|${panel.type}`}
            dashboard={dashboard}
            panel={panel}
            app={coreApp}
            live={live === '1'}
            datasource={datasource}
          />
        </>
      )}
    </Loaded>
  );
}
