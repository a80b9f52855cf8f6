import type { IdFormats } from '../../../contract/ids.ts';
import type { StoredObject } from './archive-reader.ts';
import type { InteractionEvent, RejectionCode } from '../event/event.ts';
import type { ArrivalRule } from '../event/arrival-rule.ts';
import { parseEvent } from '../event/parse.ts';
import { dayOf } from './keys.ts';

/**
 * Each line was compared with its time of arrival when it arrived. The archive holds only what passed, without that time, so lines are not
 * compared again: here, no time is too far ahead.
 */
export const archivedRule = (ids: IdFormats): ArrivalRule => ({
  arrivalMs: Infinity,
  maxAheadMs: 0,
  archived: true,
  ids,
});

export interface InvalidLine {
  readonly code: RejectionCode | 'other_day';
  readonly reason: string;
}

/** A line of the archive → its event, or why it is not a valid event of this day. */
export function parseLine(line: Uint8Array, day: number, ids: IdFormats): InteractionEvent | InvalidLine {
  const parsed = parseEvent(line, archivedRule(ids));
  if ('code' in parsed) return parsed;
  if (dayOf(parsed.event.occurredAtMs) === day) return parsed.event;
  return { code: 'other_day', reason: 'Its occurredAt is not on the day in the key of its object.' };
}

export interface ObjectChunk {
  readonly object: StoredObject;
  readonly lines: readonly Uint8Array[];
  /** Number of its first line within the object, from 1. */
  readonly firstLine: number;
}

/** Reads the lines of an object, some at a time, as views that are valid until the next are requested; see object-lines.ts. */
export type ReadLines = (key: string, signal: AbortSignal) => AsyncGenerator<readonly Uint8Array[], void, void>;

/**
 * The lines of several objects, in the order of the objects. While one is processed, the next ones are fetched and decompressed as far as
 * their buffers allow, so that nothing waits for S3 or for decompression.
 * @param parallel objects that are open at a time
 * @param onEnd called when an object has been read to its end
 */
export async function* linesInOrder(
  read: ReadLines,
  objects: readonly StoredObject[],
  parallel: number,
  signal: AbortSignal,
  onEnd: (object: StoredObject) => void,
): AsyncGenerator<ObjectChunk, void, void> {
  const open: ReturnType<typeof begin>[] = [];
  let next = 0;
  try {
    while (next < objects.length || open.length > 0) {
      for (; open.length < parallel && next < objects.length; next++) {
        const object = objects[next];
        if (object !== undefined) open.push(begin(read, object, signal));
      }
      const current = open[0];
      if (current === undefined) return;
      let firstLine = 1;
      for (let step = await current.first; step.done !== true; step = await current.lines.next()) {
        yield { object: current.object, lines: step.value, firstLine };
        firstLine += step.value.length;
      }
      onEnd(current.object);
      open.shift();
    }
  } finally {
    await Promise.allSettled(open.map(({ lines }) => lines.return()));
  }
}

function begin(read: ReadLines, object: StoredObject, signal: AbortSignal) {
  const lines = read(object.key, signal);
  const first = lines.next();
  // A failure is thrown when it is this object's turn; until then it must not count as unhandled.
  first.catch(() => undefined);
  return { object, lines, first };
}
