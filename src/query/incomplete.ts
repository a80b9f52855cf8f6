import { createDataFrame, DataTopic, FieldType, isDataFrame } from '@grafana/data';
import type { DataFrame, DataQueryResponse } from '@grafana/data';
import { isSeriesPreset } from '../../contract/presets.ts';
import { incompleteOf } from '../../contract/query.ts';
import type { UserpulseQuery } from '../types.ts';
import { coveredOf, timesOf, windowEnd, windowMs } from './windows.ts';

/** Grey in both themes, and so faint that the series stays what is seen. */
const COLOUR = 'rgba(128, 128, 128, 0.6)';
const CUT = 'The time range begins within this window: only a part of it is counted.';
const RUNNING = 'This window is not over yet, or the time range ends within it: only a part of it is counted.';

interface Region {
  readonly time: number;
  readonly timeEnd: number;
  readonly text: string;
}

function regionsOf(frame: DataFrame): Region[] {
  const covered = coveredOf(frame);
  const times = timesOf(frame);
  const last = times.length - 1;
  const first = times[0];
  if (covered === undefined || first === undefined) return [];
  const length = windowMs(frame);
  const regions: Region[] = [];
  const end = windowEnd(times, last, length);
  if (first < covered.fromMs && last > 0)
    regions.push({ time: first, timeEnd: windowEnd(times, 0, length), text: CUT });
  if (end > covered.untilMs) regions.push({ time: times[last] ?? 0, timeEnd: end, text: RUNNING });
  return regions;
}

/** Adds a frame of annotations that shades the incomplete windows of those queries that mark them. Grafana draws it in charts over time. */
export function withMarks(response: DataQueryResponse, queries: readonly UserpulseQuery[]): DataQueryResponse {
  const marked = new Set(
    queries
      .filter(
        ({ incomplete, calc, preset, annotation }) =>
          isSeriesPreset(preset) && annotation === undefined && incompleteOf(incomplete, calc) === 'mark',
      )
      .map(({ refId }) => refId),
  );
  const regions = new Map<string, Region>();
  for (const frame of response.data as unknown[]) {
    if (!isDataFrame(frame) || !marked.has(frame.refId ?? '')) continue;
    for (const region of regionsOf(frame)) regions.set(`${region.time}/${region.timeEnd}`, region);
  }
  if (regions.size === 0) return response;
  const all = [...regions.values()];
  const values = <K extends keyof Region>(name: K): Region[K][] => all.map((region) => region[name]);
  const marks = createDataFrame({
    name: 'Incomplete windows',
    refId: queries[0]?.refId ?? '',
    meta: { dataTopic: DataTopic.Annotations },
    fields: [
      { name: 'time', type: FieldType.time, values: values('time') },
      { name: 'timeEnd', type: FieldType.time, values: values('timeEnd') },
      { name: 'isRegion', type: FieldType.boolean, values: all.map(() => true) },
      { name: 'color', type: FieldType.string, values: all.map(() => COLOUR) },
      { name: 'title', type: FieldType.string, values: all.map(() => 'Incomplete window') },
      { name: 'text', type: FieldType.string, values: values('text') },
    ],
  });
  return { ...response, data: [...(response.data as unknown[]), marks] };
}
