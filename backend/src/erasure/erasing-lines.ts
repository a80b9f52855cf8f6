import { ARCHIVED, type ReadLines } from '../archive/day-lines.ts';
import { parseEvent, type Erase } from '../event/parse.ts';

/** Reads lines as "userpulse forget" would have rewritten them: of an archive that was restored, or moved, from a time before. */
export function erasing(read: ReadLines, erase: Erase | undefined): ReadLines {
  if (erase === undefined) return read;
  return async function* (key, signal) {
    for await (const lines of read(key, signal)) yield lines.map((line) => erasedLine(line, erase));
  };
}

function erasedLine(line: Uint8Array, erase: Erase): Uint8Array {
  const parsed = parseEvent(line, ARCHIVED);
  return 'code' in parsed ? line : (erase(parsed.event)?.line ?? line);
}
