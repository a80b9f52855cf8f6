import { formatNumber } from '../produce/progress.ts';
import type { BucketRole, Schema } from '../schema/buckets.ts';
import type { Tally } from './tally.ts';

const ROLES = ['made', 'received', 'share', 'total'] as const satisfies readonly BucketRole[];

/** `1 line`, `2,000 lines` */
export const counted = (n: number, noun: string): string => `${formatNumber(n)} ${noun}${n === 1 ? '' : 's'}`;

/** What a replay has done, or would do, for people. */
export function reportText(
  tally: Tally,
  schema: Schema,
  run: { readonly seconds: number; readonly dryRun: boolean },
): string {
  const { seconds, dryRun } = run;
  const rate = seconds > 0 ? `, ${formatNumber(Math.round(tally.events / seconds))} events/s` : '';
  if (tally.objects === 0) return 'Nothing to do: no day has changed.\n';
  const lines = [
    `${dryRun ? 'Would replay' : 'Replayed'} ${counted(tally.events, 'event')} from ${counted(tally.lines, 'line')} of ${counted(tally.objects, 'object')}, in ${seconds.toFixed(1)} s${rate}.`,
  ];
  const types = [...tally.byType].sort(([, a], [, b]) => b - a);
  if (types.length > 0)
    lines.push(`Types: ${types.map(([type, count]) => `${type} ${formatNumber(count)}`).join(', ')}`);
  lines.push(
    `Points: ${ROLES.map((role) => `${schema.buckets[role]} ${formatNumber(tally.points[role])}`).join(', ')}`,
  );
  if (tally.repeated > 0) lines.push(`Sent again, counted once: ${counted(tally.repeated, 'line')}`);
  if (tally.otherTypes > 0) lines.push(`Of other types: ${counted(tally.otherTypes, 'line')}`);
  if (tally.moved > 0)
    lines.push(`Beside their own nanosecond, which another event has: ${counted(tally.moved, 'point')}`);
  if (tally.expired > 0) lines.push(`Older than their bucket keeps: ${counted(tally.expired, 'point')}`);
  for (const [code, { lines: count, example }] of tally.invalid) {
    lines.push(`No events (${code}): ${counted(count, 'line')}, the first: ${example}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}
