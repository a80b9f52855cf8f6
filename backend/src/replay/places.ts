import type { InteractionEvent } from '../event/event.ts';
import type { BucketRole, Schema } from '../schema/buckets.ts';
import { GrowingTable } from '../schema/growing.ts';
import { identityOf } from '../schema/identity.ts';
import { pointsOf, renderLine } from '../schema/points.ts';
import { SlotTable, type Move } from '../schema/slots.ts';

export interface PlacedPoint {
  readonly role: BucketRole;
  /** Line protocol without its newline. */
  readonly line: string;
  /** Its own place was taken by another event. */
  readonly collided: boolean;
}

/**
 * Where the points of archived events belong, given all events of their milliseconds: on the places that ingest gave them, or on places that
 * hold the same once all of them are written.
 *
 * Why that is so: the next free place is found by linear probing, and which places are taken in the end does not depend on the order in which
 * events came, only which of the events that contend for them has which. Writing all of them again, each on one of these places, leaves the same
 * points. Moves that ingest's checkpoint still knows keep their place, and keep it from others; the rest is placed around them, and the
 * argument holds for it alike. See "Replay" in docs/architecture.md.
 */
export class Places {
  readonly #schema: Schema;
  readonly #moves: readonly Move[];
  readonly #taken = new GrowingTable();
  readonly #seen = new GrowingTable();
  #slots: SlotTable;

  /** @param moves of the ingest that writes these buckets, all shards */
  constructor(schema: Schema, moves: readonly Move[]) {
    this.#schema = schema;
    this.#moves = moves;
    this.#slots = this.#begin();
  }

  /** Forgets all events: those that follow share no millisecond with those before. */
  begin(): void {
    this.#taken.clear();
    this.#seen.clear();
    this.#slots = this.#begin();
  }

  /** The event's points; undefined for one that was placed before, since an event sent twice counts once. */
  place(event: InteractionEvent): readonly PlacedPoint[] | undefined {
    const identity = identityOf(event);
    const [key0, key1, key2, key3] = identity.key;
    const handle = this.#seen.find(key0, key1);
    if (handle !== -1 && this.#seen.holds(handle, key2, key3)) return undefined;
    if (handle === -1) this.#seen.add(key0, key1, key2, key3);
    return pointsOf(event, this.#schema).map((point) => {
      const { slot, collided } = this.#slots.assign(point, identity);
      return { role: point.role, line: renderLine(point, slot), collided };
    });
  }

  #begin(): SlotTable {
    // Those found here count as well; they need no memory of their own, since no place is forgotten.
    const slots = new SlotTable({ taken: this.#taken, maxMoves: this.#moves.length + 65_536 });
    slots.restore(this.#moves);
    return slots;
  }
}
