/** What is written under a key: the same key always has the same content. */
export interface ArchiveObject {
  /** Below the archive's own prefix or folder; see archive-keys.ts. */
  readonly key: string;
  readonly chunks: readonly Uint8Array[];
  /** Sum of the chunks' lengths. */
  readonly bytes: number;
  /** Hex, of the lines before compression. */
  readonly contentSha256: string;
}

/**
 * Where raw events are kept. Implementations retry what may mend itself until the signal is aborted; they never replace an object by other content.
 */
export interface Archive {
  /** For messages: `s3://…` or `file:///…`. */
  readonly url: string;
  /**
   * Resolves when the object is durable. Content that is there already is success: a redo after a crash.
   * @throws UserpulseError `archive_conflict` when the key holds other content; the signal's reason when aborted
   */
  put(object: ArchiveObject, signal: AbortSignal): Promise<void>;
  close(): void;
}
