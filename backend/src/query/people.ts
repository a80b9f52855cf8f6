import type { ValueHandler } from '../influx/count-reader.ts';
import { windowAt, type Counts } from './counts.ts';
import { pairSeparator, type Schema } from '../schema/buckets.ts';
import { IdTable } from './id-table.ts';
import { afterLast } from './text-id-counter.ts';
import { TextTable } from './text-table.ts';
import type { Window } from './windows.ts';

/**
 * Different people that one question can tell apart: each counts once for each series and window it occurs in. A sketch would need no such bound,
 * but no kept library has one that is right (docs/adr/0018-counterparts.md).
 */
export const MOST_PEOPLE = 5_000_000;

export interface UniquesOptions {
  /** Counts people instead of interactions; made for the same reading. */
  readonly counts: Counts;
  readonly windows: readonly Window[];
  /** For each window the one it counts with: another one where both are compared with one window of the range as asked; else itself. */
  readonly groups: Int32Array;
  readonly schema: Pick<Schema, 'ids'>;
  /** See {@link IdTable}. */
  readonly memory: (change: number) => void;
  readonly most?: number;
}

/** Counts the different people of each series and window, exactly. */
export class Uniques {
  readonly #options: UniquesOptions;
  readonly #table: PeopleTable;
  /** Whether windows share people, so that none may be forgotten before the end. */
  readonly #grouped: boolean;
  #stream: string | undefined;
  readonly #done = new Set<string>();

  constructor(options: UniquesOptions) {
    const { memory, most = MOST_PEOPLE, groups, schema } = options;
    this.#options = options;
    const separator = pairSeparator(schema);
    this.#table =
      separator === ':' ? new NumberedPeople(most, memory) : new NamedPeople(separator.charCodeAt(0), most, memory);
    this.#grouped = groups.some((group, window) => group !== window);
  }

  /**
   * Takes the rows of one stream and type, whose values are ids of users, or end with one behind a separator.
   * @param window of all rows of the stream; undefined where their time says it
   */
  handler(stream: string, window: number | undefined, id: string | undefined, type: string): ValueHandler {
    const { windows, groups, counts } = this.#options;
    if (stream !== this.#stream) this.#begin(stream, window !== undefined);
    const { values, ordinal } = counts.at(id, type);
    const first = ordinal * windows.length;
    const table = this.#table;
    let at = window ?? 0;
    return (ms, bytes, from, to) => {
      if (window === undefined) {
        if (ms === null) return false;
        const current = windows[at];
        if (current === undefined || ms < current.startMs || ms >= current.endMs)
          at = Math.max(windowAt(windows, ms), 0);
      }
      const group = groups[at] ?? at;
      const isNew = table.add(first + group, bytes, from, to);
      if (isNew === undefined) return false;
      if (isNew) values[group] = (values[group] ?? 0) + 1;
      return true;
    };
  }

  /** A stream of one window is whole when the next one begins: its people need not be remembered. */
  #begin(stream: string, single: boolean): void {
    if (this.#done.has(stream)) throw new Error(`InfluxDB mixed the result "${stream}" with others.`);
    this.#done.add(stream);
    this.#stream = stream;
    if (single && !this.#grouped) this.#table.clear();
  }
}

/** Who is known of each group. */
interface PeopleTable {
  /** @returns whether somebody is new in a group; undefined where the value ends with no id */
  add(group: number, bytes: Uint8Array, from: number, to: number): boolean | undefined;
  clear(): void;
}

const WHAT = 'people in a window';

/** By int64 ids, which take 18 + 14 bits beside their lower 32. */
class NumberedPeople implements PeopleTable {
  readonly #table: IdTable;

  constructor(most: number, memory: (change: number) => void) {
    this.#table = new IdTable(most, memory, WHAT);
  }

  add(group: number, bytes: Uint8Array, from: number, to: number): boolean | undefined {
    // Ids exceed 2^53: the last digits of long ones are kept apart.
    let [head, tail] = [0, 0];
    let digits = 0;
    for (let i = from; i < to; i++) {
      const byte = bytes[i] ?? 0;
      const digit = byte - ZERO;
      if (digit >= 0 && digit <= 9) {
        if (digits++ < HEAD) head = head * 10 + digit;
        else tail = tail * 10 + digit;
      } else if (byte === COLON) head = tail = digits = 0;
      // A share's id before the colon may hold letters.
      else digits = MOST_DIGITS + 1;
    }
    if (digits === 0 || digits > MOST_DIGITS) return undefined;
    const high = ((head / WORD) | (tailCode(tail, digits - HEAD) << HEAD_HIGH_BITS)) >>> 0;
    return this.#table.add(group, high, head >>> 0);
  }

  clear(): void {
    this.#table.clear();
  }
}

/** By text ids. */
class NamedPeople implements PeopleTable {
  readonly #separator: number;
  readonly #table: TextTable;

  constructor(separator: number, most: number, memory: (change: number) => void) {
    this.#separator = separator;
    this.#table = new TextTable(most, memory, WHAT);
  }

  add(group: number, bytes: Uint8Array, from: number, to: number): boolean | undefined {
    const start = afterLast(this.#separator, bytes, from, to);
    return start === to ? undefined : this.#table.add(group, bytes, start, to);
  }

  clear(): void {
    this.#table.clear();
  }
}

const ZERO = 0x30;
const COLON = 0x3a;
const WORD = 2 ** 32;
const MOST_DIGITS = 19;
/** Digits of an id that a double holds exactly, and how many bits beyond 32 they take. */
const HEAD = 15;
const HEAD_HIGH_BITS = 18;

/** A number of 14 bits for each text of up to four digits, so that `1` and `10` with a digit less in front are not one. */
const tailCode = (tail: number, digits: number): number => (digits <= 0 ? 0 : tail + (10 ** digits - 1) / 9);
