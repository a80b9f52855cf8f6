/** Settings whose values must never be shown. The AWS SDK reads the last three. */
export const SECRET_VARIABLES: readonly string[] = [
  'INFLUX_TOKEN',
  'USERPULSE_API_TOKEN',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
];

const MASK = '[secret]';
/** A shorter value is not masked: it would mask ordinary words. */
const SHORTEST = 8;

/**
 * Masks the values of secret settings in a text. Our own code never puts one there. This is the second line of defence, against messages of
 * libraries and servers: AWS's response to a wrong signature repeats signed headers, and a wrong INFLUX_HOST may echo what it was sent.
 */
export function secretMask(env: Readonly<Record<string, string | undefined>>): (text: string) => string {
  const values = SECRET_VARIABLES.flatMap((name) => env[name] ?? []).filter((value) => value.length >= SHORTEST);
  // Within JSON, as in the log, a value may be escaped.
  const forms = [...new Set(values.flatMap((value) => [value, JSON.stringify(value).slice(1, -1)]))];
  return (text) => forms.reduce((masked, form) => masked.replaceAll(form, MASK), text);
}

/** The text of a response, without the token that was sent with the request. */
export const withoutToken = (text: string, token: string): string =>
  token.length < SHORTEST ? text : text.replaceAll(token, MASK);

/** A URL for messages: without user name, password and query string, which may hold credentials. Any other text is returned as it is. */
export const shownUrl = (text: string): string => text.replace(/\/\/[^/?#]*@/, '//').replace(/\?.*$/s, '?…');
