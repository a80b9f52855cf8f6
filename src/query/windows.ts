import { FieldType } from '@grafana/data';
import type { DataFrame } from '@grafana/data';

/** What a frame of the backend says of its windows. */

/** Length of the windows in ms, where they all have one: the backend says it on the time field, for the width of bars. */
export function windowMs(frame: DataFrame): number | undefined {
  const interval = frame.fields.find((field) => field.type === FieldType.time)?.config.interval;
  return typeof interval === 'number' && interval > 0 ? interval : undefined;
}

/** The time that an answer covers, as the backend says it in `meta.custom`. */
export interface Covered {
  /** Epoch ms. */
  readonly fromMs: number;
  readonly untilMs: number;
}

export function coveredOf({ meta }: Pick<DataFrame, 'meta'>): Covered | undefined {
  const { fromMs, untilMs }: Record<string, unknown> = meta?.custom ?? {};
  return typeof fromMs === 'number' && typeof untilMs === 'number' ? { fromMs, untilMs } : undefined;
}

/** Starts of the windows, in epoch ms. */
export const timesOf = (frame: DataFrame): number[] =>
  frame.fields.find((field) => field.type === FieldType.time)?.values.map(Number) ?? [];

/** When a window ends; one of months, whose frame does not say how long it is, as long as the one before. */
export function windowEnd(times: readonly number[], at: number, lengthMs: number | undefined): number {
  const time = times[at] ?? 0;
  return lengthMs === undefined ? (times[at + 1] ?? time + (time - (times[at - 1] ?? time))) : time + lengthMs;
}
