import { UserpulseError } from '../errors.ts';

/** One CSV row of an answer: the values by column, in the order of the header. */
export type RowHandler = (values: readonly string[]) => void;

/**
 * Reads InfluxDB's CSV answer without annotations as it arrives
 * (https://docs.influxdata.com/influxdb/v2/reference/syntax/annotated-csv/): tables are parted by an empty line, each begins with its
 * header, and an error that occurs half-way comes as a table of its own with the columns `error` and `reference`.
 */
export class CsvReader {
  readonly #onTable: (columns: readonly string[]) => RowHandler;
  #rest = '';
  #row: RowHandler | undefined;

  constructor(onTable: (columns: readonly string[]) => RowHandler) {
    this.#onTable = onTable;
  }

  /** @throws UserpulseError query_failed, for an error table */
  push(text: string): void {
    const all = this.#rest === '' ? text : this.#rest + text;
    let start = 0;
    for (let from = 0; ;) {
      const newline = all.indexOf('\n', from);
      if (newline === -1) break;
      const record = all.slice(start, all.charCodeAt(newline - 1) === 13 && newline > start ? newline - 1 : newline);
      if (insideQuotes(record)) {
        from = newline + 1;
        continue;
      }
      this.#record(record);
      start = from = newline + 1;
    }
    this.#rest = all.slice(start);
  }

  end(): void {
    if (this.#rest !== '') this.#record(this.#rest.replace(/\r$/, ''));
    this.#rest = '';
  }

  #record(record: string): void {
    if (record === '') {
      this.#row = undefined;
      return;
    }
    const values = record.includes('"') ? splitQuoted(record) : record.split(',');
    if (this.#row !== undefined) {
      this.#row(values);
      return;
    }
    const error = values.indexOf('error');
    this.#row =
      error !== -1 && values.includes('reference')
        ? (row) => {
            throw new UserpulseError(
              'query_failed',
              `InfluxDB could not finish the query: ${row[error] ?? 'no reason given'}`,
            );
          }
        : this.#onTable(values);
  }
}

/** Whether a quote is still open: what looked like the end of a record is a line break in a value. */
function insideQuotes(record: string): boolean {
  let open = false;
  for (let at = record.indexOf('"'); at !== -1; at = record.indexOf('"', at + 1)) open = !open;
  return open;
}

function splitQuoted(record: string): string[] {
  const values: string[] = [];
  for (let at = 0; at <= record.length;) {
    if (record[at] === '"') {
      let end = at + 1;
      // A quote within a value is doubled.
      while (end < record.length && (record[end] !== '"' || record[end + 1] === '"'))
        end += record[end] === '"' ? 2 : 1;
      values.push(record.slice(at + 1, end).replaceAll('""', '"'));
      at = end + 2;
    } else {
      const comma = record.indexOf(',', at);
      const end = comma === -1 ? record.length : comma;
      values.push(record.slice(at, end));
      at = end + 1;
    }
  }
  return values;
}
