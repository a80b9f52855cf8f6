import { HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { awsFailure, CREDENTIALS_HINT, REGION_HINT } from '../aws/failure.ts';
import { failed, passed, type Check, type CheckResult } from '../check.ts';
import { folderState } from '../files/folder.ts';

/** Where the archive is. An S3 archive comes with the client that the command uses anyway. */
export type ArchiveTarget =
  | { readonly kind: 'file'; readonly url: URL }
  | {
      readonly kind: 's3';
      readonly url: URL;
      readonly s3: S3Client;
      /** AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL where one is set. */
      readonly endpoint: string | undefined;
      readonly region: string | undefined;
    };

/** Is the archive's bucket or folder there and open to us? Writes nothing. */
export function archiveCheck(target: ArchiveTarget): Check {
  return {
    name: 'archive',
    run: (signal) => (target.kind === 'file' ? checkFolder(fileURLToPath(target.url)) : checkBucket(target, signal)),
  };
}

async function checkFolder(folder: string): Promise<CheckResult> {
  const state = await folderState(folder);
  switch (state.kind) {
    case 'writable':
      return passed('archive', `Folder ${folder} can be written.`);
    case 'absent':
      return passed('archive', `Folder ${folder} will be made on the first write.`);
    case 'not_a_folder':
      return failed(
        'archive',
        'archive_unreachable',
        `The archive ${folder} (USERPULSE_ARCHIVE) cannot be a folder: ${state.path} is a file.`,
        'Set USERPULSE_ARCHIVE to another folder.',
      );
    case 'denied':
      return failed(
        'archive',
        'archive_unauthorized',
        `The archive folder ${folder} (USERPULSE_ARCHIVE) cannot be written: ${state.reason}.`,
        'Give this user the right to write there, or set USERPULSE_ARCHIVE to another folder.',
      );
    default:
      return state satisfies never;
  }
}

/** Makes the archive folder; used by `setup --create`. @returns whether it was missing */
export async function createArchiveFolder(url: URL): Promise<boolean> {
  return (await mkdir(fileURLToPath(url), { recursive: true })) !== undefined;
}

type S3Target = Extract<ArchiveTarget, { kind: 's3' }>;

async function checkBucket(target: S3Target, signal: AbortSignal): Promise<CheckResult> {
  try {
    await target.s3.send(new HeadBucketCommand({ Bucket: target.url.hostname }), { abortSignal: signal });
    return passed('archive', `S3 bucket ${target.url.hostname} can be reached.`);
  } catch (error) {
    return archiveFailure(target, error);
  }
}

/** A failed call to S3 in the words of the settings. */
export function archiveFailure(target: S3Target, error: unknown): CheckResult {
  const bucket = target.url.hostname;
  const failure = awsFailure(error);
  const where =
    target.endpoint === undefined
      ? `S3 in ${target.region ?? 'the default region'} (AWS_REGION)`
      : `S3 at ${target.endpoint} (AWS_ENDPOINT_URL_S3)`;
  switch (failure.kind) {
    case 'not_found':
      return failed(
        'archive',
        'archive_not_found',
        `S3 bucket "${bucket}" (USERPULSE_ARCHIVE) does not exist in ${where}.`,
        '"userpulse setup --create" makes it; or correct USERPULSE_ARCHIVE.',
      );
    case 'unauthorized':
      return failed(
        'archive',
        'archive_unauthorized',
        `${where} does not let these credentials use bucket "${bucket}" (USERPULSE_ARCHIVE)${failure.reason === '' || failure.reason === 'UnknownError' ? '' : `: ${failure.reason}`}.`,
        'The credentials need s3:ListBucket, PutObject, GetObject and AbortMultipartUpload on the bucket.',
      );
    case 'no_credentials':
      return failed(
        'archive',
        'archive_unauthorized',
        `No AWS credentials for S3 bucket "${bucket}" (USERPULSE_ARCHIVE) were found.`,
        CREDENTIALS_HINT,
      );
    case 'no_region':
      return failed(
        'archive',
        'config_invalid',
        `AWS_REGION is not set, so S3 bucket "${bucket}" (USERPULSE_ARCHIVE) cannot be found.`,
        REGION_HINT,
      );
    case 'unreachable':
      return failed(
        'archive',
        'archive_unreachable',
        `${where} cannot be reached: ${failure.reason}.`,
        target.endpoint === undefined
          ? 'See whether AWS_REGION is right and this machine can reach AWS.'
          : 'Start the S3 server, or correct AWS_ENDPOINT_URL_S3.',
      );
    case 'other':
      return failed(
        'archive',
        'archive_unreachable',
        `${where} answered for bucket "${bucket}" (USERPULSE_ARCHIVE): ${failure.reason}.`,
        'Try again; if it lasts, look at the log of the S3 server.',
      );
    default:
      return failure satisfies never;
  }
}
