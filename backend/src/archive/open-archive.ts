import type { Logger } from 'pino';
import { systemClock, type Clock } from '../clock.ts';
import type { ArchiveTarget } from './archive-check.ts';
import type { ArchiveReader } from './archive-reader.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import type { CodecName } from './codecs.ts';
import { FileArchiveReader } from './file-reader.ts';
import { FileTables } from './file-tables.ts';
import { FileArchiveWriter } from './file-writer.ts';
import { S3ArchiveReader } from './s3-reader.ts';
import { S3Tables } from './s3-tables.ts';
import { S3ArchiveWriter } from './s3-writer.ts';
import type { TableStore } from './table-store.ts';

/** A reader for the archive that USERPULSE_ARCHIVE names. */
export const openArchiveReader = (target: ArchiveTarget): ArchiveReader =>
  target.kind === 's3' ? new S3ArchiveReader(target, systemClock) : new FileArchiveReader(target.url);

/**
 * The tables of the archive that USERPULSE_ARCHIVE names.
 * @param temporary folder for a table that is on its way to S3
 */
export const openTables = (target: ArchiveTarget, temporary: string): TableStore =>
  target.kind === 's3' ? new S3Tables(target, temporary, systemClock) : new FileTables(target.url);

/** A writer for the archive that USERPULSE_ARCHIVE names. */
export function openArchiveWriter(
  target: ArchiveTarget,
  options: {
    /** What new objects are compressed with. */
    readonly codec: CodecName;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly onRetry: (reason: string) => void;
  },
): ArchiveWriter {
  const { url } = target;
  return target.kind === 's3'
    ? new S3ArchiveWriter({ ...options, url, client: target.s3 })
    : new FileArchiveWriter({ ...options, url });
}
