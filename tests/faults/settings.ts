/** Settings of the long runs: environment variables with a default each, so that a failure can print the command that repeats it. */
export function settings<const S extends Readonly<Record<string, number>>>(
  defaults: S,
): { readonly [K in keyof S]: number } {
  const out: Record<string, number> = {};
  for (const [name, fallback] of Object.entries(defaults)) {
    const value = Number(process.env[name] ?? fallback);
    if (!Number.isFinite(value) || value < 0)
      throw new Error(`${name} must be a number, not "${process.env[name] ?? ''}".`);
    out[name] = value;
  }
  return out as { readonly [K in keyof S]: number };
}

export const command = (values: Readonly<Record<string, number>>, target: string): string =>
  [...Object.entries(values).map(([name, value]) => `${name}=${value}`), 'make', target].join(' ');
