import {
  dateTimeFormat,
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
  getLinksSupplier,
  PanelPlugin,
} from '@grafana/data';
import type { DataFrame, Field, PanelProps, TimeZone } from '@grafana/data';
import type { OptionsWithLegend, OptionsWithTooltip } from '@grafana/schema';
import { NoData } from './NoData.tsx';
import {
  SeriesTable,
  TimeSeries,
  TooltipPlugin2,
  usePanelContext,
  useTheme2,
  type SeriesTableRowProps,
} from '@grafana/ui';
import { useMemo } from 'react';
import { AnnotationMarks } from './annotationMarks.tsx';
import { customFieldConfig } from './fieldConfig.ts';

type Options = OptionsWithLegend & OptionsWithTooltip;
/** TooltipHoverMode is a const enum: `xOne`, `xAll`. */
const NEAREST_X = 0;
const WHOLE_X = 1;

const isDrawn = (frame: DataFrame) =>
  frame.fields.some(({ type }) => type === FieldType.time) &&
  frame.fields.some(({ type }) => type === FieldType.number);

const isHiddenFromTooltip = (field: Field): boolean =>
  (field.config.custom as { hideFrom?: { tooltip?: boolean } } | undefined)?.hideFrom?.tooltip === true;

/** Rows of the tooltip for the hovered window, as the panel's tooltip option sorts them. */
function rows(
  frame: DataFrame,
  at: (number | null)[],
  only: number | null,
  sort: string,
  all: DataFrame[],
): SeriesTableRowProps[] {
  const found = frame.fields.flatMap((field, index) => {
    const row = at[index];
    if (index === 0 || row == null || isHiddenFromTooltip(field) || (only !== null && index !== only)) return [];
    const value: unknown = field.values[row];
    if (typeof value !== 'number') return [];
    const display = field.display?.(value);
    const label = field.state?.displayName ?? getFieldDisplayName(field, frame, all);
    return [
      {
        number: value,
        row: {
          label,
          color: display?.color,
          value: display ? formattedValueToString(display) : String(value),
          isActive: only === index,
        },
      },
    ];
  });
  if (sort === 'desc') found.sort((a, b) => b.number - a.number);
  if (sort === 'asc') found.sort((a, b) => a.number - b.number);
  return found.map(({ row }) => row);
}

const timeText = (ms: unknown, timeZone: TimeZone) =>
  dateTimeFormat(Number(ms), { timeZone, format: 'YYYY-MM-DD HH:mm:ss' });

function TimeSeriesPanel({
  data,
  width,
  height,
  timeRange,
  timeZone,
  options,
  onChangeTimeRange,
  replaceVariables,
}: PanelProps<Options>) {
  const { sync, eventsScope } = usePanelContext();
  const theme = useTheme2();
  const frames = useMemo(() => data.series.filter(isDrawn), [data.series]);
  useMemo(() => {
    for (const frame of frames)
      for (const field of frame.fields)
        field.getLinks ??= getLinksSupplier(frame, field, {}, replaceVariables, timeZone);
  }, [frames, replaceVariables, timeZone]);
  if (frames.length === 0) return <NoData />;
  const mode = options.tooltip?.mode ?? 'multi';
  return (
    <TimeSeries
      key={theme.name}
      frames={frames}
      structureRev={data.structureRev}
      timeRange={timeRange}
      timeZone={timeZone}
      width={width}
      height={height}
      legend={options.legend}
      options={options}
    >
      {(config, aligned) => (
        <>
          <AnnotationMarks config={config} frames={data.annotations ?? []} timeZone={timeZone} />
          {(mode as string) !== 'none' && (
            <TooltipPlugin2
              config={config}
              hoverMode={mode === 'single' ? NEAREST_X : WHOLE_X}
              syncMode={sync?.()}
              syncScope={eventsScope}
              queryZoom={onChangeTimeRange}
              render={(plot, at, series) => (
                <div style={{ padding: theme.spacing(1) }} data-testid="host-tooltip">
                  <SeriesTable
                    timestamp={timeText(plot.data[0][at.find((index) => index != null) ?? 0], timeZone)}
                    series={rows(
                      aligned,
                      at,
                      mode === 'single' ? series : null,
                      options.tooltip?.sort ?? 'none',
                      frames,
                    )}
                  />
                </div>
              )}
            />
          )}
        </>
      )}
    </TimeSeries>
  );
}

export const timeseries = new PanelPlugin<Options>(TimeSeriesPanel)
  .useFieldConfig({
    useCustomConfig: customFieldConfig({
      drawStyle: 'line',
      lineInterpolation: 'linear',
      barAlignment: 0,
      barWidthFactor: 0.6,
      barMaxWidth: undefined,
      lineWidth: 1,
      fillOpacity: 0,
      gradientMode: 'none',
      fillBelowTo: undefined,
      lineStyle: undefined,
      lineColor: undefined,
      spanNulls: false,
      insertNulls: false,
      showPoints: 'auto',
      pointSize: 5,
      stacking: { mode: 'none', group: 'A' },
      transform: undefined,
      axisPlacement: 'auto',
      axisLabel: '',
      axisColorMode: 'text',
      axisBorderShow: false,
      axisWidth: undefined,
      axisSoftMin: undefined,
      axisSoftMax: undefined,
      axisGridShow: undefined,
      axisCenteredZero: false,
      scaleDistribution: { type: 'linear' },
      hideFrom: { tooltip: false, viz: false, legend: false },
      thresholdsStyle: { mode: 'off' },
    }),
  })
  .setPanelOptions((builder) =>
    builder
      .addCustomEditor({
        id: 'legend',
        path: 'legend',
        name: 'legend',
        editor: () => null,
        defaultValue: { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] },
      })
      .addCustomEditor({
        id: 'tooltip',
        path: 'tooltip',
        name: 'tooltip',
        editor: () => null,
        defaultValue: { mode: 'multi', sort: 'none' },
      }),
  );
