/**
 * What archive objects may be compressed with (USERPULSE_ARCHIVE_CODEC). Checkpoints refer to a codec by its name, so a name keeps its meaning.
 */
export const CODEC_NAMES = ['gzip', 'zstd'] as const;
export type CodecName = (typeof CODEC_NAMES)[number];
/** What new objects are compressed with unless the setting says otherwise, and what the archive's own notes always are. */
export const DEFAULT_CODEC: CodecName = 'gzip';
