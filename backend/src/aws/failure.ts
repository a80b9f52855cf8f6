import { networkReason } from '../network.ts';

/** The kind of failure of an AWS call. Each service's check turns it into a message. */
export type AwsFailure =
  | { readonly kind: 'unreachable'; readonly reason: string }
  | {
      readonly kind: 'unauthorized';
      readonly reason: string;
      /** What to do where the keys themselves are refused, as sentences; undefined where they are known and lack a right. */
      readonly advice: string | undefined;
    }
  | { readonly kind: 'no_credentials'; readonly reason: string }
  | { readonly kind: 'no_region'; readonly reason: string }
  | { readonly kind: 'not_found'; readonly reason: string }
  /** S3 has the bucket in another region. */
  | { readonly kind: 'wrong_region'; readonly reason: string; readonly region: string }
  | {
      readonly kind: 'other';
      readonly reason: string;
      /** The service is busy or broken for now. */
      readonly transient: boolean;
    };

const UNAUTHORIZED =
  /^(AccessDenied(Exception)?|UnrecognizedClientException|InvalidSignatureException|SignatureDoesNotMatch|InvalidAccessKeyId|IncompleteSignature(Exception)?|ExpiredToken(Exception)?|InvalidClientTokenId|MissingAuthenticationToken(Exception)?|InvalidToken|Forbidden|403|KMS(AccessDenied|Disabled|InvalidState|NotFound|OptInRequired)(Exception)?)$/;
/** Of those: the keys are unknown, expired or wrong. */
const BAD_KEYS =
  /^(UnrecognizedClientException|InvalidSignatureException|SignatureDoesNotMatch|InvalidAccessKeyId|IncompleteSignature(Exception)?|ExpiredToken(Exception)?|InvalidClientTokenId|MissingAuthenticationToken(Exception)?|InvalidToken)$/;
const NOT_FOUND = /^(ResourceNotFoundException|NoSuchBucket|NoSuchUpload|NotFound|404)$/;

const THROTTLED =
  /^(ProvisionedThroughputExceeded|LimitExceeded|KMSThrottling|Throttling|RequestLimitExceeded|TooManyRequests|SlowDown)(Exception)?$/;

/** Classifies an error of the AWS SDK. The names are the error codes of Kinesis and S3. */
export function awsFailure(error: unknown): AwsFailure {
  const failure = classified(error);
  return { ...failure, reason: firstLine(failure.reason) };
}

/**
 * AWS's response to a wrong signature repeats everything that was signed, line by line, including the session token. Only the first line is
 * shown, and without its full stop, because it becomes part of a sentence.
 */
const firstLine = (text: string): string => {
  const line = (/^.*/.exec(text.trimStart())?.[0] ?? '').replace(/\.$/, '');
  return line.length <= 300 ? line : `${line.slice(0, 300)}…`;
};

function classified(error: unknown): AwsFailure {
  if (!(error instanceof Error)) return { kind: 'other', reason: String(error), transient: false };
  const status = httpStatus(error);
  if (error.name === 'CredentialsProviderError' || /could not load credentials/i.test(error.message)) {
    return { kind: 'no_credentials', reason: error.message };
  }
  if (/region is missing/i.test(error.message)) return { kind: 'no_region', reason: error.message };
  const region = bucketRegion(error);
  if (region !== undefined) {
    return { kind: 'wrong_region', reason: `the bucket is in region ${region}`, region };
  }
  if (UNAUTHORIZED.test(error.name) || status === 401 || status === 403) {
    return {
      kind: 'unauthorized',
      reason: error.message,
      advice: BAD_KEYS.test(error.name) ? renewal(error) : undefined,
    };
  }
  if (NOT_FOUND.test(error.name) || status === 404) return { kind: 'not_found', reason: error.message };
  if (status === undefined) return { kind: 'unreachable', reason: networkReason(error) };
  return {
    kind: 'other',
    reason: `${error.name}: ${error.message === '' ? `HTTP status ${status}` : error.message}`,
    transient: THROTTLED.test(error.name) || status === 429 || (status >= 500 && status !== 501),
  };
}

/**
 * S3 names the region of a bucket in a header of every answer. A redirect, or a refusal of the signature's region, means that it is another one.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
 */
function bucketRegion(error: Error): string | undefined {
  const status = httpStatus(error);
  if (status !== 301 && status !== 400) return undefined;
  const response = '$response' in error ? error.$response : undefined;
  const headers =
    typeof response === 'object' && response !== null && 'headers' in response
      ? (response.headers as Readonly<Record<string, string | undefined>>)
      : {};
  // The body of AuthorizationHeaderMalformed names the region that the signature should have had.
  const said = 'Region' in error && typeof error.Region === 'string' ? error.Region : undefined;
  return status === 301 || error.name === 'AuthorizationHeaderMalformed'
    ? (headers['x-amz-bucket-region'] ?? said)
    : undefined;
}

/** HTTP status of an error of the AWS SDK; undefined where there was no answer. */
export function httpStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  const metadata = error.$metadata;
  return typeof metadata === 'object' &&
    metadata !== null &&
    'httpStatusCode' in metadata &&
    typeof metadata.httpStatusCode === 'number'
    ? metadata.httpStatusCode
    : undefined;
}

/** @param error marked by aws/credentials.ts where the keys came from variables */
const renewal = (error: Error): string =>
  'credentialsFrom' in error && error.credentialsFrom === 'variables'
    ? 'Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to valid keys and restart: a running process does not see the change. Keys in a shared credentials file, or of a role, are looked up anew.'
    : 'Provide valid keys where these came from: they are looked up anew before each attempt.';

export const CREDENTIALS_HINT =
  'Provide AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, set AWS_PROFILE, or attach a role.';
export const REGION_HINT = 'Set AWS_REGION, for example AWS_REGION=eu-west-1.';
