const JOINS = /[0-9A-Za-z]/;

/** Whether a text may name an id: it occurs in it, and neither a digit nor a letter next to it makes something else of it. */
export function mentions(text: string, id: string): boolean {
  for (let at = text.indexOf(id); at !== -1; at = text.indexOf(id, at + 1)) {
    if (!JOINS.test(text[at - 1] ?? '') && !JOINS.test(text[at + id.length] ?? '')) return true;
  }
  return false;
}

/** Whether bytes can name an id at all: they hold it, or escapes of JSON, behind which anything may be. Much cheaper than looking. */
export const mayMention = (bytes: Buffer, id: string): boolean =>
  bytes.includes(id) || bytes.includes('\\u') || (id.includes('/') && bytes.includes('\\/'));

/** The text that the escapes of JSON (`\u0038`, `\/`) stand for, whether or not all of it is JSON. */
export const unescaped = (text: string): string =>
  text.replace(/\\(?:u([0-9a-fA-F]{4})|\/)/g, (_, digits?: string) =>
    digits === undefined ? '/' : String.fromCharCode(Number.parseInt(digits, 16)),
  );
