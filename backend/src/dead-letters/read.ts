import { z } from 'zod';
import { objectLines } from '../archive/lines.ts';
import { rejectedKeysOf, type DayRange } from '../archive/days.ts';
import type { ArchiveReader } from '../archive/reader.ts';
import { UserpulseError } from '../errors.ts';
import { parseArchiveKey } from '../archive/keys.ts';

/** A line of `_rejected/…`; written by sinks/dead-letter.ts. Unknown members are kept for those who read on. */
const letterSchema = z.looseObject({
  code: z.string(),
  reason: z.string(),
  shardId: z.string(),
  sequenceNumber: z.string(),
  subSequence: z.number().int().nonnegative().optional(),
  partitionKey: z.string().min(1).max(256),
  arrivedAt: z.iso.datetime(),
  /** The original bytes. */
  data: z.base64(),
});
export type StoredLetter = z.output<typeof letterSchema>;

/** @throws UserpulseError `archive_damaged` or, with `from` a file of the user's, `input_unreadable` */
export function parseLetter(line: string, where: string, code: 'archive_damaged' | 'input_unreadable'): StoredLetter {
  try {
    return letterSchema.parse(JSON.parse(line));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : String(error);
    throw new UserpulseError(code, `${where} is no dead letter: ${why}`, {
      hint:
        code === 'archive_damaged'
          ? 'Was it written by another version, or changed by hand? Leave the object out with --without.'
          : 'Each line must be one as "userpulse dead-letters list --json" prints it.',
      cause: error,
    });
  }
}

export interface LetterFilter {
  /** Days of arrival. */
  readonly days: DayRange;
  /** Empty: all. */
  readonly codes: ReadonlySet<string>;
  /** Keys to leave out. */
  readonly without: ReadonlySet<string>;
}

export interface FoundLetter {
  readonly letter: StoredLetter;
  /** As it is stored, without its newline. */
  readonly line: string;
}

/** Dead letters in the order of their days and objects. Not in memory at once: there may be very many. */
export async function* deadLetters(
  reader: ArchiveReader,
  filter: LetterFilter,
  signal: AbortSignal,
): AsyncGenerator<FoundLetter, void, void> {
  for await (const { key } of reader.list(...rejectedKeysOf(filter.days), signal)) {
    if (parseArchiveKey(key) === undefined || filter.without.has(key)) continue;
    let number = 0;
    for await (const lines of objectLines(reader, key, signal)) {
      for (const bytes of lines) {
        number++;
        const line = Buffer.from(bytes).toString('utf8');
        const letter = parseLetter(line, `Line ${number} of ${key}`, 'archive_damaged');
        if (filter.codes.size === 0 || filter.codes.has(letter.code)) yield { letter, line };
      }
    }
  }
}

export const dataOf = (letter: StoredLetter): Buffer => Buffer.from(letter.data, 'base64');

/** What can be shown of the bytes on one line: text with control characters replaced, cut to `length` characters. */
export function preview(data: Uint8Array, length: number): string {
  const text = Buffer.from(data.subarray(0, length * 4))
    .toString('utf8')
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, '·');
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
