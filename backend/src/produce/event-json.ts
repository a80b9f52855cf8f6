/** Fields of an event for its JSON text. Ids are decimal strings, as everywhere. */
export interface EventFields {
  readonly eventId: string;
  readonly type: string;
  readonly occurredAtMs: number;
  readonly actorId: string;
  readonly receiverId: string | undefined;
  readonly shareId: string | undefined;
}

/**
 * The JSON text of an event. User ids are written as integers of any length, as a service in Java or Go writes its 64-bit ids: JSON sets no
 * bound, and readers that parse them as doubles lose digits. Real input has this property, so generated input has it too.
 */
export function eventJson(fields: EventFields): string {
  const receiver = fields.receiverId === undefined ? '' : `,"receiverId":${fields.receiverId}`;
  const share = fields.shareId === undefined ? '' : `,"shareId":"${fields.shareId}"`;
  return (
    `{"eventId":${JSON.stringify(fields.eventId)},"type":"${fields.type}",` +
    `"occurredAt":"${new Date(fields.occurredAtMs).toISOString()}","actorId":${fields.actorId}${receiver}${share}}`
  );
}
