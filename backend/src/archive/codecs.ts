import type { CodecName } from '../../../contract/archive-codecs.ts';
import type { ArchiveCodec } from './codec.ts';
import { gzip } from './gzip-lines.ts';
import { zstd } from './zstd-lines.ts';

export { CODEC_NAMES, DEFAULT_CODEC, type CodecName } from '../../../contract/archive-codecs.ts';

/** What stands behind the names. */
export const CODECS: Readonly<Record<CodecName, ArchiveCodec>> = { gzip, zstd };

/** The codec by how a key ends; undefined where the key is not that of an archive object. */
export const codecOfKey = (key: string): ArchiveCodec | undefined =>
  Object.values<ArchiveCodec>(CODECS).find(({ extension }) => key.endsWith(extension));
