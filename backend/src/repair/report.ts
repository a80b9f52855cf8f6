import { counted, formatNumber } from '../format.ts';
import { BUCKET_ROLES, type Schema } from '../schema/buckets.ts';
import type { RepairStats } from './stats.ts';

/** The result of a repair, for people. */
export function reportText(
  stats: RepairStats,
  schema: Schema,
  run: { readonly seconds: number; readonly dryRun: boolean },
): string {
  const { seconds, dryRun } = run;
  if (stats.objects === 0) return 'Nothing to do: every day was done by an earlier run.\n';
  const rate = seconds > 0 ? `, ${formatNumber(Math.round(stats.events / seconds))} events/s` : '';
  const lines = [
    `Compared ${counted(stats.events, 'event')} from ${counted(stats.lines, 'line')} of ${counted(stats.objects, 'object')} with InfluxDB, in ${seconds.toFixed(1)} s${rate}.`,
  ];
  const [short, twice] = [stats.sum('missing') + stats.sum('replaced'), stats.sum('removed')];
  if (short + twice === 0) lines.push('Every event is there once: nothing to change.');
  for (const role of BUCKET_ROLES) {
    const { wanted, missing, replaced, removed } = stats.points[role];
    const changes = [
      [missing, 'missing'],
      [replaced, 'overwritten or incomplete'],
      [removed, 'twice'],
    ] as const;
    const text = changes.filter(([count]) => count > 0).map(([count, what]) => `${formatNumber(count)} ${what}`);
    lines.push(
      `${schema.buckets[role]}: ${counted(wanted, 'point')}${text.length === 0 ? '' : `; ${text.join(', ')}`}`,
    );
  }
  if (short + twice > 0) {
    lines.push(
      `${dryRun ? 'Would write' : 'Wrote'} ${counted(short, 'point')}, ${dryRun ? 'would remove' : 'removed'} ${formatNumber(twice)}.`,
    );
  }
  if (stats.repeated > 0) lines.push(`Repeated events, counted once: ${counted(stats.repeated, 'line')}`);
  const foreign = stats.sum('foreign');
  if (foreign > 0) {
    lines.push(
      `Left as they are, because no archived event has them: ${counted(foreign, 'point')}. Their events are not archived yet, or are dead letters, or others write to these buckets.`,
    );
  }
  const expired = stats.sum('expired');
  if (expired > 0) {
    lines.push(`Not stored, because they are older than the retention of their bucket: ${counted(expired, 'point')}`);
  }
  for (const [code, { lines: count, example }] of stats.invalid) {
    lines.push(`Not valid (${code}): ${counted(count, 'line')}, the first: ${example}`);
  }
  for (const day of stats.changedDays) {
    lines.push(`${day} got new objects in the archive meanwhile: repair it once more.`);
  }
  return lines.map((line) => `${line}\n`).join('');
}
