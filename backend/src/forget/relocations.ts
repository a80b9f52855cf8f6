import type { ShardCheckpoint } from '../checkpoint/checkpoint.ts';
import { compareSequence } from '../event/sequence-number.ts';
import { eventOfRelocation, groupOfRelocation } from '../schema/offsets.ts';

/** Which relocations are about what has changed. */
export interface ChangedPoints {
  /** Groups and offsets of points that change: see placeOf. */
  readonly places?: ReadonlySet<string>;
  /** Groups that are placed anew. */
  readonly groups?: ReadonlySet<string>;
  /** Keys of events that are rewritten, also in buckets where nothing of them changes: nobody looks for these keys any more. */
  readonly events?: ReadonlySet<string>;
}

/**
 * A checkpoint without the relocations of what has changed: a replay would keep their offsets from others, and write a second point of one of these.
 * It needs none of them, since all events of their milliseconds are archived. Undefined where the checkpoint has none of them. Those of records
 * behind which it has not passed stay: their points are written again.
 */
export function withoutRelocations(
  checkpoint: ShardCheckpoint,
  { places, groups, events }: ChangedPoints,
): ShardCheckpoint | undefined {
  const relocations = checkpoint.relocations.filter((noted) => {
    const { sequenceNumber } = checkpoint;
    if (sequenceNumber === null || compareSequence(noted.sequenceNumber, sequenceNumber) > 0) return true;
    const group = groupOfRelocation(noted);
    if (groups?.has(group) === true || places?.has(`${group} ${noted.offsetNs}`) === true) return false;
    return events?.has(eventOfRelocation(noted)) !== true;
  });
  return relocations.length === checkpoint.relocations.length ? undefined : { ...checkpoint, relocations };
}
