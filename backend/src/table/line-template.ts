import type { InteractionEvent } from '../event/event.ts';

/**
 * A line without the values that columns hold: each is replaced by a mark. Lines of one producer then differ in little else, and compress to
 * nearly nothing, while every line can be got back byte for byte. JSON has no control characters of its own but white space, so a mark is
 * never part of a line.
 */
interface Mark {
  readonly mark: string;
  /** The member of the line whose value is replaced, where it is written like this. */
  readonly member: string;
  readonly value: (event: InteractionEvent) => string | undefined;
}

const MARKS: readonly Mark[] = [
  { mark: '\u0001', member: 'eventId', value: ({ eventId }) => eventId },
  { mark: '\u0002', member: 'type', value: ({ type }) => type },
  { mark: '\u0003', member: 'occurredAt', value: ({ occurredAtMs }) => new Date(occurredAtMs).toISOString() },
  { mark: '\u0004', member: 'occurredAt', value: ({ occurredAtMs }) => String(occurredAtMs) },
  { mark: '\u0005', member: 'actorId', value: ({ actorId }) => actorId },
  { mark: '\u0006', member: 'receiverId', value: ({ receiverId }) => receiverId },
  { mark: '\u0007', member: 'shareId', value: ({ shareId }) => shareId },
];

/** @param event what the line says. A value that the line writes in another way, or behind white space, stays where it is. */
export function templateOf(line: string, event: InteractionEvent): string {
  let template = line;
  for (const { mark, member, value } of MARKS) {
    const text = value(event);
    if (text === undefined) continue;
    const name = `"${member}":`;
    const found = template.indexOf(name);
    if (found === -1) continue;
    const at = found + name.length + (template[found + name.length] === '"' ? 1 : 0);
    if (template.startsWith(text, at)) template = template.slice(0, at) + mark + template.slice(at + text.length);
  }
  return template;
}

/** The inverse of {@link templateOf}. */
export function lineOf(template: string, event: InteractionEvent): string {
  let line = template;
  for (const { mark, value } of MARKS) {
    const at = line.indexOf(mark);
    if (at !== -1) line = line.slice(0, at) + (value(event) ?? '') + line.slice(at + 1);
  }
  return line;
}
