import type { ArchiveTarget } from './check.ts';
import { systemClock } from '../clock.ts';
import { FileArchiveReader } from './reader-file.ts';
import { S3ArchiveReader } from './reader-s3.ts';
import type { ArchiveReader } from './reader.ts';

/** The reader for where USERPULSE_ARCHIVE points to. */
export const openArchive = (target: ArchiveTarget): ArchiveReader =>
  target.kind === 's3' ? new S3ArchiveReader(target, systemClock) : new FileArchiveReader(target.url);
