/** An object of the archive as a listing shows it. */
export interface StoredObject {
  /** Below the archive's own prefix or folder; see keys.ts. */
  readonly key: string;
  /** Compressed. */
  readonly bytes: number;
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
}
