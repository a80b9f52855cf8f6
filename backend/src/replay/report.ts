import { counted, formatNumber } from '../format.ts';
import { BUCKET_ROLES, type Schema } from '../schema/buckets.ts';
import type { ReplayStats } from './stats.ts';

/** The result of a replay, for people. */
export function reportText(
  stats: ReplayStats,
  schema: Schema,
  run: { readonly seconds: number; readonly dryRun: boolean },
): string {
  const { seconds, dryRun } = run;
  const rate = seconds > 0 ? `, ${formatNumber(Math.round(stats.events / seconds))} events/s` : '';
  if (stats.objects === 0) return 'Nothing to do: no day has changed.\n';
  const lines = [
    `${dryRun ? 'Would replay' : 'Replayed'} ${counted(stats.events, 'event')} from ${counted(stats.lines, 'line')} of ${counted(stats.objects, 'object')}, in ${seconds.toFixed(1)} s${rate}.`,
  ];
  const types = [...stats.byType].sort(([, a], [, b]) => b - a);
  if (types.length > 0)
    lines.push(`Types: ${types.map(([type, count]) => `${type} ${formatNumber(count)}`).join(', ')}`);
  lines.push(
    `Points: ${BUCKET_ROLES.map((role) => `${schema.buckets[role]} ${formatNumber(stats.points[role])}`).join(', ')}`,
  );
  if (stats.repeated > 0) lines.push(`Repeated events, counted once: ${counted(stats.repeated, 'line')}`);
  if (stats.otherTypes > 0) lines.push(`Skipped, of other types: ${counted(stats.otherTypes, 'line')}`);
  if (stats.relocated > 0)
    lines.push(`Relocated, because another event has their timestamp: ${counted(stats.relocated, 'point')}`);
  if (stats.expired > 0)
    lines.push(
      `Not stored, because they are older than the retention of their bucket: ${counted(stats.expired, 'point')}`,
    );
  for (const [code, { lines: count, example }] of stats.invalid) {
    lines.push(`Not valid (${code}): ${counted(count, 'line')}, the first: ${example}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}
