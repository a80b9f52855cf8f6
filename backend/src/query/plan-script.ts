import type { Flux } from '../flux/literals.ts';
import { idScript, seriesScript } from '../flux/translate.ts';
import type { Schema } from '../schema/buckets.ts';
import { everyText, type Plan, type SeriesPlan } from './plan.ts';

/* What a plan reads as Flux, and what its answer depends on. Pure. */

/** All that a plan reads from points. @param prefix of the names of its results, where it shares a script */
export function scriptOf(plan: Plan, schema: Schema, prefix?: string): Flux {
  switch (plan.kind) {
    case 'series':
      return seriesScript([...plan.now.streams, ...(plan.compare?.earlier.streams ?? [])], schema, prefix);
    case 'top':
      return idScript({ ...plan, preset: plan.of }, schema);
    default:
      return plan satisfies never;
  }
}

/** All that counts by window depend on: the script says what is read, and the windows what it is added up to. */
function countKey(plan: SeriesPlan, script: string): string {
  const { now, compare, groupBy, types, zone } = plan;
  const windows = [now, ...(compare === undefined ? [] : [compare.earlier])].map(({ windows: all }) => [
    all.length,
    all[0]?.startMs,
    all.at(-1)?.endMs,
  ]);
  return JSON.stringify([everyText(plan), compare?.text, zone.name, windows, [...groupBy].sort(), types, script]);
}

/** Of the question to InfluxDB: whoever has the same one shares its answer. */
export function keyOf(plan: Plan, script: Flux): string {
  return plan.kind === 'series' ? countKey(plan, script.text) : JSON.stringify([plan.n, script.text]);
}
