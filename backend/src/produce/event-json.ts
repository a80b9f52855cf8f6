/** Fields of an event as they go into JSON. Ids are decimal strings here as everywhere. */
export interface EventFields {
  readonly eventId: string;
  readonly type: string;
  readonly occurredAtMs: number;
  readonly actorId: string;
  readonly receiverId: string | undefined;
  readonly shareId: string | undefined;
}

/**
 * The JSON text of an event. User ids are written as integers, whatever their length, as a service in Java or Go writes its 64-bit ids: JSON
 * sets no bound, and readers that take them for doubles lose digits. That is a property of real input worth keeping.
 */
export function eventJson(fields: EventFields): string {
  const receiver = fields.receiverId === undefined ? '' : `,"receiverId":${fields.receiverId}`;
  const share = fields.shareId === undefined ? '' : `,"shareId":"${fields.shareId}"`;
  return (
    `{"eventId":${JSON.stringify(fields.eventId)},"type":"${fields.type}",` +
    `"occurredAt":"${new Date(fields.occurredAtMs).toISOString()}","actorId":${fields.actorId}${receiver}${share}}`
  );
}
