import type { TopResult } from '../../../contract/answers.ts';
import type { IdFormatRow } from '../../../contract/ids.ts';
import { ValueReader } from '../influx/count-reader.ts';
import type { Frequent } from './counted-top.ts';
import type { IdCounterOptions } from './id-table.ts';
import { TextTable } from './text-table.ts';

/** As IdCounter, for ids that may be any text: all of them are kept. */
export class TextIdCounter {
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
    this.#reader = new ValueReader(() => (_ms, bytes, from, to) => {
      const start = afterLast(byte, bytes, from, to);
      if (start === to) return false;
      this.#table.add(0, bytes, start, to);
      return true;
    });
  }

  get distinct(): number {
    return this.#table.size;
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  end(): void {
    this.#reader.end();
  }

  top(n: number): TopResult['top'] {
    return this.#table.top(n, this.#stored);
  }

  /** See {@link Frequent}. */
  frequent(most: number): Frequent {
    return this.#table.frequent(most);
  }
}

/** Where what follows the last such byte begins; `from` where there is none. */
export function afterLast(byte: number, bytes: Uint8Array, from: number, to: number): number {
  let start = to;
  while (start > from && bytes[start - 1] !== byte) start--;
  return start;
}
