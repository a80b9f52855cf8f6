import { Ints } from '../memory/ints.ts';
import { hourOf, type Hour } from './hour-marks.ts';

const FIRST_BYTES = 4 * 1024;
const NEWLINE = 0x0a;

/**
 * Lines of line protocol as the bytes that go into a request. Thousands of lines that wait as strings are tens of thousands of small objects, each
 * of which the garbage collector moves about until the request is answered.
 */
export class LineBlock {
  #bytes: Buffer = Buffer.alloc(0);
  #length = 0;
  /** End of each line, its newline included. */
  readonly #ends = new Ints();
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

  /**
   * Makes room for a line that the caller writes itself: into {@link memory}, from the returned place on.
   * @param bytes at least as many as it will have, its newline included
   */
  room(bytes: number): number {
    if (this.#length + bytes > this.#bytes.length) this.#grow(this.#length + bytes);
    return this.#length;
  }

  /** Where the line goes that there is {@link room} for. */
  get memory(): Buffer {
    return this.#bytes;
  }

  /**
   * The line is there, without its newline.
   * @param end behind its last byte
   * @param ms its time
   */
  written(end: number, ms: number): void {
    this.#bytes[end] = NEWLINE;
    this.#length = end + 1;
    this.#ends.push(end + 1);
    this.#noteHour(hourOf(ms));
  }

  /** Hours that the lines' times lie in. */
  get hours(): ReadonlySet<Hour> {
    return this.#hours;
  }

  /** Lines `from` to before `to`, at least one, with newlines between them. A view, valid until the next {@link push}. */
  bytes(from: number, to: number): Uint8Array {
    const end = this.#ends.at(to - 1);
    if (from >= to || end === undefined) throw new RangeError(`There are no lines ${from} to ${to} of ${this.length}.`);
    return this.#bytes.subarray(from === 0 ? 0 : this.#ends.at(from - 1), end - 1);
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
    this.#ends.clear();
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
