import type { AnnotationQuery, DataQuery, DataSourceApi } from '@grafana/data';
import { getDataSourceSrv, locationService } from '@grafana/runtime';
import { UrlSyncContextProvider } from '@grafana/scenes';
import { Alert } from '@grafana/ui';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { ClassicDashboard } from '../dashboard/classic.ts';
import { dashboardScene } from '../dashboard/scene.ts';
import { PLUGIN_ID } from '../pluginId.ts';
import { Loaded } from './useLoaded.tsx';

/** Changes of one annotation that are still somebody's typing. */
const MOST_PREPARED = 200;

const REF = { type: PLUGIN_ID, uid: 'default' };

/** A dashboard of one panel, over which the annotation is drawn. */
const withPanel = (annotation: AnnotationQuery, query: DataQuery): ClassicDashboard => ({
  title: 'Annotation',
  time: { from: 'now-1h', to: 'now' },
  annotations: { list: [annotation] },
  panels: [
    {
      id: 1,
      type: 'timeseries',
      title: 'Annotated',
      gridPos: { x: 0, y: 0, w: 24, h: 11 },
      datasource: REF,
      targets: [{ ...query, datasource: REF }],
    },
  ],
});

function Drawn({ annotation, query }: { annotation: AnnotationQuery; query: DataQuery }) {
  const scene = useMemo(() => dashboardScene(withPanel(annotation, query), () => '/editor'), [annotation, query]);
  return (
    <UrlSyncContextProvider scene={scene}>
      <scene.Component model={scene} />
    </UrlSyncContextProvider>
  );
}

function Editor({ datasource, given, query }: { datasource: DataSourceApi; given: AnnotationQuery; query: DataQuery }) {
  const support = datasource.annotations;
  const [annotation, change] = useState(support?.prepareAnnotation?.(given) ?? given);
  const prepared = useRef(0);
  // As in Grafana: what the plugin prepares is taken for a change wherever it is another object, and so is prepared again. Grafana's page crashes then.
  useEffect(() => {
    if (prepared.current++ > MOST_PREPARED) throw new Error('The plugin prepares its annotation again and again.');
    const next = support?.prepareAnnotation?.(annotation) ?? annotation;
    if (next !== annotation) change(next);
  }, [support, annotation]);
  const QueryEditor = support?.QueryEditor;
  if (!QueryEditor) return <Alert severity="error" title="The plugin has no annotation editor." />;
  const target = support.prepareQuery?.(annotation) ?? annotation.target;
  return (
    <>
      <QueryEditor
        datasource={datasource}
        query={target as DataQuery}
        annotation={annotation}
        onAnnotationChange={change}
        onChange={(changed: DataQuery) => change({ ...annotation, target: changed })}
        onRunQuery={() => undefined}
      />
      <div style={{ height: 24 }} />
      <Drawn key={JSON.stringify(annotation)} annotation={annotation} query={query} />
    </>
  );
}

/** `/annotation?target={…}&query={…}`: the plugin's editor of an annotation, and the annotation over a panel of the query. */
export function AnnotationRoute() {
  const search = locationService.getSearch();
  const [target, query] = ['target', 'query'].map((name) => search.get(name) ?? '{}') as [string, string];
  const given = {
    name: 'Annotation',
    enable: true,
    iconColor: 'red',
    datasource: REF,
    target: { refId: 'Anno', ...(JSON.parse(target) as object) },
  };
  const load = async () => {
    const datasource = await getDataSourceSrv().get();
    return {
      datasource,
      query: { refId: 'A', ...datasource.getDefaultQuery?.('dashboard' as never), ...(JSON.parse(query) as object) },
    };
  };
  return (
    <Loaded dependsOn={`${target}|${query}`} load={load}>
      {(loaded) => (
        <>
          <h1 className="h3">Annotation</h1>
          <Editor {...loaded} given={given} />
        </>
      )}
    </Loaded>
  );
}
