/**
 * Kinesis sequence numbers are decimal integers of up to 128 digits without leading zeros; within a shard they grow with time.
 * Compared as text: a longer one is larger, equally long ones compare digit by digit.
 */
export type SequenceNumber = string;

/** Negative, zero or positive, as sort wants it. */
export function compareSequence(a: SequenceNumber, b: SequenceNumber): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
