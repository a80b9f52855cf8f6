import type { TopResult } from '../../../contract/answers.ts';
import { ID_KINDS } from '../../../contract/ids.ts';
import { idKindOf, type RankedPreset } from '../../../contract/presets.ts';
import { UserpulseError } from '../errors.ts';

/** Digits of the longest id, a share's; a user's has at most 19. */
const MOST_DIGITS = 24;
const COMMA = 0x2c;
const ZERO = 0x30;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export interface IdCounterOptions {
  readonly mostIds?: number;
  readonly memory?: (change: number) => void;
}

/**
 * Counts the ids of an answer's CSV as its bytes arrive. Grouping by id in Flux takes InfluxDB tens of times as long, so the
 * ids are streamed out and counted here.
 *
 * The answer has the columns of the script `idScript`: `,result,table,_value`. The last column of a line is its id; every other line
 * is a table's header, an empty line before one, or an error. No string is made of an id until it is among the first: its digits, decimal or
 * hex, are packed four bits each into 96 bits, which keeps every digit of both kinds and orders user ids as numbers and share ids as text.
 */
export class IdCounter {
  readonly #of: RankedPreset;
  readonly #table: IdTable;
  /** The line that has begun: digits since its last comma, four bits each, the latest lowest. */
  #high = 0;
  #middle = 0;
  #low = 0;
  #digits = 0;
  #isId = true;
  #length = 0;
  /** Where in the line before its last field began: `,_result,0,` is the same in every row of a table. */
  #prefix = 0;
  /** Text of the line, kept for headers and errors only. */
  #text = '';
  #expects: 'header' | 'id' | 'error' = 'header';

  /**
   * @param mostIds bound of distinct ids, each of which takes at most 64 bytes
   * @param memory told how many bytes more or less the table takes than at first; what it throws ends the counting
   */
  constructor(of: RankedPreset, { mostIds = 5_000_000, memory = () => undefined }: IdCounterOptions = {}) {
    this.#of = of;
    this.#table = new IdTable(mostIds, memory);
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
    let prefix = this.#prefix;
    let field = 0;
    let keepsText = this.#expects !== 'id';
    const bytes = chunk.length;
    for (let at = 0; at < bytes; at++) {
      // What comes before the id is skipped where it is as long as in the row before. Only a row begins with a comma, a header follows an
      // empty line, and a comma further on begins a field as ever: nothing but the looking is left out.
      if (length === 0 && prefix > 0 && !keepsText && chunk[at] === COMMA && chunk[at + prefix - 1] === COMMA) {
        at += prefix;
        length = field = prefix;
        // Eight digits fit into one word, and few ids of users have more.
        for (let digit = (chunk[at] ?? 0) - ZERO; digits < 8 && digit >= 0 && digit <= 9; digits++) {
          low = (low << 4) | digit;
          digit = (chunk[++at] ?? 0) - ZERO;
        }
        length += digits;
        if (at >= bytes) break;
      }
      const byte = chunk[at] ?? LINE_FEED;
      if (byte === LINE_FEED) {
        this.#high = high;
        this.#middle = middle;
        this.#low = low;
        this.#endLine(length, isId && digits > 0 && digits <= MOST_DIGITS);
        prefix = field;
        field = 0;
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
        field = length;
        continue;
      }
      const digit = byte >= ZERO && byte <= 0x39 ? byte - ZERO : byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : -1;
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
    // A line that goes on in the next chunk is read in full there.
    this.#prefix = length === 0 ? prefix : 0;
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
      return { id: ID_KINDS[idKindOf(this.#of)].stored === 'string' ? digits : digits.replace(/^0+/, ''), count };
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

/** Words of a place in the table: three of the key and the count, which lie side by side because each look at a place is a cache miss. */
const WORDS = 4;

/** Parts of the table. Each grows by itself, so that the copy that growing takes is of one part only. */
const PARTS = 16;

/** Counts by 96-bit key. */
class IdTable {
  readonly #most: number;
  readonly #memory: (change: number) => void;
  readonly #parts = Array.from({ length: PARTS }, () => new Part());
  size = 0;

  constructor(most: number, memory: (change: number) => void) {
    this.#most = most;
    this.#memory = memory;
  }

  /** @throws UserpulseError bad_request; what `memory` throws */
  add(high: number, middle: number, low: number): void {
    const mixed = hash(high, middle, low);
    const part = this.#parts[mixed >>> 28];
    if (part?.add(mixed, high, middle, low) !== true) return;
    this.size++;
    if (this.size > this.#most)
      throw new UserpulseError(
        'bad_request',
        `More than ${this.#most.toLocaleString('en-US')} different ids occur in this range.`,
        { hint: 'Ask for a shorter range or for fewer types.' },
      );
    if (!part.isFull) return;
    this.#memory(part.bytes * 2);
    this.#memory(-part.grow());
  }

  top(n: number): Entry[] {
    const best: Entry[] = [];
    for (const part of this.#parts) part.addTo(best, n);
    return best;
  }
}

/** Open addressing in a flat array, at most half full. A count of 0 marks a free place. */
class Part {
  #mask = (1 << 8) - 1;
  #places = new Uint32Array(WORDS << 8);
  #size = 0;

  get isFull(): boolean {
    return this.#size * 2 > this.#mask;
  }

  get bytes(): number {
    return this.#places.byteLength;
  }

  /** @returns whether the key is new */
  add(mixed: number, high: number, middle: number, low: number): boolean {
    const at = this.#find(mixed, high, middle, low);
    const count = this.#places[at + 3] ?? 0;
    this.#places[at + 3] = count + 1;
    if (count > 0) return false;
    this.#put(at, high, middle, low);
    this.#size++;
    return true;
  }

  #put(at: number, high: number, middle: number, low: number): void {
    this.#places[at] = high;
    this.#places[at + 1] = middle;
    this.#places[at + 2] = low;
  }

  /** Where the place of a key begins, or the free one where it belongs. */
  #find(mixed: number, high: number, middle: number, low: number): number {
    const places = this.#places;
    const mask = this.#mask;
    let place = mixed & mask;
    for (;;) {
      const at = place * WORDS;
      if (places[at + 3] === 0 || (places[at + 2] === low && places[at + 1] === middle && places[at] === high))
        return at;
      place = (place + 1) & mask;
    }
  }

  /** @returns bytes that it took before, and that are free now */
  grow(): number {
    const old = this.#places;
    this.#mask = this.#mask * 2 + 1;
    this.#places = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += WORDS) {
      const [high = 0, middle = 0, low = 0, count = 0] = [old[at], old[at + 1], old[at + 2], old[at + 3]];
      if (count === 0) continue;
      const to = this.#find(hash(high, middle, low), high, middle, low);
      this.#put(to, high, middle, low);
      this.#places[to + 3] = count;
    }
    return old.byteLength;
  }

  /** Puts those that belong among the first `n` where they belong. */
  addTo(best: Entry[], n: number): void {
    const places = this.#places;
    for (let at = 0; at < places.length; at += WORDS) {
      const count = places[at + 3] ?? 0;
      const last = best[n - 1];
      // Most ids are far from the first n: look at their key only where it can matter.
      if (count === 0 || (last !== undefined && count < last.count)) continue;
      const [high = 0, middle = 0, low = 0] = [places[at], places[at + 1], places[at + 2]];
      const entry = { high, middle, low, count };
      if (last !== undefined && !before(entry, last)) continue;
      let place = best.length;
      for (let other = best[place - 1]; other !== undefined && before(entry, other); other = best[place - 1]) place--;
      best.splice(place, 0, entry);
      if (best.length > n) best.pop();
    }
  }
}

/** Mixes the words so that ids that differ in few digits fall on different places (murmur3's finalizer). */
function hash(high: number, middle: number, low: number): number {
  let h = Math.imul(high ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(middle ^ (high >>> 15), 0xc2b2ae35) ^ low;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
