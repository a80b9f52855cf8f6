import type { InteractionsResult } from '../query/request.ts';

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
 * Whether a client prefers CSV to JSON, by the q-values of its Accept header (RFC 9110, 12.5.1). JSON where it does not care.
 */
export function prefersCsv(accept: string | undefined): boolean {
  let csv = 0;
  let json = 0;
  for (const part of (accept ?? '').split(',')) {
    const [type = '', ...params] = part.split(';').map((p) => p.trim().toLowerCase());
    const q = Number(params.find((p) => p.startsWith('q='))?.slice(2) ?? '1');
    if (Number.isNaN(q)) continue;
    if (type === 'text/csv') csv = Math.max(csv, q);
    if (type === 'application/json') json = Math.max(json, q);
  }
  return csv > json;
}
