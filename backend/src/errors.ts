import { sentence, sentences } from './format.ts';

/** The code of every failure that Userpulse reports. The list is closed: a new kind of failure gets a new code here. */
export type ErrorCode =
  | 'config_invalid'
  | 'bad_request'
  | 'not_found'
  | 'method_not_allowed'
  | 'unauthorized'
  | 'payload_too_large'
  | 'answer_too_large'
  | 'unsupported_media_type'
  | 'overloaded'
  | 'too_many_windows'
  | 'influx_unreachable'
  | 'influx_unauthorized'
  | 'influx_not_found'
  | 'influx_rejected'
  | 'influx_unavailable'
  | 'query_failed'
  | 'query_timeout'
  | 'stream_not_found'
  | 'stream_unreachable'
  | 'stream_unauthorized'
  | 'archive_unreachable'
  | 'archive_unauthorized'
  | 'archive_not_found'
  | 'archive_unsupported'
  | 'archive_conflict'
  | 'archive_damaged'
  | 'archive_locked'
  | 'checkpoint_unusable'
  | 'checkpoint_locked'
  | 'checkpoint_trimmed'
  | 'input_unreadable'
  | 'drain_timeout'
  | 'aborted'
  | 'internal';

/** The HTTP status of a failure: of a response, or of one query within a response. */
export const STATUS: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  too_many_windows: 400,
  input_unreadable: 400,
  unauthorized: 401,
  not_found: 404,
  method_not_allowed: 405,
  payload_too_large: 413,
  answer_too_large: 413,
  unsupported_media_type: 415,
  overloaded: 429,
  aborted: 503,
  // InfluxDB is reachable but refuses what we send: the operator can correct that, the caller cannot.
  influx_unauthorized: 502,
  influx_not_found: 502,
  influx_rejected: 502,
  query_failed: 502,
  influx_unreachable: 503,
  influx_unavailable: 503,
  query_timeout: 504,
  stream_not_found: 503,
  stream_unreachable: 503,
  stream_unauthorized: 503,
  archive_unreachable: 503,
  archive_unauthorized: 503,
  archive_not_found: 503,
  archive_unsupported: 503,
  archive_conflict: 503,
  archive_damaged: 503,
  archive_locked: 503,
  checkpoint_unusable: 503,
  checkpoint_locked: 503,
  checkpoint_trimmed: 503,
  drain_timeout: 503,
  config_invalid: 500,
  internal: 500,
};

export interface UserpulseErrorOptions {
  /** The next step for the reader. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** What happened, to what, and the next step. */
export class UserpulseError extends Error {
  override readonly name = 'UserpulseError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: UserpulseErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  /** Message and hint as one text, for people. */
  describe(): string {
    return this.hint === undefined
      ? this.message
      : this.message.includes('\n')
        ? `${this.message}\n${sentence(this.hint)}`
        : sentences(this.message, this.hint);
  }
}
