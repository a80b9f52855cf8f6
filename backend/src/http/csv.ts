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
