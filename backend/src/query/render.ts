import type { Column, Frame } from './frames.ts';
import type { InteractionsAnswer, QueryAnswer } from './service.ts';

/*
 * Answers as bytes, piece by piece: one of a million values takes some megabytes as JSON, of which a client takes some kilobytes at a time. Digits are
 * written one by one, because a string for each number would be garbage of ten times its size.
 */

/** Bytes of a piece. */
const PIECE = 65_536;
/** More than a number takes. */
const NUMBER = 32;
/** Numbers below it are written digit by digit. */
const MOST_DIGITS = 1e15;
const ZERO = 0x30;

/** Takes text and numbers, and gives them as pieces. */
class Writer {
  #bytes = Buffer.allocUnsafeSlow(PIECE);
  #at = 0;
  readonly #digits = new Uint8Array(16);

  /** Whether there is no room for one more number. */
  get full(): boolean {
    return this.#at > PIECE - NUMBER;
  }

  /** What has been written since the last time; another buffer is written to from now on. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#at);
    this.#bytes = Buffer.allocUnsafeSlow(PIECE);
    this.#at = 0;
    return taken;
  }

  /** What is left, where this is the end. */
  end(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  /** @yields pieces that are full */
  *text(text: string): Generator<Buffer> {
    if (text.length * 3 <= PIECE - this.#at) {
      this.#at += this.#bytes.write(text, this.#at);
      return;
    }
    if (this.#at > 0) yield this.take();
    if (text.length * 3 <= PIECE) this.#at += this.#bytes.write(text, 0);
    else yield Buffer.from(text);
  }

  /** A character that ASCII has. */
  character(code: number): void {
    this.#bytes[this.#at++] = code;
  }

  /** As JSON has it: null for NaN. There must be room. */
  number(value: number): void {
    if (value >= 0 && value < MOST_DIGITS && Number.isInteger(value)) {
      let length = 0;
      let rest = value;
      do {
        const tenth = Math.floor(rest / 10);
        this.#digits[length++] = rest - tenth * 10;
        rest = tenth;
      } while (rest > 0);
      while (length > 0) this.#bytes[this.#at++] = ZERO + (this.#digits[--length] ?? 0);
      return;
    }
    this.#at += this.#bytes.write(Number.isFinite(value) ? String(value) : 'null', this.#at, 'latin1');
  }
}

const COMMA = 0x2c;

/** The elements of a JSON array, with commas between them. */
function* elements(out: Writer, column: Column): Generator<Buffer> {
  if (!(column instanceof Float64Array)) {
    yield* out.text(JSON.stringify(column).slice(1, -1));
    return;
  }
  for (let i = 0; i < column.length; i++) {
    if (out.full) yield out.take();
    if (i > 0) out.character(COMMA);
    out.number(column[i] ?? NaN);
  }
}

function* frameJson(out: Writer, { schema, columns }: Frame): Generator<Buffer> {
  yield* out.text(`{"schema":${JSON.stringify(schema)},"data":{"values":[`);
  for (const [i, column] of columns.entries()) {
    yield* out.text(i === 0 ? '[' : ',[');
    yield* elements(out, column);
    yield* out.text(']');
  }
  yield* out.text(']}}');
}

/** `QueryResponse` of the contract as JSON. */
export function* queryJson({ results }: QueryAnswer): Generator<Buffer> {
  const out = new Writer();
  yield* out.text('{"results":{');
  let separator = '';
  for (const [refId, result] of results) {
    yield* out.text(`${separator}${JSON.stringify(refId)}:`);
    separator = ',';
    if ('error' in result) {
      yield* out.text(JSON.stringify({ ...result, frames: [] }));
      continue;
    }
    yield* out.text('{"status":200,"frames":[');
    yield* frameJson(out, result.frame);
    yield* out.text(']}');
  }
  yield* out.text('}}');
  yield out.end();
}

/** `InteractionsResult` of the contract as JSON. */
export function* interactionsJson({
  preset,
  id,
  every,
  from,
  to,
  times,
  series,
}: InteractionsAnswer): Generator<Buffer> {
  const out = new Writer();
  yield* out.text(`${JSON.stringify({ preset, id, every, from, to }).slice(0, -1)},"series":[`);
  for (const [i, { type, values }] of series.entries()) {
    yield* out.text(`${i === 0 ? '' : ','}{"type":${JSON.stringify(type)},"points":[`);
    for (let j = 0; j < times.length; j++) {
      yield* out.text(j === 0 ? '[' : ',[');
      if (out.full) yield out.take();
      out.number(times[j] ?? NaN);
      out.character(COMMA);
      if (out.full) yield out.take();
      out.number(values[j] ?? 0);
      yield* out.text(']');
    }
    yield* out.text(']}');
  }
  yield* out.text(']}');
  yield out.end();
}

/** RFC 4180: quoted where it must be. */
const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Series as CSV, one line per window and type, in order of time within a type. Times are window starts in UTC. */
export function* interactionsCsv({ times, series }: InteractionsAnswer): Generator<Buffer> {
  const out = new Writer();
  yield* out.text('time,type,value\r\n');
  for (const { type, values } of series) {
    const name = cell(type);
    for (let j = 0; j < times.length; j++) {
      yield* out.text(`${new Date(times[j] ?? 0).toISOString()},${name},`);
      if (out.full) yield out.take();
      out.number(values[j] ?? 0);
      yield* out.text('\r\n');
    }
  }
  yield out.end();
}
