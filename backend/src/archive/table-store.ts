import type { StoredObject } from './archive-reader.ts';

/** What an object of an archive is, for whoever fetches it. */
export interface ObjectKind {
  readonly contentType: string;
  /** Hex, of what it holds before compression; see ArchiveObject. */
  readonly contentSha256?: string;
}

export const TABLE_KIND: ObjectKind = { contentType: 'application/vnd.apache.parquet' };

/** Port: what `compact` and `forget` change in an archive. */
export interface TableStore {
  /** For messages: `s3://…` or `file:///…`. */
  readonly url: string;
  /** Where an object is written before it gets its place. */
  readonly workFolder: string;
  /**
   * Makes a local file the object of a key, in one step: a reader finds what was there before, or all of this. Resolves when it is durable, and has
   * been read back.
   * @param path in {@link workFolder}; it may be gone afterwards
   * @param before what the key is known to hold; absent: nothing
   * @throws UserpulseError `archive_conflict` where the key holds something else; those of ArchiveReader; the signal's reason when aborted
   */
  put(
    key: string,
    path: string,
    before: StoredObject | undefined,
    kind: ObjectKind,
    signal: AbortSignal,
  ): Promise<void>;
  /** Removes objects; those that are gone already count as removed. @throws as {@link put} */
  remove(keys: readonly string[], signal: AbortSignal): Promise<void>;
}
