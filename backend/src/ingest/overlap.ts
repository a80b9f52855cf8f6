import { CONFLICT_CAUSE, type ArchiveWriter } from '../archive/archive-writer.ts';
import { parseArchiveKey, shardPrefix, type SegmentRange } from '../archive/keys.ts';
import { UserpulseError } from '../errors.ts';
import { compareSequence } from '../event/sequence-number.ts';

/** How far (ms) this machine's clock may be behind that of the stream. */
const CLOCK_SKEW_MS = 600_000;

/**
 * Whether an earlier run can have archived a record that arrived then (ms): later ones are this run's own, and the archive is not asked about them.
 * @param begunMs when this run began
 */
export const mayBeArchived = (arrivalMs: number, begunMs: number): boolean => arrivalMs <= begunMs + CLOCK_SKEW_MS;

/**
 * Ranges of a shard never overlap, unless ingest runs on an older checkpoint than the archive has seen: put back from a copy, or begun anew. Its
 * records would be archived once more, under other keys. Looks on the very days that the objects are for, where equal events must lie.
 *
 * @param range about to be archived
 * @param keys of its objects
 * @param accepted a range that may overlap: the stream has lost a part of it, and what is left is archived again
 * @throws UserpulseError `archive_conflict`; the signal's reason when aborted
 */
export async function refuseOverlap(
  archive: ArchiveWriter,
  options: {
    readonly range: SegmentRange;
    readonly keys: readonly string[];
    readonly accepted: Pick<SegmentRange, 'first' | 'last'> | undefined;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { range, keys, accepted, signal } = options;
  for (const key of keys) {
    for (const stored of await archive.keysBelow(shardPrefix(key, range.shardId), signal)) {
      const other = parseArchiveKey(stored);
      // Not our own key: what is there under it is compared when it is written.
      if (other?.shardId !== range.shardId || stored === key || !overlap(range, other)) continue;
      if (other.first === accepted?.first && other.last === accepted.last) continue;
      throw new UserpulseError(
        'archive_conflict',
        `The archive holds records of ${range.shardId} that lie behind the checkpoint (USERPULSE_CHECKPOINT): its object ${stored} overlaps the range from ${range.first} to ${range.last}, which is to be archived now.`,
        {
          hint: `${CONFLICT_CAUSE} Put the newest checkpoint back. If it is lost, move this object, and those of the shard with later sequence numbers, out of the archive: ingest archives their records again.`,
        },
      );
    }
  }
}

const overlap = (a: Pick<SegmentRange, 'first' | 'last'>, b: Pick<SegmentRange, 'first' | 'last'>): boolean =>
  compareSequence(a.first, b.last) <= 0 && compareSequence(b.first, a.last) <= 0;
