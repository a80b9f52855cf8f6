import type { ArchiveReader } from '../archive/archive-reader.ts';
import { rejectedKeysOf, type DayRange } from '../archive/days.ts';
import { parseDeadLetter, type StoredDeadLetter } from '../archive/dead-letter.ts';
import { parseArchiveKey } from '../archive/keys.ts';
import { objectLines } from '../archive/object-lines.ts';
import { UserpulseError } from '../errors.ts';

export interface DeadLetterFilter {
  /** Days of arrival. */
  readonly days: DayRange;
  /** Empty: all. */
  readonly codes: ReadonlySet<string>;
  /** Keys to skip. */
  readonly without: ReadonlySet<string>;
}

export interface FoundDeadLetter {
  readonly deadLetter: StoredDeadLetter;
  /** As it is stored, without its line feed. */
  readonly line: string;
}

/**
 * The archive's dead letters, by day and object. One at a time, since there may be very many.
 * @throws UserpulseError `archive_damaged`, or as the reader does
 */
export async function* storedDeadLetters(
  reader: ArchiveReader,
  filter: DeadLetterFilter,
  signal: AbortSignal,
): AsyncGenerator<FoundDeadLetter, void, void> {
  for await (const { key } of reader.list(...rejectedKeysOf(filter.days), signal)) {
    if (parseArchiveKey(key) === undefined || filter.without.has(key)) continue;
    let number = 0;
    for await (const lines of objectLines(reader, key, signal)) {
      for (const bytes of lines) {
        number++;
        const line = Buffer.from(bytes).toString('utf8');
        const deadLetter = parsed(line, `Line ${number} of ${key}`, {
          code: 'archive_damaged',
          hint: `It was changed by hand or written by a newer version. To skip the object, add --without ${key}`,
        });
        if (filter.codes.size === 0 || filter.codes.has(deadLetter.code)) yield { deadLetter, line };
      }
    }
  }
}

/**
 * Dead letters of the user's own, as "userpulse dead-letters list --json" prints them; empty lines are skipped.
 * @param name of the input, for messages
 * @throws UserpulseError `input_unreadable`
 */
export async function* givenDeadLetters(
  lines: AsyncIterable<string>,
  name: string,
): AsyncGenerator<StoredDeadLetter, void, void> {
  let number = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() === '') continue;
    yield parsed(line, `Line ${number} of ${name}`, {
      code: 'input_unreadable',
      hint: 'Each line must be a dead letter as "userpulse dead-letters list --json" prints it.',
    });
  }
}

function parsed(
  line: string,
  where: string,
  failure: { readonly code: 'archive_damaged' | 'input_unreadable'; readonly hint: string },
): StoredDeadLetter {
  try {
    return parseDeadLetter(line);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserpulseError(failure.code, `${where} is not a dead letter: ${why}`, {
      hint: failure.hint,
      cause: error,
    });
  }
}

export const dataOf = (deadLetter: StoredDeadLetter): Buffer => Buffer.from(deadLetter.data, 'base64');

/** The bytes as one line of text: control characters replaced, cut to `length` characters. */
export function preview(data: Uint8Array, length: number): string {
  const text = Buffer.from(data.subarray(0, length * 4))
    .toString('utf8')
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, '·');
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
