/**
 * Values inside reasons: short, on one line, the same on every Node version, and well-formed, because dead letters are JSON that others
 * read, too. Never nested content, which may be deep or large.
 */
const SHOWN_UNITS = 60;

export function shorten(text: string): string {
  if (text.length <= SHOWN_UNITS) return text.toWellFormed();
  // Not through the middle of a character.
  const unit = text.charCodeAt(SHOWN_UNITS - 1);
  return `${text.slice(0, unit >= 0xd800 && unit <= 0xdbff ? SHOWN_UNITS - 1 : SHOWN_UNITS).toWellFormed()}…`;
}

export const quoted = (text: string): string => JSON.stringify(shorten(text));

/** `missing`, `null`, `an empty string`, `"x"`, `the number 7`, `an array` … */
export function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (typeof value === 'string') return value === '' ? 'an empty string' : quoted(value);
  if (typeof value === 'number' || typeof value === 'boolean') return `the ${typeof value} ${String(value)}`;
  return Array.isArray(value) ? 'an array' : 'an object';
}
