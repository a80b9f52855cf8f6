import { formatNumber } from '../produce/progress.ts';
import type { BucketRole, Schema } from '../schema/buckets.ts';
import type { ReplayStats } from './stats.ts';

const ROLES = ['made', 'received', 'share', 'total'] as const satisfies readonly BucketRole[];

/** `1 line`, `2,000 lines` */
export const counted = (n: number, noun: string): string => `${formatNumber(n)} ${noun}${n === 1 ? '' : 's'}`;

/** What a replay has done, or would do, for people. */
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
    `Points: ${ROLES.map((role) => `${schema.buckets[role]} ${formatNumber(stats.points[role])}`).join(', ')}`,
  );
  if (stats.repeated > 0) lines.push(`Sent again, counted once: ${counted(stats.repeated, 'line')}`);
  if (stats.otherTypes > 0) lines.push(`Of other types: ${counted(stats.otherTypes, 'line')}`);
  if (stats.relocated > 0)
    lines.push(`Beside their own nanosecond, which another event has: ${counted(stats.relocated, 'point')}`);
  if (stats.expired > 0) lines.push(`Older than their bucket keeps: ${counted(stats.expired, 'point')}`);
  for (const [code, { lines: count, example }] of stats.invalid) {
    lines.push(`No events (${code}): ${counted(count, 'line')}, the first: ${example}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}
