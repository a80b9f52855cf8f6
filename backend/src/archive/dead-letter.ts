import { z } from 'zod';
import type { RejectionCode } from '../event/event.ts';

/*
 * The format of a dead letter: a line of `_rejected/…`, written by ingest and read by "userpulse dead-letters". A dead letter is a record, or
 * a sub-record of a KPL-aggregated one, that is not a valid event, or whose point InfluxDB refused for good.
 */

/** Unknown members are kept: "dead-letters list --json" prints the line as it is. */
const storedDeadLetter = z.looseObject({
  code: z.string(),
  reason: z.string(),
  shardId: z.string(),
  sequenceNumber: z.string(),
  subSequence: z.number().int().nonnegative().optional(),
  partitionKey: z.string().min(1).max(256),
  /** ApproximateArrivalTimestamp: a later attempt judges "ahead of arrival" as this one did. */
  arrivedAt: z.iso.datetime(),
  /** The original bytes. */
  data: z.base64(),
});

export type StoredDeadLetter = z.output<typeof storedDeadLetter>;

/** What ingest knows of a record that it rejects. */
export interface DeadLetter {
  readonly code: RejectionCode;
  readonly reason: string;
  readonly shardId: string;
  readonly sequenceNumber: string;
  readonly subSequence: number | undefined;
  readonly partitionKey: string;
  readonly arrivalMs: number;
  readonly data: Uint8Array;
}

/** The line, without its line feed. It depends on the record alone, so that a redo writes the same bytes. */
export function deadLetterLine(deadLetter: DeadLetter): Uint8Array {
  const { code, reason, shardId, sequenceNumber, subSequence, partitionKey, arrivalMs, data } = deadLetter;
  return Buffer.from(
    JSON.stringify({
      code,
      reason,
      shardId,
      sequenceNumber,
      ...(subSequence === undefined ? {} : { subSequence }),
      partitionKey,
      arrivedAt: new Date(arrivalMs).toISOString(),
      data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
    } satisfies z.input<typeof storedDeadLetter>),
  );
}

/** @throws Error where the line is not a dead letter */
export function parseDeadLetter(line: string): StoredDeadLetter {
  try {
    return storedDeadLetter.parse(JSON.parse(line));
  } catch (error) {
    throw new Error(error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : String(error), {
      cause: error,
    });
  }
}
