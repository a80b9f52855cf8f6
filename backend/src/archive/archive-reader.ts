import { UserpulseError } from '../errors.ts';

/** An object of the archive as a listing shows it. */
export interface StoredObject {
  /** Below the archive's own prefix or folder; see keys.ts. */
  readonly key: string;
  /** Compressed. */
  readonly bytes: number;
  /** Other for other content under the same key: an ETag, or what a file system knows of a file. */
  readonly version: string;
}

/** Port: what ingest has archived. Reading changes nothing. */
export interface ArchiveReader {
  /** For messages: `s3://…` or `file:///…`. */
  readonly url: string;
  /**
   * Objects with `from` ≤ key < `to`, ordered by key (code units).
   * @throws UserpulseError `archive_unreachable`, `archive_unauthorized`, `archive_not_found`; the signal's reason when aborted
   */
  list(from: string, to: string, signal: AbortSignal): AsyncIterable<StoredObject>;
  /**
   * The object's compressed bytes as they arrive. After a broken connection, reading resumes where it stopped.
   * @throws as {@link list}
   */
  read(key: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Bytes `from` (included) to `to` (excluded) of an object that may be replaced.
   * @throws as {@link list}; `archive_conflict` where it has been replaced since it was listed
   */
  slice(object: StoredObject, from: number, to: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}

/** An object was replaced while it was being read. @param where its path or address */
export const replaced = (where: string): UserpulseError =>
  new UserpulseError('archive_conflict', `${where} was replaced while it was being read.`, {
    hint: 'Another "userpulse compact" is at work, or has been. Run the same command again.',
  });
