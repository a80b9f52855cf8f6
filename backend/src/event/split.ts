/** How one record may hold several events, as USERPULSE_SPLIT names it. */
export const SPLITS = ['ndjson', 'array'] as const;
export type Split = (typeof SPLITS)[number];

/**
 * Most events of one record. The largest record of Kinesis (10 MiB) has no room for more that are valid, so only a record that is not
 * made of events can reach it: it stays one dead letter instead of becoming very many.
 */
export const MAX_EVENTS = 100_000;

/**
 * Objects one behind the other, as NDJSON (one per line) or with nothing between them. A line that is not made of whole objects is one
 * piece from where they end, and the next line begins anew. Blank lines are nothing.
 * @returns views of the bytes, without white space at both ends; undefined where there are more than {@link MAX_EVENTS}
 */
export function splitLines(bytes: Uint8Array): Uint8Array[] | undefined {
  const pieces: Uint8Array[] = [];
  for (let lineStart = 0; lineStart < bytes.length;) {
    const found = bytes.indexOf(0x0a, lineStart);
    const lineEnd = found === -1 ? bytes.length : found;
    for (let at = lineStart; ;) {
      while (at < lineEnd && isSpace(bytes[at])) at++;
      if (at >= lineEnd) break;
      let end = bytes[at] === 0x7b ? endOfValue(bytes, at, lineEnd) : lineEnd;
      const next = end;
      while (isSpace(bytes[end - 1])) end--;
      if (pieces.push(bytes.subarray(at, end)) > MAX_EVENTS) return undefined;
      at = next;
    }
    lineStart = lineEnd + 1;
  }
  return pieces;
}

/**
 * The items of an array.
 * @param bytes JSON that JSON.parse has accepted as an array
 * @returns as {@link splitLines}
 */
export function splitArray(bytes: Uint8Array): Uint8Array[] | undefined {
  const pieces: Uint8Array[] = [];
  let at = bytes.indexOf(0x5b) + 1;
  for (;;) {
    while (isSpace(bytes[at]) || bytes[at] === 0x2c) at++;
    if (at >= bytes.length || bytes[at] === 0x5d) return pieces;
    const end = endOfItem(bytes, at);
    if (pieces.push(bytes.subarray(at, end)) > MAX_EVENTS) return undefined;
    at = end;
  }
}

/** Index behind an item of a valid array, white space behind it left out. */
function endOfItem(bytes: Uint8Array, start: number): number {
  const first = bytes[start];
  if (first === 0x7b || first === 0x5b) return endOfValue(bytes, start, bytes.length);
  if (first === 0x22) return endOfString(bytes, start, bytes.length);
  let end = start;
  while (end < bytes.length && bytes[end] !== 0x2c && bytes[end] !== 0x5d && !isSpace(bytes[end])) end++;
  return end;
}

/** Index behind the object or array that begins at `start`; `limit` where it does not end before. Reads each byte once. */
function endOfValue(bytes: Uint8Array, start: number, limit: number): number {
  let depth = 0;
  for (let at = start; at < limit; at++) {
    switch (bytes[at]) {
      case 0x22:
        at = endOfString(bytes, at, limit) - 1;
        break;
      case 0x7b:
      case 0x5b:
        depth++;
        break;
      case 0x7d:
      case 0x5d:
        if (--depth === 0) return at + 1;
        break;
      default: // anything else, and undefined beyond the end, where the loop never is
    }
  }
  return limit;
}

function endOfString(bytes: Uint8Array, start: number, limit: number): number {
  for (let at = start + 1; at < limit; at++) {
    if (bytes[at] === 0x22) return at + 1;
    if (bytes[at] === 0x5c) at++;
  }
  return limit;
}

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
