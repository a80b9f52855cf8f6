import { CsvReader } from './csv.ts';

/**
 * Takes the rows of one series. @param ms of the row's `_time`; null where it has none. @param bytes with the row's `_value` from `from` to
 * before `to`, valid during the call only. @returns whether that is a value
 */
export type ValueHandler = (ms: number | null, bytes: Uint8Array, from: number, to: number) => boolean;

/** Takes the counts of one series. @param ms start of a grain; null where there is one count for the whole range */
export type CountHandler = (ms: number | null, count: number) => void;

const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const ZERO = 0x30;
const Z = 0x5a;
const POINT = 0x2e;
/** More than the answers to our scripts have. */
const MOST_COLUMNS = 16;

/** Reads counts; see {@link ValueReader}. */
export class CountReader {
  readonly #reader: ValueReader;

  /** @param seriesOf may throw where the result was not asked for; type is '' where the answer has none */
  constructor(seriesOf: (result: string, type: string) => CountHandler) {
    this.#reader = new ValueReader((result, type) => countsOf(seriesOf(result, type)));
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  end(): void {
    this.#reader.end();
  }
}

/** Takes values that are counts. */
export const countsOf =
  (add: CountHandler): ValueHandler =>
  (ms, bytes, from, to) => {
    const count = wholeNumber(bytes, from, to);
    if (Number.isNaN(count)) return false;
    add(ms, count);
    return true;
  };

/**
 * Reads the CSV of values (columns result, type, _value and, where rows have a time, _time) as its bytes arrive. A week of ten minutes has a
 * thousand rows a series: a string for each of their values would cost more than everything else that is done for an answer, so numbers and
 * times are read from the bytes, and the series is looked up only where result or type differ from the row before. What does not look like a
 * row of values (headers, errors, quotes) is left to {@link CsvReader}.
 */
export class ValueReader {
  readonly #seriesOf: (result: string, type: string) => ValueHandler;
  readonly #decoder = new TextDecoder();
  #columns: readonly string[] = [];
  /** Undefined while a header is expected. */
  #at: { readonly result: number; readonly type: number; readonly time: number; readonly value: number } | undefined;
  #rest: Uint8Array = new Uint8Array(0);
  /** Of the row before. */
  #series: { readonly result: Uint8Array; readonly type: Uint8Array; readonly add: ValueHandler } | undefined;
  /** What rows of that series begin with, up to their value; undefined where that is not their last field, or they have a time. */
  #prefix: Uint8Array | undefined;
  /** Takes what is left of the answer once InfluxDB has said that it breaks off. */
  #error: CsvReader | undefined;
  readonly #starts = new Int32Array(MOST_COLUMNS + 2);

  /** @param seriesOf may throw where the result was not asked for; type is '' where the answer has none */
  constructor(seriesOf: (result: string, type: string) => ValueHandler) {
    this.#seriesOf = seriesOf;
  }

  /** @throws UserpulseError query_failed, where InfluxDB breaks off; Error, for a row that is no count */
  push(chunk: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? chunk : joined(this.#rest, chunk);
    // One pass over every byte, with locals only: fields of the object cost several times as much.
    const starts = this.#starts;
    const length = bytes.length;
    let start = this.#alike(bytes, 0);
    let fields = 0;
    let quoted = false;
    for (let i = start; i < length; i++) {
      const byte = bytes[i];
      if (byte === COMMA) {
        if (fields < MOST_COLUMNS) starts[++fields] = i + 1;
      } else if (byte === QUOTE) quoted = true;
      else if (byte === LINE_FEED) {
        const end = i > start && bytes[i - 1] === CARRIAGE_RETURN ? i - 1 : i;
        starts[0] = start;
        starts[fields + 1] = end + 1;
        this.#line(bytes, start, end, quoted ? 0 : fields + 1);
        start = this.#alike(bytes, i + 1);
        i = start - 1;
        fields = 0;
        quoted = false;
      }
    }
    this.#rest = copied(bytes, start, bytes.length);
  }

  /** To be called after the last chunk. */
  end(): void {
    if (this.#rest.length > 0) this.push(Uint8Array.of(LINE_FEED));
  }

  /** Takes rows that are as the one before but for their value, as nearly all ids and marks are. @returns where the first other row begins */
  #alike(bytes: Uint8Array, from: number): number {
    const [prefix, series] = [this.#prefix, this.#series];
    if (prefix === undefined || series === undefined) return from;
    const { length } = prefix;
    for (let start = from; ;) {
      const value = start + length;
      if (value >= bytes.length || !sameBytes(prefix, bytes, start, value)) return start;
      let at = value;
      let byte = bytes[at];
      while (byte !== undefined && byte !== LINE_FEED && byte !== COMMA && byte !== QUOTE) byte = bytes[++at];
      // Cut short, or with something that is looked at more closely.
      if (byte !== LINE_FEED) return start;
      const end = bytes[at - 1] === CARRIAGE_RETURN ? at - 1 : at;
      if (!series.add(null, bytes, value, end)) throw this.#noCount(bytes, start, end);
      start = at + 1;
    }
  }

  /** @param fields of the line, which begin at {@link #starts}; 0 where it holds quotes */
  #line(bytes: Uint8Array, start: number, end: number, fields: number): void {
    if (this.#error !== undefined) {
      this.#error.push(`${this.#decoder.decode(bytes.subarray(start, end))}\n`);
      return;
    }
    if (start === end) {
      this.#at = this.#prefix = undefined;
      return;
    }
    const at = this.#at;
    if (at === undefined) {
      this.#header(this.#decoder.decode(bytes.subarray(start, end)));
      return;
    }
    const starts = this.#starts;
    if (fields !== this.#columns.length) throw this.#noCount(bytes, start, end);
    const resultFrom = starts[at.result] ?? 0;
    const resultTo = (starts[at.result + 1] ?? 0) - 1;
    // Without a type column both ends are those of nothing.
    const typeFrom = at.type === -1 ? start : (starts[at.type] ?? 0);
    const typeTo = at.type === -1 ? start : (starts[at.type + 1] ?? 0) - 1;
    let series = this.#series;
    if (
      series === undefined ||
      !sameBytes(series.result, bytes, resultFrom, resultTo) ||
      !sameBytes(series.type, bytes, typeFrom, typeTo)
    ) {
      const result = copied(bytes, resultFrom, resultTo);
      const type = copied(bytes, typeFrom, typeTo);
      const add = this.#seriesOf(this.#decoder.decode(result), this.#decoder.decode(type));
      this.#series = series = { result, type, add };
    }
    const ms = at.time === -1 ? null : instant(bytes, starts[at.time] ?? 0, (starts[at.time + 1] ?? 0) - 1);
    const taken = !Number.isNaN(ms) && series.add(ms, bytes, starts[at.value] ?? 0, (starts[at.value + 1] ?? 0) - 1);
    if (!taken) throw this.#noCount(bytes, start, end);
    if (at.time === -1 && at.value === fields - 1) this.#prefix = copied(bytes, start, starts[at.value] ?? 0);
  }

  #header(text: string): void {
    const columns = text.split(',');
    if (columns.includes('error')) {
      // A table of its own, whose row says why InfluxDB broke off: CsvReader throws at it.
      this.#error = new CsvReader(() => () => undefined);
      this.#error.push(`${text}\n`);
      return;
    }
    const [result, type, time, value] = ['result', 'type', '_time', '_value'].map((name) => columns.indexOf(name));
    if (result === undefined || result === -1 || value === undefined || value === -1)
      throw new Error(`InfluxDB answered with a table that holds no counts: ${text}`);
    this.#columns = columns;
    this.#at = { result, type: type ?? -1, time: time ?? -1, value };
    this.#series = undefined;
  }

  #noCount(bytes: Uint8Array, start: number, end: number): Error {
    return new Error(
      `InfluxDB answered with a row that is no count: ${this.#decoder.decode(bytes.subarray(start, end))}`,
    );
  }
}

/** The chunk is its owner's, and `slice` of a Buffer is no copy. */
const copied = (bytes: Uint8Array, from: number, to: number): Uint8Array => new Uint8Array(bytes.subarray(from, to));

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

function sameBytes(known: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (known.length !== to - from) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[from + i]) return false;
  return true;
}

/** Digits only, at most 15, so that no digit is lost; else NaN. */
function wholeNumber(bytes: Uint8Array, from: number, to: number): number {
  if (to <= from || to - from > 15) return NaN;
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = (bytes[i] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** Epoch ms of `2026-01-31T12:00:00Z`, with or without a fraction, rounded down; any other form is left to Date. */
function instant(bytes: Uint8Array, from: number, to: number): number {
  let fraction = 0;
  if (to - from > 21 && bytes[from + 19] === POINT && bytes[to - 1] === Z) {
    const digits = Math.min(3, to - from - 21);
    fraction = wholeNumber(bytes, from + 20, from + 20 + digits) * 10 ** (3 - digits);
  } else if (to - from !== 20 || bytes[to - 1] !== Z)
    return Date.parse(new TextDecoder().decode(bytes.subarray(from, to)));
  const year = wholeNumber(bytes, from, from + 4);
  const month = wholeNumber(bytes, from + 5, from + 7);
  const day = wholeNumber(bytes, from + 8, from + 10);
  const seconds =
    (wholeNumber(bytes, from + 11, from + 13) * 60 + wholeNumber(bytes, from + 14, from + 16)) * 60 +
    wholeNumber(bytes, from + 17, from + 19);
  return (daysSince1970(year, month, day) * 86_400 + seconds) * 1000 + fraction;
}

/** Of a date in the Gregorian calendar, by years that begin in March (Hinnant, "chrono-compatible low-level date algorithms"). */
function daysSince1970(year: number, month: number, day: number): number {
  const years = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const era = Math.floor(years / 400);
  const yearOfEra = years - era * 400;
  return (
    era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
  );
}
