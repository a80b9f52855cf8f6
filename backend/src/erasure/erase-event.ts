import { idFormatOf, isAbsentId, type IdFormats, type IdKind } from '../../../contract/ids.ts';
import type { InteractionEvent } from '../event/event.ts';
import type { ParsedEvent } from '../event/parse.ts';
import { erasedEventId } from './erased-event-id.ts';
import type { ErasureKey } from './erasure-key.ts';

/** Whom "userpulse forget" forgets. */
export interface Subject {
  readonly kind: IdKind;
  readonly id: string;
}

/** What takes the place of an id: nothing, or a pseudonym. */
export const REPLACEMENTS = ['nobody', 'pseudonym'] as const;
export type Replacement = (typeof REPLACEMENTS)[number];

/** What stands in an event instead of an id; undefined where the id stays. */
export type Replace = (kind: IdKind, id: string) => string | undefined;

/** @returns the text that replaces an id of this kind */
export const replacementOf = (subject: Subject, replacement: Replacement, key: ErasureKey, ids: IdFormats): string =>
  replacement === 'nobody'
    ? idFormatOf(subject.kind, ids).absent
    : key.pseudonymOf(subject.kind, subject.id, ids[subject.kind]);

/**
 * What is left of an event that names someone who is forgotten: its time, type and other ids, under another event id. All that the contract does not
 * know is dropped, since it may be about them. Undefined where the event names nobody of them.
 */
export function eraseEvent(event: InteractionEvent, replace: Replace, key: ErasureKey): ParsedEvent | undefined {
  const of = (kind: IdKind, id: string | undefined): string | undefined =>
    id === undefined || isAbsentId(id) ? id : (replace(kind, id) ?? id);
  const [actorId, receiverId, shareId] = [
    of('user', event.actorId) ?? event.actorId,
    of('user', event.receiverId),
    of('share', event.shareId),
  ];
  if (actorId === event.actorId && receiverId === event.receiverId && shareId === event.shareId) return undefined;
  const erased = { ...event, eventId: erasedEventId(event.eventId, key), actorId, receiverId, shareId };
  return { event: erased, line: lineOf(erased) };
}

/** The line of an event of which nothing but the contract's fields is known. */
export const lineOf = ({ eventId, type, occurredAtMs, actorId, receiverId, shareId }: InteractionEvent): Buffer =>
  Buffer.from(
    JSON.stringify({
      eventId,
      type,
      occurredAt: new Date(occurredAtMs).toISOString(),
      actorId,
      receiverId,
      shareId,
    }),
  );
