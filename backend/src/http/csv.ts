import type { InteractionsResult } from '../../../contract/answers.ts';

/** RFC 4180: quoted where it must be. */
const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Series as CSV, one line per window and type, in order of time within a type. Times are window starts in UTC. */
export function interactionsCsv(result: InteractionsResult): string {
  const lines = ['time,type,value'];
  for (const series of result.series) {
    for (const [time, value] of series.points) {
      lines.push(`${new Date(time).toISOString()},${cell(series.type)},${value}`);
    }
  }
  return `${lines.join('\r\n')}\r\n`;
}

/**
 * Whether a client prefers CSV to JSON, by its Accept header (RFC 9110, 12.5.1): for each of the two the most specific range that matches
 * says how much it is wanted. JSON where both are wanted alike, or neither is.
 */
export function prefersCsv(accept: string | undefined): boolean {
  const wanted = new Map<string, number>();
  for (const part of (accept ?? '').split(',')) {
    const [range = '', ...params] = part.split(';').map((p) => p.trim().toLowerCase());
    const q = Number(params.find((p) => p.startsWith('q='))?.slice(2) ?? '1');
    if (q >= 0 && q <= 1) wanted.set(range, Math.max(wanted.get(range) ?? 0, q));
  }
  const quality = (type: string, group: string): number =>
    wanted.get(type) ?? wanted.get(group) ?? wanted.get('*/*') ?? 0;
  return quality('text/csv', 'text/*') > quality('application/json', 'application/*');
}
