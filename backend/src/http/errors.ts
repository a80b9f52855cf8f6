import type { FastifyError } from 'fastify';
import { STATUS, UserpulseError, type ErrorCode } from '../errors.ts';
import { describeIssues, issuesOf } from './issues.ts';

export { STATUS };

/** Body of every answer that is not a success. */
export interface ErrorBody {
  readonly error: { readonly code: ErrorCode; readonly message: string };
}

/** An error as it goes to the caller. */
export interface HttpError {
  readonly status: number;
  readonly body: ErrorBody;
  readonly headers: Readonly<Record<string, string>>;
  /** A defect of ours, to be logged with its stack. */
  readonly unexpected: boolean;
}

/** Seconds after which a refused call may be worth repeating. */
const RETRY_AFTER_S = '1';
const RETRIED: ReadonlySet<number> = new Set([429, 503]);

/** The answer to a failure. Only our own errors show their words: what a library says may name addresses or secrets. */
export function httpError(error: unknown, bodyLimitBytes: number): HttpError {
  if (error instanceof UserpulseError) return answer(error.code, error.describe());
  const fastify = fastifyFailure(error, bodyLimitBytes);
  if (fastify !== undefined) return fastify;
  return {
    ...answer('internal', 'Something went wrong here that should not. The log of the server says what.'),
    unexpected: true,
  };
}

export function answer(code: ErrorCode, message: string): HttpError {
  return {
    status: STATUS[code],
    body: { error: { code, message } },
    headers: {
      ...(RETRIED.has(STATUS[code]) ? { 'retry-after': RETRY_AFTER_S } : {}),
      ...(code === 'unauthorized' ? { 'www-authenticate': 'Bearer realm="userpulse"' } : {}),
    },
    unexpected: false,
  };
}

/** Fastify's own refusals, by their codes: https://fastify.dev/docs/latest/Reference/Errors/ */
function fastifyFailure(error: unknown, bodyLimitBytes: number): HttpError | undefined {
  if (!isFastifyError(error)) return undefined;
  const issues = issuesOf(error);
  if (issues !== undefined) return answer('bad_request', describeIssues(issues, error.validationContext ?? 'body'));
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return answer(
        'payload_too_large',
        `The body is larger than ${bodyLimitBytes / 1024} KiB. Ask for less at once, in several requests.`,
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return answer(
        'unsupported_media_type',
        'The body must be JSON: send it with the header "Content-Type: application/json".',
      );
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return answer('bad_request', 'The body is empty: send the request as JSON.');
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return answer('bad_request', 'The body is not JSON: see whether every quote, comma and bracket is in its place.');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return answer('bad_request', 'The body has another length than its Content-Length header says.');
    case 'FST_ERR_BAD_URL':
      return answer(
        'bad_request',
        'The address is malformed: percent-encode everything that is not a letter, digit or -._~.',
      );
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return answer('bad_request', 'The id in the path is too long.');
    default:
      break;
  }
  // Body parsers throw plain syntax errors with a status of their own.
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return answer('bad_request', `The request cannot be read: ${error.message}.`);
  }
  return undefined;
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && ('code' in error || 'statusCode' in error || 'validation' in error);
}
