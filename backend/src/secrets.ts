/** Settings whose values must never be shown; the AWS SDK reads the last three by itself. */
const SECRET_SETTINGS = [
  'INFLUX_TOKEN',
  'USERPULSE_API_TOKEN',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
] as const;

const MASK = '[secret]';
/** Shorter ones are no secrets, and would mask ordinary words. */
const SHORTEST = 8;

/**
 * Masks the values of secret settings in a text. No code of ours puts one there; this is the second line of defence, against what a
 * library or a server says (AWS's answer to a wrong signature repeats signed headers, a wrong INFLUX_HOST may echo what it was sent).
 */
export function secretMask(env: Readonly<Record<string, string | undefined>>): (text: string) => string {
  const values = SECRET_SETTINGS.flatMap((name) => env[name] ?? []).filter((value) => value.length >= SHORTEST);
  // Within JSON, as in the log, a value may be written with escapes.
  const forms = [...new Set(values.flatMap((value) => [value, JSON.stringify(value).slice(1, -1)]))];
  return (text) => forms.reduce((masked, form) => masked.replaceAll(form, MASK), text);
}

/** A text without a token that was sent with the request which it answers. */
export const withoutToken = (text: string, token: string): string =>
  token.length < SHORTEST ? text : text.replaceAll(token, MASK);

/** A URL as messages may show it: without user name, password and query string, where people put credentials. Any other text as it is. */
export const shownUrl = (text: string): string => text.replace(/\/\/[^/?#]*@/, '//').replace(/\?.*$/s, '?…');
