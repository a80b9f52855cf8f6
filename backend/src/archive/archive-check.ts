import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { awsFailure, CREDENTIALS_HINT, REGION_HINT } from '../aws/failure.ts';
import {
  failed,
  passed,
  unavailable,
  type Check,
  type CheckDepth,
  type CheckResult,
  type FailedCheck,
} from '../check.ts';
import { NEED_CONDITIONS } from './archive-writer.ts';
import { folderState } from '../files/folder.ts';
import { probeS3, type S3ProbeResult } from './s3-probe.ts';

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

/** Does the archive's bucket or folder exist, and can it do what ingest needs? */
export function archiveCheck(target: ArchiveTarget, depth: CheckDepth): Check {
  return {
    name: 'archive',
    run: (signal) =>
      target.kind === 'file' ? checkFolder(fileURLToPath(target.url), depth) : checkBucket(target, depth, signal),
  };
}

async function checkFolder(folder: string, depth: CheckDepth): Promise<CheckResult> {
  const state = await folderState(folder, depth);
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
        state.unauthorized ? 'archive_unauthorized' : 'archive_unreachable',
        `The archive folder ${folder} (USERPULSE_ARCHIVE) is not writable: ${state.reason}.`,
        state.unauthorized
          ? 'Give this user write access to it, or set USERPULSE_ARCHIVE to another folder.'
          : 'Free space on that disk, or set USERPULSE_ARCHIVE to a folder on another one.',
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

async function checkBucket(target: S3ArchiveTarget, depth: CheckDepth, signal: AbortSignal): Promise<CheckResult> {
  const bucket = target.url.hostname;
  try {
    await findBucket(target.s3, bucket, signal);
    if (depth === 'look') return passed('archive', `S3 bucket ${bucket} is accessible.`);
    return judgeProbe(target, await probeS3(target.s3, target.url, signal));
  } catch (error) {
    return archiveFailure(target, error);
  }
}

/**
 * Whether a bucket exists and may be listed: as HeadBucket, whose answer has no body that could say why it failed.
 * @throws the SDK's error
 */
export async function findBucket(s3: S3Client, bucket: string, signal: AbortSignal): Promise<void> {
  await s3.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 }), { abortSignal: signal });
}

/** What a trial of the bucket means. */
export function judgeProbe(target: S3ArchiveTarget, result: S3ProbeResult): CheckResult {
  const bucket = target.url.hostname;
  const where = `${serverOf(target)}, bucket "${bucket}" (USERPULSE_ARCHIVE)`;
  switch (result.kind) {
    case 'capable':
      return passed(
        'archive',
        `S3 bucket ${bucket} takes conditional writes, in one request and in parts, and reads back what was written.` +
          (result.plainETags ? '' : ' Its ETags are no MD5 sums, so ingest reads each object back.') +
          (result.left === undefined
            ? ''
            : ` The credentials may not delete the object of this check, ${result.left}.`),
      );
    case 'failed': {
      const failure = archiveFailure(target, result.error);
      return failure.code === 'archive_unauthorized'
        ? { ...failure, message: `${failure.message.replace(/\.$/, '')} (${result.action} on ${result.key}).` }
        : failure;
    }
    case 'no_conditions':
      return failed(
        'archive',
        'archive_unsupported',
        `${where}, cannot write conditionally (If-None-Match): it returned ${awsFailure(result.error).reason}.`,
        NEED_CONDITIONS,
      );
    case 'condition_ignored':
      return failed(
        'archive',
        'archive_unsupported',
        `${where}, ignores If-None-Match: a second write ${result.how} replaced the object of this check.`,
        NEED_CONDITIONS,
      );
    case 'altered':
      return failed(
        'archive',
        'archive_unsupported',
        `${where}, does not return what was written to it (object ${result.key}).`,
        'Check what stands between this machine and the S3 server, and the log of that server.',
      );
    default:
      return result satisfies never;
  }
}

const serverOf = (target: S3ArchiveTarget): string =>
  target.endpoint === undefined
    ? `S3 in ${target.region ?? 'the default region'} (AWS_REGION)`
    : `S3 at ${target.endpoint} (AWS_ENDPOINT_URL_S3)`;

/** A failed call to S3, with the settings to correct. */
export function archiveFailure(target: S3ArchiveTarget, error: unknown): FailedCheck {
  const bucket = target.url.hostname;
  const failure = awsFailure(error);
  const where = serverOf(target);
  switch (failure.kind) {
    case 'not_found':
      return failed(
        'archive',
        'archive_not_found',
        `S3 bucket "${bucket}" (USERPULSE_ARCHIVE) does not exist in ${where}.`,
        'Create it with "userpulse setup --create", or correct USERPULSE_ARCHIVE.',
      );
    case 'wrong_region':
      return failed(
        'archive',
        'archive_not_found',
        `S3 bucket "${bucket}" (USERPULSE_ARCHIVE) is in region ${failure.region}, not in ${target.region ?? 'the default region'}.`,
        `Set USERPULSE_ARCHIVE_REGION=${failure.region}, or USERPULSE_ARCHIVE to a bucket in that region.`,
      );
    case 'unauthorized':
      return failed(
        'archive',
        'archive_unauthorized',
        `${where} denies access to bucket "${bucket}" (USERPULSE_ARCHIVE)${failure.reason === '' || failure.reason === 'UnknownError' ? '' : `: ${failure.reason}`}.`,
        failure.advice ??
          'The credentials need s3:ListBucket, s3:PutObject, s3:GetObject and s3:AbortMultipartUpload on the bucket, and, if a KMS key encrypts it, kms:GenerateDataKey and kms:Decrypt on that key.',
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
      return unavailable(
        'archive',
        'archive_unreachable',
        `${where} cannot be reached: ${failure.reason}.`,
        target.endpoint === undefined
          ? 'Check AWS_REGION, and that this machine can reach AWS.'
          : 'Start the S3 server, or correct AWS_ENDPOINT_URL_S3.',
      );
    case 'other':
      return (failure.transient ? unavailable : failed)(
        'archive',
        'archive_unreachable',
        `${where} returned an error for bucket "${bucket}" (USERPULSE_ARCHIVE): ${failure.reason}.`,
        'Try again. If the error persists, check the log of the S3 server.',
      );
    default:
      return failure satisfies never;
  }
}
