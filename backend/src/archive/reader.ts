/** An object of the archive as a listing shows it. */
export interface StoredObject {
  /** Below the archive's own prefix or folder; see sinks/archive-keys.ts. */
  readonly key: string;
  /** Compressed. */
  readonly bytes: number;
}

/** Port: what ingest has archived, wherever that is. Reading changes nothing. */
export interface ArchiveReader {
  /** For messages: `s3://…` or `file:///…`. */
  readonly url: string;
  /**
   * Objects with `from` ≤ key < `to`, in the order of their keys (code units).
   * @throws UserpulseError `archive_unreachable`, `archive_unauthorized`, `archive_not_found`; the signal's reason when aborted
   */
  list(from: string, to: string, signal: AbortSignal): AsyncIterable<StoredObject>;
  /**
   * The object's compressed bytes as they come. A connection that breaks is taken up again where it broke.
   * @throws as {@link list}
   */
  read(key: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
}
