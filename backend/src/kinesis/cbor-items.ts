/**
 * The structure of CBOR (RFC 8949) in bytes that have partly arrived: where items end, and what the heads say. What items mean is for others to
 * read.
 */

export const MAJOR = { unsigned: 0, bytes: 2, text: 3, array: 4, map: 5, tag: 6, other: 7 } as const;
export const NULL = 0xf6;
export const FLOAT_64 = 0xfb;
/** Ends an array, a map or a string whose head does not say how long it is. */
export const BREAK = 0xff;

/** The length of an array, map or string that ends with {@link BREAK}. */
export const INDEFINITE = Infinity;

/** Items in one another. An answer of GetRecords has five; a reader that recurses needs some bound. */
const MAX_DEPTH = 32;

export const majorOf = (initial: number): number => initial >> 5;

/** Index behind the head at `at`, which may lie beyond what has arrived. @throws Error where no item begins like this */
export function endOfHead(body: Buffer, at: number): number {
  const length = (body[at] ?? 0) & 0x1f;
  if (length < 24 || length === 31) return at + 1;
  if (length > 27) throw new Error('A response of GetRecords is not CBOR.');
  return at + 1 + (1 << (length - 24));
}

/**
 * What the whole head at `at` says beside the kind of item: a number, a length, {@link INDEFINITE}.
 * @throws RangeError beyond 2^53 - 1
 */
export function argumentOf(body: Buffer, at: number): number {
  const length = (body[at] ?? 0) & 0x1f;
  switch (length) {
    case 24:
      return body[at + 1] ?? 0;
    case 25:
      return body.readUInt16BE(at + 1);
    case 26:
      return body.readUInt32BE(at + 1);
    case 27: {
      const value = body.readUInt32BE(at + 1) * 0x1_0000_0000 + body.readUInt32BE(at + 5);
      if (!Number.isSafeInteger(value)) throw new RangeError('A number in a response of GetRecords is too large.');
      return value;
    }
    case 31:
      return INDEFINITE;
    default:
      return length;
  }
}

/**
 * Index behind the item that begins at `at`; -1 where it has not wholly arrived.
 * @param end of what has arrived
 * @throws Error where it is no item
 */
export function endOfItem(body: Buffer, at: number, end: number, depth = 0): number {
  if (depth > MAX_DEPTH) throw new Error('A response of GetRecords is nested too deeply.');
  if (at >= end) return -1;
  const next = endOfHead(body, at);
  if (next > end) return -1;
  const initial = body[at] ?? 0;
  switch (majorOf(initial)) {
    case MAJOR.bytes:
    case MAJOR.text: {
      const length = argumentOf(body, at);
      if (length === INDEFINITE) return endOfItems(body, next, end, INDEFINITE, depth);
      return next + length > end ? -1 : next + length;
    }
    case MAJOR.array:
      return endOfItems(body, next, end, argumentOf(body, at), depth);
    case MAJOR.map:
      return endOfItems(body, next, end, 2 * argumentOf(body, at), depth);
    case MAJOR.tag:
      return endOfItem(body, next, end, depth + 1);
    default:
      // A break where an item is due; of numbers and simple values the head is all there is.
      if ((initial & 0x1f) === 31) throw new Error('A response of GetRecords is not CBOR.');
      return next;
  }
}

function endOfItems(body: Buffer, from: number, end: number, count: number, depth: number): number {
  let at = from;
  for (let left = count; left > 0; left--) {
    if (count === INDEFINITE && body[at] === BREAK && at < end) return at + 1;
    at = endOfItem(body, at, end, depth + 1);
    if (at === -1) return -1;
  }
  return at;
}
