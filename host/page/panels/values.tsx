import {
  FieldColorModeId,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  PanelPlugin,
  VizOrientation,
} from '@grafana/data';
import type { DisplayValueAlignmentFactors, FieldDisplay, PanelProps, ReduceDataOptions } from '@grafana/data';
import { NoData } from './NoData.tsx';
import {
  BarGaugeDisplayMode,
  type BarGaugeNamePlacement,
  type BarGaugeSizing,
  type BarGaugeValueMode,
  type BigValueColorMode,
  type BigValueGraphMode,
  type BigValueJustifyMode,
  type BigValueTextMode,
} from '@grafana/schema';
import { BarGauge, BigValue, DataLinksContextMenu, useTheme2, VizRepeater } from '@grafana/ui';
import type { ReactElement } from 'react';
import { panelOptions } from './fieldConfig.ts';

interface ValueOptions {
  readonly reduceOptions: ReduceDataOptions;
  readonly orientation: VizOrientation;
}

interface StatOptions extends ValueOptions {
  readonly colorMode: BigValueColorMode;
  readonly graphMode: BigValueGraphMode;
  readonly justifyMode: BigValueJustifyMode;
  readonly textMode: BigValueTextMode;
}

interface BarGaugeOptions extends ValueOptions {
  readonly displayMode: BarGaugeDisplayMode;
  readonly valueMode: BarGaugeValueMode;
  readonly namePlacement: BarGaugeNamePlacement;
  readonly showUnfilled: boolean;
  readonly sizing: BarGaugeSizing;
  readonly minVizHeight: number;
  readonly maxVizHeight: number;
}

function useValues(
  {
    data,
    options,
    fieldConfig,
    replaceVariables,
    timeZone,
  }: Pick<PanelProps<ValueOptions>, 'data' | 'options' | 'fieldConfig' | 'replaceVariables' | 'timeZone'>,
  sparkline: boolean,
): () => FieldDisplay[] {
  const theme = useTheme2();
  return () =>
    getFieldDisplayValues({
      fieldConfig,
      reduceOptions: options.reduceOptions,
      replaceVariables,
      theme,
      data: data.series,
      sparkline,
      timeZone,
      percentChange: false,
    });
}

/** A value with data links opens their menu. */
function withLinks(
  value: FieldDisplay,
  draw: (onClick?: React.MouseEventHandler<HTMLElement>) => ReactElement,
): ReactElement {
  if (!value.hasLinks || !value.getLinks) return draw();
  return <DataLinksContextMenu links={value.getLinks}>{({ openMenu }) => draw(openMenu)}</DataLinksContextMenu>;
}

function StatPanel(props: PanelProps<StatOptions>) {
  const { width, height, options, data, renderCounter } = props;
  const theme = useTheme2();
  const values = useValues(props, options.graphMode !== 'none');
  if (data.series.length === 0) return <NoData />;
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      getValues={values}
      getAlignmentFactors={(all) => getDisplayValueAlignmentFactors(all)}
      renderValue={({ value, width, height, alignmentFactors, count }) =>
        withLinks(value, (onClick) => (
          <BigValue
            value={value.display}
            count={count}
            sparkline={value.sparkline}
            colorMode={options.colorMode}
            graphMode={options.graphMode}
            justifyMode={options.justifyMode}
            textMode={options.textMode}
            alignmentFactors={alignmentFactors}
            width={width}
            height={height}
            theme={theme}
            {...(onClick && { onClick })}
          />
        ))
      }
      width={width}
      height={height}
      source={data}
      itemSpacing={3}
      renderCounter={renderCounter}
      autoGrid
      orientation={options.orientation}
    />
  );
}

function BarGaugePanel(props: PanelProps<BarGaugeOptions>) {
  const { width, height, options, data, renderCounter } = props;
  const theme = useTheme2();
  const values = useValues(props, false);
  if (data.series.length === 0 || values().length === 0) return <NoData />;
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      getValues={values}
      getAlignmentFactors={(all) => getDisplayValueAlignmentFactors(all)}
      renderValue={({ value, width, height, orientation, alignmentFactors, count }) =>
        withLinks(value, (onClick) => (
          <BarGauge
            value={value.display}
            display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)}
            field={value.field}
            width={width}
            height={height}
            orientation={orientation}
            theme={theme}
            itemSpacing={8}
            lcdCellWidth={count > 1 ? 12 : 12}
            displayMode={options.displayMode}
            alignmentFactors={alignmentFactors}
            showUnfilled={options.showUnfilled}
            valueDisplayMode={options.valueMode}
            namePlacement={options.namePlacement}
            {...(onClick && { onClick })}
          />
        ))
      }
      width={width}
      height={height}
      source={data}
      itemSpacing={8}
      renderCounter={renderCounter}
      orientation={options.orientation}
      minVizHeight={options.minVizHeight}
      maxVizHeight={options.maxVizHeight}
    />
  );
}

const reduceOptions = { values: false, calcs: ['lastNotNull'], fields: '' };

export const stat = new PanelPlugin<StatOptions>(StatPanel)
  .useFieldConfig({ standardOptions: { color: { defaultValue: { mode: FieldColorModeId.Thresholds } } } })
  .setPanelOptions(
    panelOptions({
      reduceOptions,
      orientation: VizOrientation.Auto,
      textMode: 'auto',
      colorMode: 'value',
      graphMode: 'area',
      justifyMode: 'auto',
    }) as never,
  );

export const bargauge = new PanelPlugin<BarGaugeOptions>(BarGaugePanel).useFieldConfig().setPanelOptions(
  panelOptions({
    reduceOptions,
    orientation: VizOrientation.Auto,
    displayMode: BarGaugeDisplayMode.Gradient,
    valueMode: 'color',
    namePlacement: 'auto',
    showUnfilled: true,
    sizing: 'auto',
    minVizHeight: 16,
    maxVizHeight: 300,
  }) as never,
);
