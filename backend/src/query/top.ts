import type { TopResult } from '../../../contract/answers.ts';
import type { IdFormatRow } from '../../../contract/ids.ts';
import { UserpulseError } from '../errors.ts';
import type { AllCounts, Frequent } from './counted-top.ts';
import { IdTable, type Entry, type IdCounterOptions } from './id-table.ts';

/** Digits of the longest id, a share's; a user's has at most 19. */
const MOST_DIGITS = 24;
/** Digits that a word holds. */
const WORD_DIGITS = 8;
const COMMA = 0x2c;
/** Between an id and its counterpart; see pairOf in schema/buckets.ts, which the tests hold it to. */
const COLON = 0x3a;
const ZERO = 0x30;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Decimal or hex; -1 for any other character. */
const digitOf = (byte: number): number =>
  byte >= ZERO && byte <= 0x39 ? byte - ZERO : byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : -1;

const isBorder = (byte: number | undefined): boolean => byte === COMMA || byte === COLON;

/**
 * Counts the ids of an answer's CSV as its bytes arrive. Grouping by id in Flux takes InfluxDB tens of times as long, so the
 * ids are streamed out and counted here.
 *
 * The answer has the columns of the script `idScript`: `,result,table,_value`. The last column of a line is its id, or ends with it behind a
 * colon where it is somebody's counterpart; every other line
 * is a table's header, an empty line before one, or an error. No string is made of an id until it is among the first: its digits, decimal or
 * hex, are packed four bits each into 96 bits, which keeps every digit of both kinds and orders user ids as numbers and share ids as text.
 */
export class IdCounter implements AllCounts {
  readonly #stored: IdFormatRow['stored'];
  readonly #table: IdTable;
  /** The line that has begun: digits since its last comma, four bits each, the latest lowest. */
  #high = 0;
  #middle = 0;
  #low = 0;
  #digits = 0;
  #isId = true;
  #length = 0;
  /** Of an id that others have read: high, middle, low. */
  readonly #words = new Uint32Array(3);
  /** Where in the line before its last field began: `,_result,0,` is the same in every row of a table. */
  #prefix = 0;
  /** Text of the line, kept for headers and errors only. */
  #text = '';
  #expects: 'header' | 'id' | 'error' = 'header';

  /**
   * @param mostIds bound of distinct ids, each of which takes at most 64 bytes
   * @param memory told how many bytes more or less the table takes than at first; what it throws ends the counting
   */
  constructor(stored: IdFormatRow['stored'], { mostIds = 5_000_000, memory = () => undefined }: IdCounterOptions = {}) {
    this.#stored = stored;
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
      if (length === 0 && prefix > 0 && !keepsText && chunk[at] === COMMA && isBorder(chunk[at + prefix - 1])) {
        at += prefix;
        length = field = prefix;
        // Eight digits fit into one word, and few ids of users have more.
        for (let digit = (chunk[at] ?? 0) - ZERO; digits < WORD_DIGITS && digit >= 0 && digit <= 9; digits++) {
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
        // That of a header is longer, and could reach into the next row.
        prefix = this.#expects === 'id' ? field : 0;
        this.#endLine(length, isId && digits > 0 && digits <= MOST_DIGITS);
        field = 0;
        high = middle = low = digits = length = 0;
        isId = true;
        keepsText = this.#expects !== 'id';
        continue;
      }
      if (byte === CARRIAGE_RETURN) continue;
      length++;
      if (keepsText) this.#text += String.fromCharCode(byte);
      if (byte === COMMA || byte === COLON) {
        high = middle = low = digits = 0;
        isId = true;
        field = length;
        continue;
      }
      const digit = digitOf(byte);
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

  /**
   * Counts an id whose line others have read.
   * @returns whether it is one
   * @throws UserpulseError bad_request, where there are too many distinct ids
   */
  add(bytes: Uint8Array, from: number, to: number): boolean {
    if (!this.#pack(bytes, from, to)) return false;
    const { 0: high = 0, 1: middle = 0, 2: low = 0 } = this.#words;
    this.#table.add(high, middle, low);
    return true;
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

  /** The `n` most frequent, ties by id ascending: int64 ids as numbers, others as text. */
  top(n: number): TopResult['top'] {
    return this.#table.top(n).map((entry) => this.#named(entry));
  }

  /** See {@link AllCounts}. */
  frequent(most: number, least?: number): Frequent {
    const { entries, bound } = this.#table.frequent(most, least);
    return { ids: entries.map((entry) => this.#named(entry)), bound };
  }

  countOf(id: string): number {
    if (!this.#pack(Buffer.from(id, 'latin1'), 0, id.length)) return 0;
    const { 0: high = 0, 1: middle = 0, 2: low = 0 } = this.#words;
    return this.#table.countOf(high, middle, low);
  }

  /** Puts the digits of an id into {@link #words}. @returns whether it is one */
  #pack(bytes: Uint8Array, from: number, to: number): boolean {
    if (to === from || to - from > MOST_DIGITS) return false;
    let high = 0;
    let middle = 0;
    let low = 0;
    for (let at = from; at < to; at++) {
      const digit = digitOf(bytes[at] ?? 0);
      if (digit < 0) return false;
      high = (high << 4) | (middle >>> 28);
      middle = (middle << 4) | (low >>> 28);
      low = (low << 4) | digit;
    }
    this.#words[0] = high;
    this.#words[1] = middle;
    this.#words[2] = low;
    return true;
  }

  #named({ high, middle, low, count }: Entry): TopResult['top'][number] {
    const digits = [high, middle, low].map((word) => word.toString(16).padStart(8, '0')).join('');
    return { id: this.#stored === 'string' ? digits : digits.replace(/^0+/, ''), count };
  }
}
