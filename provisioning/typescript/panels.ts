import { PanelBuilder as BarGaugePanel } from '@grafana/grafana-foundation-sdk/bargauge';
import {
  BarGaugeDisplayMode,
  BigValueColorMode,
  BigValueGraphMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTextDisplayOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  FieldColorBuilder,
  FieldColorModeId,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TablePanel } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeriesPanel } from '@grafana/grafana-foundation-sdk/timeseries';
import { DATASOURCE, PLUGIN_ID } from './query.ts';

/** Counts are shown whole, with separators. */
const COUNT = 'locale';
/** Grafana's own unit for it, "cps", reads "c/s". */
export const PER_SECOND = 'suffix:/s';
/** Every dashboard of ours carries this tag, by which they link to each other. */
const TAG = 'userpulse';

/** A dashboard without variables, as a public one must be. */
export function plainDashboard(uid: string, title: string, description: string): DashboardBuilder {
  return (
    new DashboardBuilder(title)
      .uid(uid)
      .description(description)
      .tags([TAG])
      .timezone('browser')
      .editable()
      .tooltip(DashboardCursorSync.Crosshair)
      .time({ from: 'now-1h', to: 'now' })
      // Charts over time are live by themselves; this is for totals and rankings, which take longer on long ranges.
      .refresh('30s')
  );
}

/** Stands beside the variables. The SDK's own are hidden in the menu of further controls, and it has no word for anything else. */
class LinkInView extends DashboardLinkBuilder {
  constructor(title: string) {
    super(title);
    delete this.internal.placement;
  }
}

/** A dashboard with what most of ours share: the data source variable, links to its siblings, a crosshair over all panels. */
export function dashboard(uid: string, title: string, description: string): DashboardBuilder {
  return plainDashboard(uid, title, description)
    .link(
      new LinkInView('Userpulse')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .includeVars(true)
        .keepTime(true),
    )
    .withVariable(
      new DatasourceVariableBuilder('datasource')
        .label('Data source')
        .type(PLUGIN_ID)
        // Without it the first by name is chosen, though another is the default.
        .current({ text: 'default', value: 'default', selected: true }),
    );
}

const legend = (...calcs: string[]) =>
  new VizLegendOptionsBuilder()
    .showLegend(true)
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom)
    .calcs(calcs);
const sharedTooltip = () => new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending);
/** By position: Grafana's palette by name gives several of our types nearly the same green. */
const palette = () => new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic);

/** Counts per window as stacked bars: the height of a bar is what happened in that window. */
export function bars(title: string, description: string): TimeSeriesPanel {
  return lines(title, description)
    .drawStyle(GraphDrawStyle.Bars)
    .fillOpacity(80)
    .lineWidth(0)
    .legend(legend('sum'))
    .barWidthFactor(0.9)
    .stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
}

/** Lines, for rates, sums and comparisons. */
export function lines(title: string, description: string): TimeSeriesPanel {
  return new TimeSeriesPanel()
    .title(title)
    .description(description)
    .datasource(DATASOURCE)
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(2)
    .fillOpacity(10)
    .showPoints(VisibilityMode.Never)
    .axisSoftMin(0)
    .unit(COUNT)
    .decimals(0)
    .colorScheme(palette())
    .legend(legend())
    .tooltip(sharedTooltip());
}

/** One number per series. The backend has already summed the range: the panel shows the last value and computes nothing. */
export function numbers(title: string, description: string): StatPanel {
  return new StatPanel()
    .title(title)
    .description(description)
    .datasource(DATASOURCE)
    .unit(COUNT)
    .colorScheme(palette())
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.None)
    .reduceOptions(new ReduceDataOptionsBuilder().values(false).calcs(['lastNotNull']).fields(''));
}

/** The rows of a `who` or `top` query, whose ids lead to their dashboards. */
export function table(title: string, description: string): TablePanel {
  return new TablePanel().title(title).description(description).datasource(DATASOURCE);
}

/** The rows of a `top` query as bars, the greatest first. */
export function ranking(title: string, description: string): BarGaugePanel {
  return (
    new BarGaugePanel()
      .title(title)
      .description(description)
      .datasource(DATASOURCE)
      .unit(COUNT)
      .min(0)
      .orientation(VizOrientation.Horizontal)
      .displayMode(BarGaugeDisplayMode.Basic)
      // One colour: the first of a ranking is no alarm.
      .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Fixed).fixedColor('semi-dark-blue'))
      .text(new VizTextDisplayOptionsBuilder().titleSize(12).valueSize(14))
      .reduceOptions(new ReduceDataOptionsBuilder().values(true).limit(25).calcs([]).fields('/^count$/'))
  );
}
