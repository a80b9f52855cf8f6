import type { CodecName } from './codecs.ts';

/** What is written under a key: the same key always has the same content. */
export interface ArchiveObject {
  /** Below the archive's own prefix or folder; see keys.ts. */
  readonly key: string;
  readonly codec: CodecName;
  readonly chunks: readonly Uint8Array[];
  /** Sum of the chunks' lengths. */
  readonly bytes: number;
  /** Hex, of the lines before compression. */
  readonly contentSha256: string;
}

/** Port: where ingest keeps raw events. Transient failures are retried until the signal is aborted; an object is never replaced. */
export interface ArchiveWriter {
  /** For messages: `s3://…` or `file:///…`. */
  readonly url: string;
  /** What new objects are compressed with. */
  readonly codec: CodecName;
  /**
   * Resolves when the object is durable. Equal content that is there already is success: a redo after a crash.
   * @throws UserpulseError `archive_conflict` when the key holds other content; the signal's reason when aborted
   */
  put(object: ArchiveObject, signal: AbortSignal): Promise<void>;
  /**
   * The keys that begin with `prefix`, in any order.
   * @param prefix at least a day's folder: `YYYY/MM/DD/`
   * @throws as {@link put}
   */
  keysBelow(prefix: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Since when (ms since 1970) nothing can be written to it, or to a part of it; undefined where all is well. */
  readonly troubleSinceMs: number | undefined;
  close(): void;
}

/** How a key may come to hold other content: the first part of the hint of `archive_conflict`. */
export const CONFLICT_CAUSE =
  'Two ingests with different checkpoints may be writing to this archive, or the checkpoint was restored by hand.';

/** The hint of `archive_unsupported`. */
export const NEED_CONDITIONS =
  'Ingest never replaces an object, and needs conditional writes for that. Use a store that has them (S3 itself has), or a folder: USERPULSE_ARCHIVE=file:///DIR.';
