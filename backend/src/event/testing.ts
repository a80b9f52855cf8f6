import { decodeRecord, type DecodedItem, type DecodeOptions } from './decode.ts';

/** When the records of these tests arrived. */
export const ARRIVAL_MS = Date.UTC(2026, 0, 31, 12);

export const decoded = (data: string | Uint8Array, options: Partial<DecodeOptions> = {}): readonly DecodedItem[] =>
  decodeRecord(
    {
      data: typeof data === 'string' ? Buffer.from(data) : data,
      approximateArrivalMs: ARRIVAL_MS,
    },
    { maxAheadMs: 600_000, ...options },
  ).items;

/** The one rejection that becomes of a record. */
export function rejectionOf(data: string | Uint8Array, options: Partial<DecodeOptions> = {}) {
  const items = decoded(data, options);
  const [item] = items;
  if (items.length !== 1 || item?.kind !== 'rejection') throw new Error(`not one rejection: ${JSON.stringify(items)}`);
  return item;
}

/** Members as JSON source, so that a test says exactly what stands in the record; `undefined` leaves one out. */
export function source(members: Readonly<Record<string, string | undefined>> = {}): string {
  const all: Record<string, string | undefined> = {
    eventId: '"e1"',
    type: '"like"',
    occurredAt: '"2026-01-31T11:59:59.500Z"',
    actorId: '12345678901',
    receiverId: '42',
    shareId: '"65b9f1c0aaaaaaaaaaaaaaaa"',
    ...members,
  };
  return `{${Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `"${name}":${value}`)
    .join(',')}}`;
}
