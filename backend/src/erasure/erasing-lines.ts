import type { IdFormats } from '../../../contract/ids.ts';
import { archivedRule, type ReadLines } from '../archive/day-lines.ts';
import type { ArrivalRule } from '../event/arrival-rule.ts';
import { parseEvent, type Erase } from '../event/parse.ts';

/** Reads lines as "userpulse forget" would have rewritten them: of an archive that was restored, or moved, from a time before. */
export function erasing(read: ReadLines, erase: Erase | undefined, ids: IdFormats): ReadLines {
  if (erase === undefined) return read;
  const rule = archivedRule(ids);
  return async function* (key, signal) {
    for await (const lines of read(key, signal)) yield lines.map((line) => erasedLine(line, erase, rule));
  };
}

function erasedLine(line: Uint8Array, erase: Erase, rule: ArrivalRule): Uint8Array {
  const parsed = parseEvent(line, rule);
  return 'code' in parsed ? line : (erase(parsed.event)?.line ?? line);
}
