import { createDataFrame, FieldType } from '@grafana/data';
import type { AnnotationEvent, DataFrame, Field } from '@grafana/data';
import { shareCreated } from '../../contract/ids.ts';
import type { Annotation } from '../../contract/query.ts';
import { timesOf, windowMs } from '../query/windows.ts';
import type { UserpulseQuery } from '../types.ts';

/** Marks of the shares of a query at the time that is in their ids. The backend is not asked. */
export function createdFrame({ refId, ids }: UserpulseQuery): DataFrame {
  const known = ids.flatMap((id) => {
    const created = shareCreated(id);
    return created ? [{ id, time: created.getTime() }] : [];
  });
  return createDataFrame({
    refId,
    fields: [
      { name: 'time', type: FieldType.time, values: known.map(({ time }) => time) },
      { name: 'title', type: FieldType.string, values: known.map(() => 'Share created') },
      { name: 'text', type: FieldType.string, values: known.map(({ id }) => id) },
      { name: 'tags', type: FieldType.other, values: known.map(() => ['share']) },
    ],
  });
}

/** The marks of an annotation, from the frames of its query. */
export function annotationEvents({ kind, threshold }: Annotation, frames: readonly DataFrame[]): AnnotationEvent[] {
  switch (kind) {
    case 'created':
      return frames.flatMap(createdEvents);
    case 'threshold':
      return frames.flatMap((frame) => thresholdEvents(frame, threshold));
    default:
      return kind satisfies never;
  }
}

function createdEvents(frame: DataFrame): AnnotationEvent[] {
  const values = (name: string): unknown[] => frame.fields.find((field) => field.name === name)?.values ?? [];
  const texts = values('text');
  return values('time').map((time, i) => ({
    time: Number(time),
    title: 'Share created',
    text: String(texts[i]),
    tags: ['share'],
  }));
}

/** One mark per run of windows in which a series is at or above the threshold, from the start of the first to the end of the last. */
function thresholdEvents(frame: DataFrame, threshold: number): AnnotationEvent[] {
  const times = timesOf(frame);
  const length = windowMs(frame);
  const endOf = (row: number): number =>
    times[row + 1] ?? (times[row] ?? 0) + (length ?? (times[row] ?? 0) - (times[row - 1] ?? times[row] ?? 0));
  return frame.fields
    .filter((field) => field.type === FieldType.number)
    .flatMap((field) =>
      runsAtLeast(field, threshold).map(({ first, last, peak }) => ({
        time: times[first] ?? 0,
        timeEnd: endOf(last),
        isRegion: true,
        title: field.config.displayNameFromDS ?? field.name,
        text: `At least ${format(threshold)}, at most ${format(peak)}`,
        tags: [field.labels?.['id'], field.labels?.['type']].filter((tag) => tag !== undefined),
      })),
    );
}

interface Run {
  readonly first: number;
  readonly last: number;
  readonly peak: number;
}

function runsAtLeast(field: Field, threshold: number): Run[] {
  const runs: Run[] = [];
  field.values.forEach((value: unknown, row) => {
    if (typeof value !== 'number' || value < threshold) return;
    const open = runs.at(-1);
    if (open?.last === row - 1) runs[runs.length - 1] = { ...open, last: row, peak: Math.max(open.peak, value) };
    else runs.push({ first: row, last: row, peak: value });
  });
  return runs;
}

const format = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: 2 });
