import { z } from 'zod';
import { UserpulseError } from '../errors.ts';
import type { ArchiveReader } from './archive-reader.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import { CODECS, DEFAULT_CODEC } from './codecs.ts';
import { parseDay } from './days.ts';
import { dayOf, dayText } from './keys.ts';
import { objectLines } from './object-lines.ts';

/*
 * From which UTC day on the totals of this archive's events are split (the tag `part`; see "Several workers" in docs/architecture.md). It decides
 * in which series an event's point is, so it is decided once, beside the events, and never changes: ingest, replay and repair must agree on it.
 */

const FOLDER = '_control';
const KEY = `${FOLDER}/totals-split${CODECS[DEFAULT_CODEC].extension}`;

const DAY_MS = 86_400_000;
/** How far clocks may differ, and how long an ingest that has just been replaced may still be writing. */
const MARGIN_MS = 600_000;

const record = z.strictObject({
  version: z.literal(1),
  /** `YYYY/MM/DD` */
  from: z.string().transform((text, context) => {
    const day = parseDay(text);
    if (day !== undefined) return day;
    context.addIssue({ code: 'custom', message: `"${text}" is not a day` });
    return z.NEVER;
  }),
});

/**
 * @returns the first split day's beginning in ms; undefined where totals are not split
 * @throws UserpulseError of the archive; `archive_damaged` where what it says cannot be understood
 */
export async function readTotalsSplit(reader: ArchiveReader, signal: AbortSignal): Promise<number | undefined> {
  if (!(await exists(reader, signal))) return undefined;
  const texts: string[] = [];
  for await (const lines of objectLines(reader, KEY, signal)) {
    for (const line of lines) texts.push(Buffer.from(line).toString());
  }
  try {
    const [text = ''] = texts;
    return record.parse(JSON.parse(text)).from * DAY_MS;
  } catch (error) {
    throw new UserpulseError(
      'archive_damaged',
      `${KEY} in ${reader.url} does not say from which day totals are split.`,
      {
        hint: 'Restore it from a backup or an earlier version in S3. Without it, points would be written a second time beside themselves.',
        cause: error,
      },
    );
  }
}

/**
 * Splits totals from now on, unless they are split already: from the first midnight that no event has reached yet, so that no event that was
 * written before is one of a split day. Of several workers that start at once one decides.
 * @param maxAheadMs how far in the future an event may be
 * @throws as {@link readTotalsSplit}
 */
export async function splitTotals(
  archive: { readonly reader: ArchiveReader; readonly writer: ArchiveWriter },
  now: { readonly nowMs: number; readonly maxAheadMs: number },
  signal: AbortSignal,
): Promise<number> {
  const known = await readTotalsSplit(archive.reader, signal);
  if (known !== undefined) return known;
  const from = dayOf(now.nowMs + now.maxAheadMs + MARGIN_MS) + 1;
  const encoder = CODECS[DEFAULT_CODEC].encoder();
  const content: z.input<typeof record> = { version: 1, from: dayText(from) };
  encoder.append(Buffer.from(JSON.stringify(content)));
  try {
    await archive.writer.put({ key: KEY, codec: DEFAULT_CODEC, ...(await encoder.finish()) }, signal);
  } catch (error) {
    // Another worker, on the other side of a midnight.
    if (!(error instanceof UserpulseError && error.code === 'archive_conflict')) throw error;
  }
  const decided = await readTotalsSplit(archive.reader, signal);
  if (decided === undefined) throw new Error(`${KEY} was written to ${archive.reader.url} and is not there.`);
  return decided;
}

async function exists(reader: ArchiveReader, signal: AbortSignal): Promise<boolean> {
  try {
    for await (const { key } of reader.list(`${FOLDER}/`, `${FOLDER}0`, signal)) if (key === KEY) return true;
  } catch (error) {
    // A folder that ingest has not made yet.
    if (!(error instanceof UserpulseError && error.code === 'archive_not_found')) throw error;
  }
  return false;
}
