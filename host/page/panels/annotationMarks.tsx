import { dateTimeFormat } from '@grafana/data';
import type { DataFrame, TimeZone } from '@grafana/data';
import { Tooltip, useTheme2, type UPlotConfigBuilder } from '@grafana/ui';
import { useLayoutEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';

interface Mark {
  readonly time: number;
  readonly timeEnd: number | undefined;
  readonly text: string;
  readonly color: string;
}

interface Plot {
  readonly over: HTMLElement;
  valToPos(value: number, scale: string): number;
}

const column = (frame: DataFrame, name: string): unknown[] =>
  frame.fields.find((field) => field.name === name)?.values ?? [];

const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function marksOf(frames: readonly DataFrame[]): Mark[] {
  return frames.flatMap((frame) => {
    const [time, timeEnd, text, title, color] = ['time', 'timeEnd', 'text', 'title', 'color'].map((name) =>
      column(frame, name),
    );
    return (time ?? []).map((at, row) => ({
      time: Number(at),
      timeEnd: timeEnd?.[row] == null ? undefined : Number(timeEnd[row]),
      text: asText(text?.[row]) ?? asText(title?.[row]) ?? '',
      color: asText(color?.[row]) ?? '',
    }));
  });
}

/** Annotations over a time series: a dashed line each, its text on hover. Grafana's own marks are part of its core, not of @grafana/ui. */
export function AnnotationMarks({
  config,
  frames,
  timeZone,
}: {
  config: UPlotConfigBuilder;
  frames: readonly DataFrame[];
  timeZone: TimeZone;
}) {
  const theme = useTheme2();
  const plot = useRef<Plot | null>(null);
  const [, redraw] = useState(0);
  useLayoutEffect(() => {
    config.addHook('init', (u: Plot) => void (plot.current = u));
    config.addHook('draw', (u: Plot) => {
      plot.current = u;
      redraw((n) => n + 1);
    });
  }, [config]);
  if (plot.current === null || frames.length === 0) return null;
  const { over } = plot.current;
  return createPortal(
    marksOf(frames).map(({ time, timeEnd, text, color }, index) => {
      const left = plot.current?.valToPos(time, 'x') ?? -1;
      if (left < 0 || left > over.clientWidth) return null;
      const line = color !== '' ? theme.visualization.getColorByName(color) : theme.colors.info.main;
      const width =
        timeEnd !== undefined && timeEnd > time
          ? Math.max(0, (plot.current?.valToPos(timeEnd, 'x') ?? left) - left)
          : 0;
      return (
        <Tooltip
          key={index}
          content={
            <>
              <small>{dateTimeFormat(time, { timeZone })}</small>
              <div>{text}</div>
            </>
          }
        >
          <div
            data-testid="host-annotation"
            aria-label={text}
            style={{
              position: 'absolute',
              top: 0,
              bottom: -6,
              left,
              width: Math.max(width, 7),
              borderLeft: `1px dashed ${line}`,
              background: width > 0 ? `${line}22` : undefined,
            }}
          >
            <div
              style={{
                position: 'absolute',
                bottom: 0,
                left: -5,
                borderLeft: '5px solid transparent',
                borderRight: '5px solid transparent',
                borderBottom: `6px solid ${line}`,
              }}
            />
          </div>
        </Tooltip>
      );
    }),
    over,
  );
}
