import { UserpulseError } from '../errors.ts';
import type { IdPreset } from '../schema/buckets.ts';
import type { TopResult } from './request.ts';

/** Digits of the longest id, a share's; a user's has at most 19. */
const MOST_DIGITS = 24;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Counts the ids of an answer's CSV as its bytes arrive. Grouping by id in Flux takes InfluxDB tens of times as long (DESIGN §5), so the
 * ids are streamed out and counted here.
 *
 * The answer has the columns of the script `idScript`: `,result,table,_value`. The last column of a line is its id; every other line
 * is a table's header, an empty line before one, or an error. No string is made of an id until it is among the first: its digits, decimal or
 * hex, are packed four bits each into 96 bits, which keeps every digit of both kinds and orders user ids as numbers and share ids as text.
 */
export class IdCounter {
  readonly #of: IdPreset;
  readonly #table: IdTable;
  /** The line that has begun: digits since its last comma, four bits each, the latest lowest. */
  #high = 0;
  #middle = 0;
  #low = 0;
  #digits = 0;
  #isId = true;
  #length = 0;
  /** Text of the line, kept for headers and errors only. */
  #text = '';
  #expects: 'header' | 'id' | 'error' = 'header';

  /** @param mostIds bound of distinct ids, each of which takes at most 64 bytes */
  constructor(of: IdPreset, mostIds = 5_000_000) {
    this.#of = of;
    this.#table = new IdTable(mostIds);
  }

  get distinct(): number {
    return this.#table.size;
  }

  /** @throws UserpulseError query_failed, where InfluxDB breaks off; bad_request, where there are too many distinct ids */
  push(chunk: Uint8Array): void {
    // Locals, because fields cost several times as much in a loop over every byte.
    let [high, middle, low, digits, isId, length] = [
      this.#high,
      this.#middle,
      this.#low,
      this.#digits,
      this.#isId,
      this.#length,
    ];
    let keepsText = this.#expects !== 'id';
    const bytes = chunk.length;
    for (let at = 0; at < bytes; at++) {
      const byte = chunk[at] ?? LINE_FEED;
      if (byte === LINE_FEED) {
        this.#high = high;
        this.#middle = middle;
        this.#low = low;
        this.#endLine(length, isId && digits > 0 && digits <= MOST_DIGITS);
        high = middle = low = digits = length = 0;
        isId = true;
        keepsText = this.#expects !== 'id';
        continue;
      }
      if (byte === CARRIAGE_RETURN) continue;
      length++;
      if (keepsText) this.#text += String.fromCharCode(byte);
      if (byte === COMMA) {
        high = middle = low = digits = 0;
        isId = true;
        continue;
      }
      const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : -1;
      if (digit < 0) isId = false;
      high = (high << 4) | (middle >>> 28);
      middle = (middle << 4) | (low >>> 28);
      low = (low << 4) | (digit & 15);
      digits++;
    }
    [this.#high, this.#middle, this.#low, this.#digits, this.#isId, this.#length] = [
      high,
      middle,
      low,
      digits,
      isId,
      length,
    ];
  }

  /** To be called after the last chunk: InfluxDB ends every line, but a line cut short must not go unnoticed. */
  end(): void {
    if (this.#length > 0) this.push(Uint8Array.of(LINE_FEED));
  }

  #endLine(length: number, isId: boolean): void {
    if (length === 0) {
      this.#expects = 'header';
      return;
    }
    switch (this.#expects) {
      case 'header':
        this.#expects = this.#text.split(',').includes('error') ? 'error' : 'id';
        this.#text = '';
        return;
      case 'id':
        if (!isId) throw new Error('InfluxDB answered with a row that holds no id.');
        this.#table.add(this.#high >>> 0, this.#middle >>> 0, this.#low >>> 0);
        return;
      case 'error':
        throw new UserpulseError(
          'query_failed',
          `InfluxDB could not finish the query: ${this.#text.replace(/^,+/, '')}`,
        );
      default:
        return this.#expects satisfies never;
    }
  }

  /** The `n` most frequent, ties by id ascending: users as numbers, shares as text. */
  top(n: number): TopResult['top'] {
    return this.#table.top(n).map(({ high, middle, low, count }) => {
      const digits = [high, middle, low].map((word) => word.toString(16).padStart(8, '0')).join('');
      return { id: this.#of === 'share' ? digits : digits.replace(/^0+/, ''), count };
    });
  }
}

interface Entry {
  readonly high: number;
  readonly middle: number;
  readonly low: number;
  readonly count: number;
}

const before = (a: Entry, b: Entry): boolean =>
  a.count !== b.count
    ? a.count > b.count
    : a.high !== b.high
      ? a.high < b.high
      : a.middle !== b.middle
        ? a.middle < b.middle
        : a.low < b.low;

/** Counts by 96-bit key: open addressing in flat arrays, at most half full. A count of 0 marks a free place. */
class IdTable {
  readonly #most: number;
  #mask = (1 << 12) - 1;
  #keys = new Uint32Array(3 << 12);
  #counts = new Uint32Array(1 << 12);
  size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** @throws UserpulseError bad_request */
  add(high: number, middle: number, low: number): void {
    const place = this.#find(high, middle, low);
    const count = this.#counts[place] ?? 0;
    if (count === 0) {
      if (this.size >= this.#most)
        throw new UserpulseError(
          'bad_request',
          `More than ${this.#most.toLocaleString('en-US')} different ids occur in this range.`,
          { hint: 'Ask for a shorter range or for fewer types.' },
        );
      this.#put(place, high, middle, low, 1);
      this.size++;
      if (this.size * 2 > this.#mask) this.#grow();
      return;
    }
    this.#counts[place] = count + 1;
  }

  #put(place: number, high: number, middle: number, low: number, count: number): void {
    this.#keys[place * 3] = high;
    this.#keys[place * 3 + 1] = middle;
    this.#keys[place * 3 + 2] = low;
    this.#counts[place] = count;
  }

  /** The place of a key, or the free one where it belongs. */
  #find(high: number, middle: number, low: number): number {
    const keys = this.#keys;
    let place = hash(high, middle, low) & this.#mask;
    while (
      this.#counts[place] !== 0 &&
      (keys[place * 3 + 2] !== low || keys[place * 3 + 1] !== middle || keys[place * 3] !== high)
    )
      place = (place + 1) & this.#mask;
    return place;
  }

  #grow(): void {
    const [keys, counts] = [this.#keys, this.#counts];
    const places = counts.length * 2;
    this.#mask = places - 1;
    this.#keys = new Uint32Array(places * 3);
    this.#counts = new Uint32Array(places);
    counts.forEach((count, i) => {
      if (count === 0) return;
      const [high = 0, middle = 0, low = 0] = [keys[i * 3], keys[i * 3 + 1], keys[i * 3 + 2]];
      this.#put(this.#find(high, middle, low), high, middle, low, count);
    });
  }

  top(n: number): Entry[] {
    const best: Entry[] = [];
    this.#counts.forEach((count, i) => {
      const last = best[n - 1];
      // Most ids are far from the first n: look at their key only where it can matter.
      if (count === 0 || (last !== undefined && count < last.count)) return;
      const [high = 0, middle = 0, low = 0] = [this.#keys[i * 3], this.#keys[i * 3 + 1], this.#keys[i * 3 + 2]];
      const entry = { high, middle, low, count };
      if (last !== undefined && !before(entry, last)) return;
      let place = best.length;
      for (let other = best[place - 1]; other !== undefined && before(entry, other); other = best[place - 1]) place--;
      best.splice(place, 0, entry);
      if (best.length > n) best.pop();
    });
    return best;
  }
}

/** Mixes the words so that ids that differ in few digits fall on different places (murmur3's finalizer). */
function hash(high: number, middle: number, low: number): number {
  let h = Math.imul(high ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(middle ^ (high >>> 15), 0xc2b2ae35) ^ low;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
