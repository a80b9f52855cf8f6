import type { CustomVariableSupport, DataQuery, DataSourceApi } from '@grafana/data';
import { getDataSourceSrv, locationService } from '@grafana/runtime';
import {
  EmbeddedScene,
  QueryVariable,
  SceneTimeRange,
  SceneVariableSet,
  UrlSyncContextProvider,
} from '@grafana/scenes';
import { Alert, Stack } from '@grafana/ui';
import { useMemo, useState } from 'react';
import { controls } from '../dashboard/scene.ts';
import { PLUGIN_ID } from '../pluginId.ts';
import { Loaded } from './useLoaded.tsx';
import { useActive } from './useActive.ts';

type Support = CustomVariableSupport<DataSourceApi>;

/** A variable of this query alone, with what a dashboard's top row gives it: time range, refresh, its own chooser. */
function Preview({ query }: { query: DataQuery }) {
  const { scene, variable } = useMemo(() => {
    const variable = new QueryVariable({
      name: 'value',
      label: 'Value',
      query: query,
      datasource: { type: PLUGIN_ID, uid: '' },
      isMulti: true,
    });
    const scene = new EmbeddedScene({
      $timeRange: new SceneTimeRange({ from: 'now-1h', to: 'now' }),
      $variables: new SceneVariableSet({ variables: [variable] }),
      controls: controls({ title: '' }),
      body: undefined as never,
    });
    return { scene, variable };
  }, [query]);
  useActive(scene);
  const { options, error, loading } = variable.useState();
  return (
    <UrlSyncContextProvider scene={scene}>
      <Stack direction="row" gap={2} wrap="wrap" alignItems="flex-end">
        {scene.state.controls?.map((control) => (
          <control.Component key={control.state.key} model={control} />
        ))}
      </Stack>
      {error != null && (
        <Alert severity="error" title={error instanceof Error ? error.message : JSON.stringify(error)} />
      )}
      <p style={{ marginTop: 16 }}>{loading ? 'Loading …' : `${options.length} values`}</p>
      <ol data-testid="host-variable-values">
        {options.map(({ label, value }) => (
          <li key={JSON.stringify(value)}>{label}</li>
        ))}
      </ol>
    </UrlSyncContextProvider>
  );
}

function Editor({ datasource, given }: { datasource: DataSourceApi; given: DataQuery }) {
  const [query, change] = useState(given);
  const support = datasource.variables as unknown as Support | undefined;
  const VariableEditor = support?.editor;
  if (!VariableEditor) return <Alert severity="error" title="The plugin has no variable editor." />;
  return (
    <>
      <VariableEditor datasource={datasource} query={query} onChange={change} onRunQuery={() => undefined} />
      <div style={{ height: 24 }} />
      <Preview key={JSON.stringify(query)} query={query} />
    </>
  );
}

/** `/variable?query={…}`: the plugin's editor of a dashboard variable, and the values the variable has. */
export function VariableRoute() {
  const given = locationService.getSearch().get('query') ?? '{}';
  return (
    <Loaded dependsOn={given} load={() => getDataSourceSrv().get()}>
      {(datasource) => (
        <>
          <h1 className="h3">Variable</h1>
          <Editor datasource={datasource} given={{ refId: 'variable', ...(JSON.parse(given) as object) }} />
        </>
      )}
    </Loaded>
  );
}
