/**
 * The files of a checkpoint folder as Userpulse 0.1 wrote them (at 90deb67, by its own ingest code): a shard with a pending range and the
 * relocations of an event that collided in all four buckets, and a shard that was read to its end.
 */
export const VERSION_1_FILES: Readonly<Record<string, string>> = {
  'stream.json': `{
 "version": 1,
 "stream": "interactions",
 "createdAtMs": 1769860000000,
 "start": {
  "kind": "trim_horizon"
 }
}
`,
  'shardId-000000000000.json': `{
 "version": 1,
 "stream": "interactions",
 "shardId": "shardId-000000000000",
 "sequenceNumber": null,
 "completeToMs": 1769860100000,
 "sealed": null,
 "done": true,
 "moved": [],
 "warmFrom": null
}
`,
  'shardId-000000000001.json': `{
 "version": 1,
 "stream": "interactions",
 "shardId": "shardId-000000000001",
 "sequenceNumber": "49659230034917463842900000000000000000000000000000000002",
 "completeToMs": 1769860801002,
 "sealed": {
  "first": "49659230034917463842900000000000000000000000000000000003",
  "last": "49659230034917463842900000000000000000000000000000000003",
  "refusals": [
   {
    "sequenceNumber": "49659230034917463842900000000000000000000000000000000003",
    "reason": "field type conflict: input field \\"user\\" on measurement \\"interaction\\" is type string, already exists as type integer"
   }
  ]
 },
 "done": false,
 "moved": [
  {
   "role": "made",
   "event": "38971438288a80963651b995e25cf0b368816a226aa96685",
   "slot": 475080,
   "sequenceNumber": "49659230034917463842900000000000000000000000000000000003"
  },
  {
   "role": "received",
   "event": "38971438288a80963651b995e25cf0b3e07799d56cf72545",
   "slot": 475080,
   "sequenceNumber": "49659230034917463842900000000000000000000000000000000003"
  },
  {
   "role": "share",
   "event": "38971438288a80963651b995e25cf0b323c03e49c7f51416",
   "slot": 475080,
   "sequenceNumber": "49659230034917463842900000000000000000000000000000000003"
  },
  {
   "role": "total",
   "event": "38971438288a80963651b995e25cf0b3c90b59cbd82a91a9",
   "slot": 475080,
   "sequenceNumber": "49659230034917463842900000000000000000000000000000000003"
  }
 ],
 "warmFrom": "49659230034917463842900000000000000000000000000000000001"
}
`,
};

/**
 * Of the events with this id and JSON text, these two collided, in this order.
 */
export const COLLIDED = ['event-683', 'event-785'] as const;
export const collidedJson = (eventId: string): string =>
  `{"eventId":"${eventId}","type":"like","occurredAt":"2026-01-31T12:00:00.123Z","actorId":88,"receiverId":677,"shareId":"65ba3ac07b1f4e0012345678"}`;
