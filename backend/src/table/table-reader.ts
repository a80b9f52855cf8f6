import { zstdDecompressSync } from 'node:zlib';
import { parquetMetadataAsync, parquetRead, type AsyncBuffer, type FileMetaData } from 'hyparquet';
import { UserpulseError } from '../errors.ts';
import { COLUMN_NAMES, rowsOf, type TableRow } from './columns.ts';
import { CONTENTS_KEY, parseContents, type TableContents } from './contents.ts';

/** Where the bytes of a table are. */
export interface TableBytes {
  /** For messages. */
  readonly name: string;
  readonly bytes: number;
  /** @param to excluded */
  slice(from: number, to: number): Promise<Uint8Array<ArrayBuffer>>;
}

const compressors = {
  ZSTD: (page: Uint8Array, length: number) => zstdDecompressSync(page, { maxOutputLength: Math.max(1, length) }),
};
/** The library's own decoder would drop a byte order mark at the beginning of a text. */
const parsers = {
  stringFromBytes: (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(),
  timestampFromMilliseconds: Number,
};

/** A table of which the footer has been read. */
export class TableReader {
  readonly contents: TableContents;
  readonly bytes: number;
  /** Rows of each row group, in the order of the file. */
  readonly groups: readonly number[];
  readonly #source: TableBytes;
  readonly #file: AsyncBuffer;
  readonly #metadata: FileMetaData;

  private constructor(source: TableBytes, file: AsyncBuffer, metadata: FileMetaData, contents: TableContents) {
    this.#source = source;
    this.#file = file;
    this.#metadata = metadata;
    this.contents = contents;
    this.bytes = source.bytes;
    this.groups = metadata.row_groups.map(({ num_rows }) => Number(num_rows));
  }

  /** @throws UserpulseError `archive_damaged` where this is no table of that day; what `source` throws */
  static async open(source: TableBytes, day: number): Promise<TableReader> {
    const file: AsyncBuffer = {
      byteLength: source.bytes,
      slice: async (from, to = source.bytes) => (await source.slice(from, to)).buffer,
    };
    return readable(source, async () => {
      const metadata = await parquetMetadataAsync(file);
      const names = metadata.schema
        .slice(1)
        .map(({ name }) => name)
        .join();
      if (names !== COLUMN_NAMES.join()) throw new Error(`its columns are ${names}`);
      const text = metadata.key_value_metadata?.find(({ key }) => key === CONTENTS_KEY)?.value;
      if (text === undefined) throw new Error('its footer does not say which objects it holds');
      return new TableReader(source, file, metadata, parseContents(text, day));
    });
  }

  /**
   * The rows of a row group.
   * @throws UserpulseError `archive_damaged` where they cannot be read; what the source throws
   */
  async rows(group: number): Promise<TableRow[]> {
    const rowStart = this.groups.slice(0, group).reduce((sum, rows) => sum + rows, 0);
    const rows = this.groups[group] ?? 0;
    return readable(this.#source, async () => {
      const columns = new Map<string, unknown[]>();
      await parquetRead({
        file: this.#file,
        metadata: this.#metadata,
        rowStart,
        rowEnd: rowStart + rows,
        compressors,
        parsers,
        onChunk: ({ columnName, columnData }) => {
          const values = columns.get(columnName) ?? [];
          columns.set(columnName, values);
          for (const value of columnData) values.push(value);
        },
      });
      return rowsOf(columns, rows);
    });
  }
}

async function readable<T>(source: TableBytes, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UserpulseError || (error instanceof Error && error.name === 'AbortError')) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new UserpulseError('archive_damaged', `The table ${source.name} is damaged: ${why}.`, {
      hint: 'If the NDJSON objects of that day are all there, delete the table and run "userpulse compact" for the day. Otherwise restore it from a backup or an earlier version in S3.',
      cause: error,
    });
  }
}
