import type { RejectionCode } from '../event/event.ts';

/** A record, or a sub-record of a KPL-aggregated one, that is no valid event or whose point InfluxDB refused for good. */
export interface DeadLetter {
  readonly code: RejectionCode;
  readonly reason: string;
  readonly shardId: string;
  readonly sequenceNumber: string;
  readonly subSequence: number | undefined;
  readonly partitionKey: string;
  /** ApproximateArrivalTimestamp: a later attempt judges "ahead of arrival" as this one did. */
  readonly arrivalMs: number;
  readonly data: Uint8Array;
}

/** One line of `_rejected/…`, without its newline. A function of the record alone, so that a redo writes the same bytes. */
export function deadLetterLine(letter: DeadLetter): Uint8Array {
  const { code, reason, shardId, sequenceNumber, subSequence, partitionKey, arrivalMs, data } = letter;
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
    }),
  );
}
