import type { IdFormats } from '../../../contract/ids.ts';
import { open, type FileHandle } from 'node:fs/promises';
import { constants, zstdCompressSync } from 'node:zlib';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { VERSION } from '../version.ts';
import { columnsOf, schemaOf, type TableRow } from './columns.ts';
import { CONTENTS_KEY, contentsText, type TableContents } from './contents.ts';

/** Level 3 is zstd's default. The checksum makes every reader notice a page that has changed. */
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 } };
/** Of a text's minimum and maximum in the statistics: a share ID is whole. */
const STATISTICS_BYTES = 32;

/** Holds what is encoded until it is written to the file. */
class FileWriter extends ByteWriter {
  readonly #file: FileHandle;
  constructor(file: FileHandle) {
    super();
    this.#file = file;
  }

  /** Called by the ParquetWriter after each row group. */
  async flush(): Promise<void> {
    // writeFile writes all of it; write may do less.
    await this.#file.writeFile(this.getBytes());
    this.index = 0;
  }
}

/** A Parquet file that is being written, a row group at a time. In memory: the row group, and the footer of those before. */
export class TableFile {
  readonly #file: FileHandle;
  readonly #writer: FileWriter;
  readonly #parquet: ParquetWriter;
  readonly #ids: IdFormats;

  private constructor(file: FileHandle, contents: TableContents, ids: IdFormats) {
    this.#file = file;
    this.#ids = ids;
    this.#writer = new FileWriter(file);
    this.#parquet = new ParquetWriter({
      writer: this.#writer,
      schema: [...schemaOf(ids)],
      codec: 'ZSTD',
      compressors: { ZSTD: (page) => zstdCompressSync(page, ZSTD) },
      statisticsTruncateLength: STATISTICS_BYTES,
      kvMetadata: [{ key: CONTENTS_KEY, value: contentsText(contents) }],
      createdBy: `userpulse version ${VERSION}`,
    });
  }

  /** @param path replaced if it exists */
  static async create(path: string, contents: TableContents, ids: IdFormats): Promise<TableFile> {
    return new TableFile(await open(path, 'w', 0o640), contents, ids);
  }

  /** Writes a row group. */
  async add(rows: readonly TableRow[]): Promise<void> {
    await this.#parquet.write({ columnData: columnsOf(rows, this.#ids), rowGroupSize: rows.length });
  }

  /** Writes the footer, and makes the file durable. */
  async finish(): Promise<void> {
    await this.#parquet.finish();
    await this.#writer.flush();
    await this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
