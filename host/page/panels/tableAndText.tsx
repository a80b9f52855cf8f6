import { getFrameDisplayName, PanelPlugin, renderTextPanelMarkdown } from '@grafana/data';
import type { PanelProps } from '@grafana/data';
import { NoData } from './NoData.tsx';
import { Select, useTheme2 } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { useState } from 'react';
import { customFieldConfig, panelOptions } from './fieldConfig.ts';

interface TableOptions {
  readonly showHeader: boolean;
  readonly sortBy?: { displayName: string; desc?: boolean }[];
  readonly cellHeight?: never;
}

function TablePanel({ data, width, height, options, timeRange, fieldConfig: source }: PanelProps<TableOptions>) {
  const [shown, show] = useState(0);
  const frame = data.series[shown] ?? data.series[0];
  if (!frame || frame.fields.length === 0) return <NoData />;
  const picker = data.series.length > 1;
  return (
    <>
      <TableNG
        data={frame}
        width={width}
        height={picker ? height - 40 : height}
        noHeader={!options.showHeader}
        structureRev={data.structureRev}
        {...(options.sortBy && { sortBy: options.sortBy })}
        timeRange={timeRange}
        resizable
        fieldConfig={source}
      />
      {picker && (
        <Select
          aria-label="Frame"
          value={shown}
          onChange={({ value }) => show(value ?? 0)}
          options={data.series.map((one, value) => ({ label: getFrameDisplayName(one), value }))}
        />
      )}
    </>
  );
}

export const table = new PanelPlugin<TableOptions>(TablePanel)
  .useFieldConfig({
    useCustomConfig: customFieldConfig({
      align: 'auto',
      cellOptions: { type: 'auto' },
      inspect: false,
      width: undefined,
      minWidth: undefined,
      filterable: undefined,
      hidden: false,
      hideFrom: undefined,
    }),
  })
  .setPanelOptions(panelOptions({ showHeader: true }) as never);

interface TextOptions {
  readonly mode: 'markdown' | 'html' | 'code';
  readonly content: string;
}

function TextPanel({ options, replaceVariables }: PanelProps<TextOptions>) {
  const theme = useTheme2();
  const text = replaceVariables(options.content, {}, 'html');
  if (options.mode === 'code') return <pre>{text}</pre>;
  return (
    <div
      className="markdown-html"
      style={{ padding: theme.spacing(0.5) }}
      dangerouslySetInnerHTML={{ __html: renderTextPanelMarkdown(text) }}
    />
  );
}

export const text = new PanelPlugin<TextOptions>(TextPanel)
  .setPanelOptions(panelOptions({ mode: 'markdown', content: '' }) as never)
  .setNoPadding();
text.meta = { ...text.meta, skipDataQuery: true };
