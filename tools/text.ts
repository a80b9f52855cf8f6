/** `1234567` → `1,234,567` */
export const grouped = (n: number): string => n.toLocaleString('en-US');

/** `75000` → `1 min 15 s` */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A table in Markdown; so many columns from the left are text, the others are numbers. */
export function markdownTable(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  texts = columns.length,
): string {
  const cells = [columns, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = columns.map((_, n) => Math.max(...cells.map((row) => row[n]?.length ?? 0)));
  const [head = '', ...body] = cells.map(
    (row) =>
      `| ${row.map((cell, n) => (n < texts ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0))).join(' | ')} |`,
  );
  const rule = `|${widths.map((width, n) => (n < texts ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [head, rule, ...body].join('\n');
}
