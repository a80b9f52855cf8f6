import type { ArchiveCodec } from './codec.ts';
import { gzip } from './gzip-lines.ts';

/** What archive objects may be compressed with. Checkpoints refer to a codec by its name here, so a name keeps its meaning. */
export const CODECS = { gzip } as const satisfies Readonly<Record<string, ArchiveCodec>>;
export type CodecName = keyof typeof CODECS;
/** What new objects are compressed with. */
export const DEFAULT_CODEC: CodecName = 'gzip';
export const CODEC_NAMES = Object.keys(CODECS) as readonly CodecName[];

/** The codec by how a key ends; undefined where the key is not that of an archive object. */
export const codecOfKey = (key: string): ArchiveCodec | undefined =>
  Object.values<ArchiveCodec>(CODECS).find(({ extension }) => key.endsWith(extension));
