import { hourOf, type Hour } from './hour-marks.ts';
import { renderLine, type Point } from './points.ts';

const FIRST_BYTES = 4 * 1024;
const NEWLINE = 0x0a;
const SPACE = 0x20;
/** The least second with ten digits, in 2001; the first with eleven comes in 2286. */
const TEN_DIGITS = 1_000_000_000;
const TIME_DIGITS = 19;

/**
 * Lines of line protocol as the bytes that go into a request. Thousands of lines that wait as strings are tens of thousands of small objects, each
 * of which the garbage collector moves about until the request is answered.
 */
export class LineBlock {
  #bytes: Buffer = Buffer.alloc(0);
  #length = 0;
  /** End of each line, its newline included. */
  #ends: number[] = [];
  #left = false;
  readonly #hours = new Set<Hour>();
  /** Of the line before: most are of one hour. */
  #hour: Hour = -1;

  /** @param lines without newlines */
  static of(lines: Iterable<string>): LineBlock {
    const block = new LineBlock();
    for (const line of lines) block.push(line);
    return block;
  }

  /** Number of lines. */
  get length(): number {
    return this.#ends.length;
  }

  /** @param line without its newline; ASCII, as all our line protocol is; see pointsOf */
  push(line: string): void {
    const end = this.#length + line.length + 1;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.write(line, this.#length, 'latin1');
    this.#bytes[end - 1] = NEWLINE;
    this.#length = end;
    this.#ends.push(end);
    this.#noteHour(hourOf(msOf(line)));
  }

  /** As {@link push} of {@link renderLine}, without a text that would be garbage at once. */
  pushPoint(point: Point, offsetNs: number): void {
    const { series, fields, ms } = point;
    const seconds = Math.floor(ms / 1000);
    if (seconds < TEN_DIGITS || seconds >= 10 * TEN_DIGITS) {
      this.push(renderLine(point, offsetNs));
      return;
    }
    const end = this.#length + series.length + fields.length + 2 + TIME_DIGITS + 1;
    if (end > this.#bytes.length) this.#grow(end);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let unit = 0; unit < series.length; unit++) bytes[at++] = series.charCodeAt(unit);
    bytes[at++] = SPACE;
    for (let unit = 0; unit < fields.length; unit++) bytes[at++] = fields.charCodeAt(unit);
    bytes[at++] = SPACE;
    writeDigits(bytes, at, 10, seconds);
    writeDigits(bytes, at + 10, 3, ms - seconds * 1000);
    writeDigits(bytes, at + 13, 6, offsetNs);
    bytes[end - 1] = NEWLINE;
    this.#length = end;
    this.#ends.push(end);
    this.#noteHour(hourOf(ms));
  }

  /** Hours that the lines' times lie in. */
  get hours(): ReadonlySet<Hour> {
    return this.#hours;
  }

  /** Lines `from` to before `to`, at least one, with newlines between them. A view, valid until the next {@link push}. */
  bytes(from: number, to: number): Uint8Array {
    const end = this.#ends[to - 1];
    if (from >= to || end === undefined) throw new RangeError(`There are no lines ${from} to ${to} of ${this.length}.`);
    return this.#bytes.subarray(from === 0 ? 0 : this.#ends[from - 1], end - 1);
  }

  /** Time of a line in ms, rounded down. */
  timeMs(index: number): number {
    const line = Buffer.from(this.bytes(index, index + 1)).toString('latin1');
    const ns = BigInt(line.slice(line.lastIndexOf(' ') + 1));
    return Number(ns / 1_000_000n);
  }

  /** A new block with some of the lines. */
  pick(indexes: readonly number[]): LineBlock {
    const picked = new LineBlock();
    for (const index of indexes) picked.push(Buffer.from(this.bytes(index, index + 1)).toString('latin1'));
    return picked;
  }

  /** Its bytes may be read for longer than anyone knows, by a connection that has failed: they are not written to again. */
  leaveBytes(): void {
    this.#left = true;
  }

  /** Without lines, but with its memory: to be filled again, once nobody reads its {@link bytes} any more. */
  clear(): void {
    if (this.#left) this.#bytes = Buffer.alloc(0);
    this.#left = false;
    this.#length = 0;
    this.#ends = [];
    this.#hours.clear();
    this.#hour = -1;
  }

  #noteHour(hour: Hour): void {
    if (hour === this.#hour) return;
    this.#hour = hour;
    this.#hours.add(hour);
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Time of a line, which has more than six digits of ns; rounded down. */
const msOf = (line: string): number => Number(line.slice(line.lastIndexOf(' ') + 1, -6));

function writeDigits(bytes: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let digit = at + digits - 1; digit >= at; digit--) {
    const tens = Math.floor(rest / 10);
    bytes[digit] = 0x30 + rest - tens * 10;
    rest = tens;
  }
}
