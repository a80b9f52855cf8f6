/** Every failure that Userpulse itself reports has one of these codes. The list is closed: a new failure gets a new code here. */
export type ErrorCode =
  | 'config_invalid'
  | 'bad_request'
  | 'not_found'
  | 'method_not_allowed'
  | 'unauthorized'
  | 'payload_too_large'
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
  | 'archive_conflict'
  | 'archive_damaged'
  | 'checkpoint_unusable'
  | 'checkpoint_locked'
  | 'checkpoint_trimmed'
  | 'too_many_rejected'
  | 'input_unreadable'
  | 'drain_timeout'
  | 'aborted'
  | 'internal';

/** The one place where a failure gets its HTTP status: of an answer, or of one query within an answer. */
export const STATUS: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  too_many_windows: 400,
  input_unreadable: 400,
  unauthorized: 401,
  not_found: 404,
  method_not_allowed: 405,
  payload_too_large: 413,
  unsupported_media_type: 415,
  overloaded: 503,
  aborted: 503,
  // InfluxDB is there but refuses what we send: the caller cannot mend it, the operator can.
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
  archive_conflict: 503,
  archive_damaged: 503,
  checkpoint_unusable: 503,
  checkpoint_locked: 503,
  checkpoint_trimmed: 503,
  too_many_rejected: 503,
  drain_timeout: 503,
  config_invalid: 500,
  internal: 500,
};

/** Codes that a repeat of the same call may mend. Kept here so that no caller decides it again. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'influx_unreachable',
  'influx_unavailable',
  'stream_unreachable',
  'archive_unreachable',
  'query_timeout',
  'overloaded',
]);

export interface UserpulseErrorOptions {
  /** The next step for the person who reads the message. */
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

  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }

  /** Message and hint as one text, as a person reads it. */
  describe(): string {
    return this.hint === undefined
      ? this.message
      : `${this.message}${this.message.includes('\n') ? '\n' : ' '}${this.hint}`;
  }
}
