import { HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { awsFailure, CREDENTIALS_HINT, REGION_HINT } from '../aws/failure.ts';
import { failed, passed, type Check, type CheckResult, type FailedCheck } from '../check.ts';
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

/** Does the archive's bucket or folder exist, and may it be used? Writes nothing. */
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
      return passed('archive', `Folder ${folder} is writable.`);
    case 'absent':
      return passed('archive', `Folder ${folder} does not exist yet; the first write creates it.`);
    case 'not_a_folder':
      return failed(
        'archive',
        'archive_unreachable',
        `The archive folder ${folder} (USERPULSE_ARCHIVE) cannot be created: ${state.path} is a file.`,
        'Set USERPULSE_ARCHIVE to another folder.',
      );
    case 'denied':
      return failed(
        'archive',
        'archive_unauthorized',
        `The archive folder ${folder} (USERPULSE_ARCHIVE) is not writable: ${state.reason}.`,
        'Give this user write access to it, or set USERPULSE_ARCHIVE to another folder.',
      );
    default:
      return state satisfies never;
  }
}

/** Creates the archive folder, for `setup --create`. @returns whether it was missing */
export async function createArchiveFolder(url: URL): Promise<boolean> {
  return (await mkdir(fileURLToPath(url), { recursive: true })) !== undefined;
}

export type S3ArchiveTarget = Extract<ArchiveTarget, { kind: 's3' }>;

async function checkBucket(target: S3ArchiveTarget, signal: AbortSignal): Promise<CheckResult> {
  try {
    await target.s3.send(new HeadBucketCommand({ Bucket: target.url.hostname }), { abortSignal: signal });
    return passed('archive', `S3 bucket ${target.url.hostname} is accessible.`);
  } catch (error) {
    return archiveFailure(target, error);
  }
}

/** A failed call to S3, with the settings to correct. */
export function archiveFailure(target: S3ArchiveTarget, error: unknown): FailedCheck {
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
        'Create it with "userpulse setup --create", or correct USERPULSE_ARCHIVE.',
      );
    case 'unauthorized':
      return failed(
        'archive',
        'archive_unauthorized',
        `${where} denies access to bucket "${bucket}" (USERPULSE_ARCHIVE)${failure.reason === '' || failure.reason === 'UnknownError' ? '' : `: ${failure.reason}`}.`,
        'The credentials need s3:ListBucket, s3:PutObject, s3:GetObject and s3:AbortMultipartUpload on the bucket.',
      );
    case 'no_credentials':
      return failed(
        'archive',
        'archive_unauthorized',
        `No AWS credentials were found for S3 bucket "${bucket}" (USERPULSE_ARCHIVE).`,
        CREDENTIALS_HINT,
      );
    case 'no_region':
      return failed(
        'archive',
        'config_invalid',
        `AWS_REGION is not set. It is needed for S3 bucket "${bucket}" (USERPULSE_ARCHIVE).`,
        REGION_HINT,
      );
    case 'unreachable':
      return failed(
        'archive',
        'archive_unreachable',
        `${where} cannot be reached: ${failure.reason}.`,
        target.endpoint === undefined
          ? 'Check AWS_REGION, and that this machine can reach AWS.'
          : 'Start the S3 server, or correct AWS_ENDPOINT_URL_S3.',
      );
    case 'other':
      return failed(
        'archive',
        'archive_unreachable',
        `${where} returned an error for bucket "${bucket}" (USERPULSE_ARCHIVE): ${failure.reason}.`,
        'Try again. If the error persists, check the log of the S3 server.',
      );
    default:
      return failure satisfies never;
  }
}
