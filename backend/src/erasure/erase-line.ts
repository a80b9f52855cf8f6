import type { IdFormats } from '../../../contract/ids.ts';
import { parseLine } from '../archive/day-lines.ts';
import { parseDeadLetter } from '../archive/dead-letter.ts';
import { compressionOf, decompress } from '../event/decompress.ts';
import type { InteractionEvent } from '../event/event.ts';
import { eraseEvent, lineOf, type Replace, type Subject } from './erase-event.ts';
import { erasedEventId } from './erased-event-id.ts';
import type { ErasureKey } from './erasure-key.ts';
import { mayMention, mentions, unescaped } from './mentions.ts';

/** What becomes of a line; `before`: the event that it was, unless it was a dead letter. */
export type ErasedLine =
  | { readonly kind: 'kept' }
  /** It names the subject in a field of the contract, and is replaced. */
  | { readonly kind: 'erased'; readonly line: Uint8Array; readonly before: InteractionEvent | undefined }
  /** The id stands in it elsewhere: in a field of the producer's own, or in the event id. */
  | { readonly kind: 'mentioned'; readonly line: Uint8Array; readonly before: InteractionEvent }
  /** It is no event, so it cannot be rewritten, and may name the subject. */
  | { readonly kind: 'unreadable' };

const KEPT: ErasedLine = { kind: 'kept' };

/** Rewrites lines of the archive. Pure: the same line gives the same line. */
export class LineEraser {
  readonly #subject: Subject;
  readonly #replace: Replace;
  readonly #key: ErasureKey;
  /** How ids are written. */
  readonly ids: IdFormats;

  /** @param text what takes the place of the id */
  constructor(subject: Subject, text: string, key: ErasureKey, ids: IdFormats) {
    this.ids = ids;
    this.#subject = subject;
    this.#replace = (kind, id) => (kind === subject.kind && id === subject.id ? text : undefined);
    this.#key = key;
  }

  /** @param day of the line's object, from 1970-01-01 */
  event(bytes: Uint8Array, day: number): ErasedLine {
    const line = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { id } = this.#subject;
    if (!mayMention(line, id)) return KEPT;
    const event = parseLine(line, day, this.ids);
    if ('code' in event) {
      // One of another day is an event all the same, but nothing reads it as one.
      return mentions(unescaped(line.toString()), id) ? { kind: 'unreadable' } : KEPT;
    }
    const erased = eraseEvent(event, this.#replace, this.#key);
    if (erased !== undefined) return { kind: 'erased', line: erased.line, before: event };
    if (!mentions(besideFields(unescaped(line.toString())), id)) return KEPT;
    const eventId = mentions(event.eventId, id) ? erasedEventId(event.eventId, this.#key) : event.eventId;
    return { kind: 'mentioned', line: lineOf({ ...event, eventId }), before: event };
  }

  /** A line of `_rejected/`. Its bytes are no event, so nothing of them can be kept. */
  deadLetter(bytes: Uint8Array): ErasedLine {
    const line = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const letter = parseDeadLetter(line.toString());
    const { id } = this.#subject;
    const named = [letter.reason, letter.partitionKey, ...textsOf(Buffer.from(letter.data, 'base64'))].some((text) =>
      mentions(text, id),
    );
    if (!named) return KEPT;
    const erased = { ...letter, reason: ERASED_REASON, partitionKey: ERASED_PARTITION, data: '' };
    return { kind: 'erased', line: Buffer.from(JSON.stringify(erased)), before: undefined };
  }
}

export const ERASED_REASON = 'Erased by "userpulse forget".';
const ERASED_PARTITION = 'erased';

/** A line without what has been compared as an id, or is none. As text: a number beyond 2^53 has all of its digits only there. */
const besideFields = (line: string): string =>
  line.replace(/"(?:type|occurredAt|actorId|receiverId|shareId)"\s*:\s*(?:"[^"]*"|\d+)/g, '');

/** What can be read in the bytes of a dead letter: as they are, without escapes, and decompressed. */
function textsOf(data: Buffer): readonly string[] {
  const compression = compressionOf(data);
  const plain = compression === undefined ? undefined : decompress(data, compression);
  return [data, ...(typeof plain === 'string' || plain === undefined ? [] : [plain])].flatMap((bytes) => {
    const text = bytes.toString();
    return [text, unescaped(text)];
  });
}
