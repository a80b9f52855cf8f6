import {
  decodeRecord,
  type DecodedItem,
  type DecodedRecord,
  type HashRange,
  type StreamRecord,
} from '../event/decode.ts';
import type { Schema } from '../schema/buckets.ts';
import { EventIds } from '../schema/event-ids.ts';
import { identityOf } from '../schema/identity.ts';
import { pointsOf, type Point } from '../schema/points.ts';
import { SlotTable, type Move } from '../schema/slots.ts';

export type EventItem = Extract<DecodedItem, { kind: 'event' }>;

export interface PlaceObserver {
  /**
   * @param slot ns within the millisecond
   * @param collided its own place was taken
   */
  point(item: EventItem, point: Point, slot: number, collided: boolean): void;
  /** Before the point it is about. */
  move(move: Move): void;
  eventIdConflict(): void;
}

/** Points remembered: 12 bytes each, 24 MiB in all. At 25,000 events/s they reach back 20 s. */
const SLOT_CAPACITY = 2 ** 21;
/** Event ids remembered, 12 bytes each. */
const EVENT_ID_CAPACITY = 2 ** 19;

/**
 * Record → events → points with their place in time. One for all shards, because points of different shards share buckets. Deterministic
 * but for the order in which shards are mixed, and what that decides is noted as moves.
 */
export class EventPlacer {
  readonly #schema: Schema;
  readonly #maxAheadMs: number;
  readonly #slots: SlotTable;
  readonly #eventIds: EventIds;

  constructor(options: { readonly schema: Schema; readonly maxAheadMs: number; readonly slotCapacity?: number }) {
    this.#schema = options.schema;
    this.#maxAheadMs = options.maxAheadMs;
    const capacity = options.slotCapacity ?? SLOT_CAPACITY;
    this.#slots = new SlotTable({ capacity });
    this.#eventIds = new EventIds(Math.min(capacity, EVENT_ID_CAPACITY));
  }

  /** Moves known. */
  get moves(): number {
    return this.#slots.moves;
  }

  /** Before the first {@link place}, with the moves of all shards. */
  restore(moves: Iterable<Move>): void {
    this.#slots.restore(moves);
  }

  /** @param onItem called for each item, in order, after its points */
  place(
    record: StreamRecord,
    hashRange: HashRange,
    observer: PlaceObserver,
    onItem: (item: DecodedItem) => void = () => undefined,
  ): DecodedRecord {
    const decoded = decodeRecord(record, { maxAheadMs: this.#maxAheadMs, hashRange });
    for (const item of decoded.items) {
      if (item.kind === 'event') {
        const identity = identityOf(item.event);
        if (this.#eventIds.reused(identity)) observer.eventIdConflict();
        for (const point of pointsOf(item.event, this.#schema)) {
          const { slot, collided, move } = this.#slots.assign(point, identity);
          if (move !== undefined) observer.move(move);
          observer.point(item, point, slot, collided);
        }
      }
      onItem(item);
    }
    return decoded;
  }
}

/** For records that are read again only to know which places are taken. Their moves are known, or were never needed. */
export const SILENT: PlaceObserver = {
  point: () => undefined,
  move: () => undefined,
  eventIdConflict: () => undefined,
};
