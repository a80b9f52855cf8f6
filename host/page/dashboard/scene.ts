import type { AnnotationQuery } from '@grafana/data';
import { config } from '@grafana/runtime';
import {
  AdHocFiltersVariable,
  behaviors,
  ConstantVariable,
  CustomVariable,
  dataLayers,
  DataSourceVariable,
  EmbeddedScene,
  IntervalVariable,
  QueryVariable,
  SceneControlsSpacer,
  SceneDataLayerControls,
  SceneDataLayerSet,
  SceneDataTransformer,
  SceneGridItem,
  SceneGridLayout,
  SceneGridRow,
  SceneQueryRunner,
  SceneReactObject,
  SceneRefreshPicker,
  SceneTimePicker,
  SceneTimeRange,
  SceneVariableSet,
  TextBoxVariable,
  VariableValueSelectors,
  VizPanel,
  VizPanelMenu,
} from '@grafana/scenes';
import type { SceneGridItemLike, SceneVariable } from '@grafana/scenes';
import { ForeignPanel } from '../panels/ForeignPanel.tsx';
import { PLUGIN_ID } from '../pluginId.ts';
import { panelsOf } from './classic.ts';
import type { ClassicDashboard, ClassicPanel, ClassicVariable } from './classic.ts';

const asText = (query: ClassicVariable['query']) => (typeof query === 'string' ? query : '');

/** @throws for a kind of variable that our dashboards do not use */
function variable(model: ClassicVariable): SceneVariable {
  const { name, label = name, description = null, hide = 0, skipUrlSync = false } = model;
  const common = { name, label, description, hide, skipUrlSync };
  const value = model.current?.value ?? (model.multi ? [] : '');
  const many = {
    value,
    text: model.current?.text ?? value,
    isMulti: model.multi ?? false,
    includeAll: model.includeAll ?? false,
    allowCustomValue: model.allowCustomValue ?? true,
    ...(model.allValue !== undefined && { allValue: model.allValue }),
  };
  switch (model.type) {
    case 'query':
      return new QueryVariable({
        ...common,
        ...many,
        query: model.query as never,
        datasource: model.datasource ?? null,
        regex: model.regex ?? '',
        sort: model.sort ?? 0,
        refresh: model.refresh ?? 1,
      });
    case 'custom':
      return new CustomVariable({ ...common, ...many, query: asText(model.query) });
    case 'datasource':
      return new DataSourceVariable({
        ...common,
        ...many,
        pluginId: asText(model.query),
        regex: model.regex ?? '',
        // As in Grafana: the option is there only where the saved dashboard has it chosen.
        defaultOptionEnabled: model.current?.value === 'default' && model.current.text === 'default',
      });
    case 'textbox':
      return new TextBoxVariable({ ...common, value: String(model.current?.value ?? asText(model.query)) });
    case 'constant':
      return new ConstantVariable({ ...common, value: asText(model.query), hide: 2 });
    case 'interval':
      return new IntervalVariable({
        ...common,
        // Saved dashboards write "auto" as $__auto_interval_NAME; Grafana turns it into the scenes' own word as well.
        value: String(model.current?.value ?? '').replace(/^\$__auto_interval_.*$/, '$__auto'),
        intervals: asText(model.query)
          .split(',')
          .map((one) => one.trim()),
        autoEnabled: model.auto ?? false,
        autoStepCount: model.auto_count ?? 30,
        autoMinInterval: model.auto_min ?? '10s',
        refresh: 1,
      });
    case 'adhoc':
      return new AdHocFiltersVariable({
        ...common,
        datasource: model.datasource ?? null,
        filters: [],
        applyMode: 'auto',
        layout: 'combobox',
      });
    default:
      throw new Error(`The plugin host knows no variables of kind "${model.type}" (variable ${name}).`);
  }
}

export const variablesOf = (dashboard: ClassicDashboard): SceneVariableSet =>
  new SceneVariableSet({ variables: (dashboard.templating?.list ?? []).filter(isAvailable).map(variable) });

/** Only our own data source is here; a chooser for another kind would be empty. */
const isAvailable = ({ type, query }: ClassicVariable) => type !== 'datasource' || query === PLUGIN_ID;

export function timeOf(dashboard: ClassicDashboard): SceneTimeRange {
  const { from = 'now-1h', to = 'now' } = dashboard.time ?? {};
  return new SceneTimeRange({
    from,
    to,
    timeZone: dashboard.timezone === 'utc' ? 'utc' : config.bootData.user.timezone,
  });
}

export const controls = (dashboard: ClassicDashboard) => [
  new VariableValueSelectors({}),
  new SceneDataLayerControls(),
  new SceneControlsSpacer(),
  new SceneTimePicker({ isOnCanvas: true }),
  new SceneRefreshPicker({
    refresh: typeof dashboard.refresh === 'string' ? dashboard.refresh : '',
    isOnCanvas: true,
    intervals: ['1s', '5s', '10s', '30s', '1m', '5m'],
  }),
];

const foreign = (panel: ClassicPanel): string | undefined => {
  const types = [panel.datasource, ...(panel.targets ?? []).map(({ datasource }) => datasource)].map(
    (ref) => ref?.type,
  );
  return types.find((type) => type != null && type !== PLUGIN_ID);
};

export function queryRunner(panel: ClassicPanel): SceneDataTransformer | SceneQueryRunner {
  const runner = new SceneQueryRunner({
    queries: [...(panel.targets ?? [])],
    ...(panel.datasource && { datasource: panel.datasource }),
    ...(panel.maxDataPoints !== undefined && { maxDataPoints: panel.maxDataPoints }),
    ...(panel.interval !== undefined && { minInterval: panel.interval }),
    dataLayerFilter: { panelId: panel.id ?? 0 },
  });
  return panel.transformations?.length
    ? new SceneDataTransformer({ $data: runner, transformations: [...panel.transformations] })
    : runner;
}

export function vizPanel(panel: ClassicPanel, menu?: VizPanelMenu): VizPanel {
  const shown = {
    title: panel.title ?? '',
    key: `panel-${panel.id ?? 0}`,
    ...(panel.description !== undefined && { description: panel.description }),
  };
  return new VizPanel({
    ...shown,
    pluginId: panel.type,
    displayMode: panel.transparent ? 'transparent' : 'default',
    options: panel.options ?? {},
    fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
    ...(panel.type !== 'text' && { $data: queryRunner(panel) }),
    ...(menu && { menu }),
  });
}

/** Annotation queries of our data source; the built-in one asks Grafana's own database. */
export function annotationLayers(dashboard: ClassicDashboard): SceneDataLayerSet | undefined {
  const layers = (dashboard.annotations?.list ?? [])
    .filter((query) => query.datasource?.type === PLUGIN_ID)
    .map(
      (query: AnnotationQuery) =>
        new dataLayers.AnnotationsDataLayer({
          name: query.name,
          isEnabled: query.enable,
          isHidden: query.hide ?? false,
          query,
        }),
    );
  return layers.length > 0 ? new SceneDataLayerSet({ layers }) : undefined;
}

function gridItem(panel: ClassicPanel & { readonly id: number }, editorHref: (id: number) => string): SceneGridItem {
  const { x = 0, y = 0, w = 12, h = 8 } = panel.gridPos ?? {};
  const other = foreign(panel);
  const menu = new VizPanelMenu({ items: [{ text: 'Edit query', iconClassName: 'edit', href: editorHref(panel.id) }] });
  return new SceneGridItem({
    x,
    y,
    width: w,
    height: h,
    isDraggable: false,
    isResizable: false,
    body:
      other === undefined
        ? vizPanel(panel, menu)
        : new SceneReactObject({ component: ForeignPanel, props: { title: panel.title ?? '', source: other } }),
  });
}

function layout(dashboard: ClassicDashboard, editorHref: (id: number) => string): SceneGridLayout {
  const ids = new Map(panelsOf(dashboard).map((panel, index) => [index, panel.id]));
  let seen = 0;
  const numbered = (panel: ClassicPanel) => ({ ...panel, id: panel.id ?? ids.get(seen++) ?? ++seen });
  const children = (dashboard.panels ?? []).map((panel): SceneGridItemLike => {
    if (panel.type !== 'row') return gridItem(numbered(panel), editorHref);
    return new SceneGridRow({
      title: panel.title ?? '',
      y: panel.gridPos?.y ?? 0,
      isCollapsed: panel.collapsed ?? false,
      children: (panel.panels ?? []).map((inner) => gridItem(numbered(inner), editorHref)),
    });
  });
  return new SceneGridLayout({ isDraggable: false, isResizable: false, children });
}

/** A scene of Grafana's own making from a provisioned dashboard's JSON. */
export function dashboardScene(dashboard: ClassicDashboard, editorHref: (panelId: number) => string): EmbeddedScene {
  const layers = annotationLayers(dashboard);
  return new EmbeddedScene({
    $timeRange: timeOf(dashboard),
    $variables: variablesOf(dashboard),
    ...(layers && { $data: layers }),
    $behaviors: [new behaviors.CursorSync({ sync: dashboard.graphTooltip ?? 0 })],
    controls: controls(dashboard),
    body: layout(dashboard, editorHref),
  });
}
