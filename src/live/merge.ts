import { FieldType } from '@grafana/data';
import type { DataFrame, Field } from '@grafana/data';
import { incompleteOf, type Calculation, type IncompleteWindows } from '../../contract/query.ts';
import { coveredOf, timesOf, windowEnd, windowMs, type Covered } from '../query/windows.ts';

type Value = number | null;

/**
 * Puts changed windows into the answer of a query: a window that is there is replaced, a new one is added, one that has left the time
 * range is dropped. Gives a new frame; panels compare frames by identity.
 *
 * Changed windows are counts, of interactions or of people. `rate` and `cumulative` are computed from counts as the backend does it, so that a refresh changes nothing.
 * @param frame wide: a time field and a number field per series, told apart by their labels
 * @param changed wide as well, with the rows that changed; null means not known yet
 * @param range the time range as it is now; `untilMs` is now
 */
export function mergeWindows(
  frame: DataFrame,
  changed: DataFrame,
  { calc, incomplete }: { readonly calc: Calculation; readonly incomplete?: IncompleteWindows },
  range: Covered,
): DataFrame {
  const times = timesOf(frame);
  const running = incompleteOf(incomplete, calc) === 'hide' ? partialTimes(changed) : new Set<number>();
  const newRows = timesOf(changed)
    .map((time, row) => ({ time, row }))
    .filter(({ time }) => !running.has(time));
  const lengthMs = windowMs(frame);
  const all = [...new Set([...times, ...newRows.map(({ time }) => time)])].sort((a, b) => a - b);
  // The first window begins before the range does, unless it happens to be aligned with it.
  const kept = all.filter(
    (time, i) => (lengthMs === undefined ? (all[i + 1] ?? Infinity) : time + lengthMs) > range.fromMs,
  );
  // What was counted of the first window is what it held when the answer began, though the range has moved on.
  const before = coveredOf(frame) ?? { fromMs: -Infinity, untilMs: Infinity };
  const covered = { fromMs: before.fromMs, untilMs: range.untilMs };
  const happened = (list: readonly number[], i: number, { fromMs, untilMs }: Covered): number =>
    Math.max(0, Math.min(windowEnd(list, i, lengthMs), untilMs) - Math.max(list[i] ?? 0, fromMs));
  const rows: Rows = {
    times,
    newRows,
    kept,
    lengths: kept.map((_, i) => happened(kept, i, covered)),
    lengthsBefore: times.map((_, i) => happened(times, i, before)),
    calc,
  };

  const updates = new Map(numberFields(changed).map((field) => [keyOf(field), field]));
  const known = new Set(numberFields(frame).map(keyOf));
  const fields = frame.fields.map((field): Field => {
    if (field.type === FieldType.time) return { ...field, values: kept };
    // Earlier series have no live windows: their values stay with their times.
    if (field.type !== FieldType.number || field.labels?.['compare'] !== undefined) return carry(field, rows);
    return merged(field, updates.get(keyOf(field)), rows);
  });
  const fresh = [...updates].filter(([key]) => !known.has(key)).map(([, field]) => merged(undefined, field, rows));
  return {
    ...frame,
    fields: [...fields, ...fresh],
    length: kept.length,
    meta: { ...frame.meta, custom: { ...frame.meta?.custom, ...covered } },
  };
}

/** Windows that still run, as the gateway says it. */
function partialTimes({ meta }: DataFrame): Set<number> {
  const { partial }: Record<string, unknown> = meta?.custom ?? {};
  return new Set(Array.isArray(partial) ? partial.map(Number) : []);
}

interface Rows {
  readonly times: readonly number[];
  /** Changed rows that are shown, by their place in the changed frame. */
  readonly newRows: readonly { readonly time: number; readonly row: number }[];
  readonly kept: number[];
  /** How much of each kept window has happened, in ms. */
  readonly lengths: readonly number[];
  /** The same of each window as it was, when its rate was computed. */
  readonly lengthsBefore: readonly number[];
  readonly calc: Calculation;
}

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
  for (const { time, row } of rows.newRows) {
    const value = toValue(update?.values[row]);
    if (value !== null) counts.set(time, value);
  }
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

function* countsOf(field: Field | undefined, { times, calc, lengthsBefore }: Rows): Generator<[number, number]> {
  if (!field) return;
  let before = 0;
  for (const [i, time] of times.entries()) {
    const value = toValue(field.values[i]) ?? 0;
    switch (calc) {
      case 'count':
      case 'total':
      case 'unique':
      case 'reach':
        yield [time, value];
        break;
      case 'rate':
        yield [time, Math.round((value * (lengthsBefore[i] ?? 0)) / 1000)];
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
    case 'unique':
    case 'reach':
      return [...counts];
    case 'rate':
      return counts.map((count, i) => (lengths[i] ? (count * 1000) / lengths[i] : 0));
    case 'cumulative': {
      let sum = 0;
      return counts.map((count) => (sum += count));
    }
    default:
      return calc satisfies never;
  }
}
