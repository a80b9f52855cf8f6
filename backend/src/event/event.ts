/**
 * One interaction, after every rule of the contract has been checked. Ids are strings of their formats (contract/ids.ts): int64 ones are
 * canonical decimals (no sign, no leading zero), because they may exceed 2^53 and must never pass through a JS number. Of an archived event any id may
 * also be "absent" of its format, where "userpulse forget" has erased it: nobody, and no share. It is no id, so the event has no point about it, and
 * none in the totals where the actor is gone. On the stream it is not valid.
 */
export interface InteractionEvent {
  /** 1 to 128 UTF-16 units, unique per event. */
  readonly eventId: string;
  /** `[a-z][a-z0-9_]{0,31}` */
  readonly type: string;
  /** Milliseconds since 1970-01-01T00:00:00Z, at least {@link EARLIEST_MS}. */
  readonly occurredAtMs: number;
  readonly actorId: string;
  readonly receiverId: string | undefined;
  /** At least one of receiverId and shareId is present. */
  readonly shareId: string | undefined;
}

/** 2000-01-01T00:00:00Z in ms: nothing earlier is an interaction, and most often a clock that was never set. */
export const EARLIEST_MS = 946_684_800_000;

/** Why a record or sub-record is not an event. The list is closed; metrics carry the code as a label, so it stays short. */
export type RejectionCode =
  | 'record_empty'
  | 'not_utf8'
  | 'not_json'
  | 'not_an_object'
  /** JSON that other readers of the archive cannot read: see i-json.ts. */
  | 'not_i_json'
  /** Of records that are to be decompressed: they cannot be, or are too large. */
  | 'decompress_failed'
  /** Of records that are to be split. */
  | 'too_many_events'
  | 'event_id_invalid'
  | 'type_invalid'
  | 'occurred_at_invalid'
  | 'occurred_at_too_early'
  | 'occurred_at_ahead'
  | 'actor_id_invalid'
  | 'receiver_id_invalid'
  | 'share_id_invalid'
  | 'target_missing'
  | 'kpl_md5_mismatch'
  | 'kpl_frame_broken'
  | 'kpl_key_broken'
  /** Given by the InfluxDB sink, not by decoding: the event keeps the contract and InfluxDB still refused its point for good. */
  | 'influx_refused';

/** What is wrong, where, and how to fix it, for the people who own the producer. */
export interface Rejection {
  readonly code: RejectionCode;
  readonly reason: string;
}
