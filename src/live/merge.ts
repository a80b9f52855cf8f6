import { FieldType } from '@grafana/data';
import type { DataFrame, Field } from '@grafana/data';
import type { Calculation } from '../../contract/query.ts';
import { windowMs } from './channel.ts';

type Value = number | null;

/**
 * Puts changed windows into the answer of a query: a window that is there is replaced, a new one is added, one that has left the time
 * range is dropped. Gives a new frame; panels compare frames by identity.
 *
 * Changed windows are counts. `rate` and `cumulative` are computed from counts as the backend does it, so that a refresh changes nothing.
 * @param frame wide: a time field and a number field per series, told apart by their labels
 * @param changed wide as well, with the rows that changed; null means not known yet
 * @param fromMs start of the time range as it is now
 */
export function mergeWindows(frame: DataFrame, changed: DataFrame, calc: Calculation, fromMs: number): DataFrame {
  const times = timesOf(frame);
  const newTimes = timesOf(changed);
  const lengthMs = windowMs(frame);
  const all = [...new Set([...times, ...newTimes])].sort((a, b) => a - b);
  // The first window begins before the range does, unless it happens to be aligned with it.
  const kept = all.filter((time, i) => (lengthMs === undefined ? (all[i + 1] ?? Infinity) : time + lengthMs) > fromMs);
  const lengths = kept.map((time, i) => lengthMs ?? (kept[i + 1] ?? time + (time - (kept[i - 1] ?? time))) - time);
  const rows = { times, newTimes, kept, lengths, calc };

  const updates = new Map(numberFields(changed).map((field) => [keyOf(field), field]));
  const known = new Set(numberFields(frame).map(keyOf));
  const fields = frame.fields.map((field): Field => {
    if (field.type === FieldType.time) return { ...field, values: kept };
    // Earlier series have no live windows: their values stay with their times.
    if (field.type !== FieldType.number || field.labels?.['compare'] !== undefined) return carry(field, rows);
    return merged(field, updates.get(keyOf(field)), rows);
  });
  const fresh = [...updates].filter(([key]) => !known.has(key)).map(([, field]) => merged(undefined, field, rows));
  return { ...frame, fields: [...fields, ...fresh], length: kept.length };
}

interface Rows {
  readonly times: readonly number[];
  readonly newTimes: readonly number[];
  readonly kept: number[];
  /** Of each kept window, in ms. */
  readonly lengths: readonly number[];
  readonly calc: Calculation;
}

const timesOf = (frame: DataFrame): number[] =>
  frame.fields.find((field) => field.type === FieldType.time)?.values.map(Number) ?? [];

const numberFields = (frame: DataFrame): Field[] => frame.fields.filter((field) => field.type === FieldType.number);

function keyOf({ labels = {} }: Field): string {
  return JSON.stringify([labels['id'] ?? '', labels['type'] ?? '', labels['compare'] ?? '']);
}

const toValue = (value: unknown): Value => (typeof value === 'number' ? value : null);

function carry(field: Field, { times, kept }: Rows): Field {
  const values = new Map(times.map((time, i) => [time, toValue(field.values[i])]));
  return without(
    field,
    kept.map((time) => values.get(time) ?? null),
  );
}

function merged(field: Field | undefined, update: Field | undefined, rows: Rows): Field {
  const counts = new Map<number, number>();
  for (const [time, count] of countsOf(field, rows)) counts.set(time, count);
  rows.newTimes.forEach((time, i) => {
    const value = toValue(update?.values[i]);
    if (value !== null) counts.set(time, value);
  });
  // A window in which a series has not been heard of yet is 0, as it is in an answer of the backend.
  const values = calculate(
    rows,
    rows.kept.map((time) => counts.get(time) ?? 0),
  );
  const template = field ?? update;
  if (!template) throw new Error('A series comes from the answer or from the stream.');
  return without(template, values);
}

/** State of a field holds what was computed from its old values: display names, ranges. It must not outlive them. */
function without({ state: _, ...field }: Field, values: Value[]): Field {
  return { ...field, values };
}

function* countsOf(field: Field | undefined, { times, calc, kept, lengths }: Rows): Generator<[number, number]> {
  if (!field) return;
  const lengthOf = new Map(kept.map((time, i) => [time, lengths[i] ?? 0]));
  let before = 0;
  for (const [i, time] of times.entries()) {
    const value = toValue(field.values[i]) ?? 0;
    switch (calc) {
      case 'count':
      case 'total':
        yield [time, value];
        break;
      case 'rate':
        yield [time, Math.round((value * (lengthOf.get(time) ?? 0)) / 1000)];
        break;
      case 'cumulative':
        yield [time, value - before];
        before = value;
        break;
      default:
        calc satisfies never;
    }
  }
}

function calculate({ calc, lengths }: Rows, counts: readonly number[]): number[] {
  switch (calc) {
    case 'count':
    case 'total':
      return [...counts];
    case 'rate':
      return counts.map((count, i) => (count * 1000) / (lengths[i] ?? 1));
    case 'cumulative': {
      let sum = 0;
      return counts.map((count) => (sum += count));
    }
    default:
      return calc satisfies never;
  }
}
