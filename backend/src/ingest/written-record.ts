import type { RejectionCode } from '../event/event.ts';

/** A user record on its way to the archive: a line there, or a dead letter. */
export type ArchiveItem =
  | {
      readonly kind: 'line';
      readonly subSequence: number | undefined;
      readonly occurredAtMs: number;
      /** Archive line without its newline. */
      readonly line: Uint8Array;
      /** Set when InfluxDB has refused one of its points for good: it goes to the dead letters instead. */
      refused: string | undefined;
    }
  | {
      readonly kind: 'rejection';
      readonly subSequence: number | undefined;
      readonly code: RejectionCode;
      readonly reason: string;
      readonly data: Uint8Array;
    };

/** A record whose points are all durable in InfluxDB, or refused by it for good. */
export interface WrittenRecord {
  readonly sequenceNumber: string;
  readonly partitionKey: string;
  readonly arrivalMs: number;
  /** The record's own bytes. */
  readonly data: Uint8Array;
  readonly items: readonly ArchiveItem[];
}
