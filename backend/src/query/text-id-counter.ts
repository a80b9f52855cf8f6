import type { TopResult } from '../../../contract/answers.ts';
import type { IdFormatRow } from '../../../contract/ids.ts';
import { ValueReader } from '../influx/count-reader.ts';
import type { AllCounts, Frequent } from './counted-top.ts';
import type { IdCounterOptions } from './id-table.ts';
import { TextTable } from './text-table.ts';

/** As {@link IdCounter}, for ids that may be any text: all of them are kept. */
export class TextIdCounter implements AllCounts {
  readonly #stored: IdFormatRow['stored'];
  readonly #table: TextTable;
  readonly #reader: ValueReader;

  /** @param separator between an id and its counterpart, which is then counted */
  constructor(
    stored: IdFormatRow['stored'],
    separator: string,
    { mostIds = 5_000_000, memory = () => undefined }: IdCounterOptions = {},
  ) {
    this.#stored = stored;
    this.#table = new TextTable(mostIds, memory);
    const byte = separator.charCodeAt(0);
    this.#reader = new ValueReader(
      () => (_ms, bytes, from, to) => this.add(bytes, afterLast(byte, bytes, from, to), to),
    );
  }

  get distinct(): number {
    return this.#table.size;
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /** As {@link IdCounter.add}. */
  add(bytes: Uint8Array, from: number, to: number): boolean {
    if (from === to) return false;
    this.#table.add(0, bytes, from, to);
    return true;
  }

  end(): void {
    this.#reader.end();
  }

  top(n: number): TopResult['top'] {
    return this.#table.top(n, this.#stored);
  }

  /** See {@link AllCounts}. */
  frequent(most: number, least?: number): Frequent {
    return this.#table.frequent(most, least);
  }

  countOf(id: string): number {
    return this.#table.countOf(0, Buffer.from(id, 'latin1'));
  }
}

/** Where what follows the last such byte begins; `from` where there is none. */
export function afterLast(byte: number, bytes: Uint8Array, from: number, to: number): number {
  let start = to;
  while (start > from && bytes[start - 1] !== byte) start--;
  return start;
}
