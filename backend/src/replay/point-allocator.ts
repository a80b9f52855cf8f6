import type { InteractionEvent } from '../event/event.ts';
import type { BucketRole, Schema } from '../schema/buckets.ts';
import { GrowingTable } from '../schema/growing-table.ts';
import { identityOf } from '../schema/identity.ts';
import { pointsOf, renderLine } from '../schema/points.ts';
import { OffsetTable, type Relocation } from '../schema/offsets.ts';

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
  readonly #relocations: readonly Relocation[];
  readonly #taken = new GrowingTable();
  readonly #seen = new GrowingTable();
  #offsets: OffsetTable;

  /** @param relocations of the ingest that writes these buckets, all shards */
  constructor(schema: Schema, relocations: readonly Relocation[]) {
    this.#schema = schema;
    this.#relocations = relocations;
    this.#offsets = this.#begin();
  }

  /** Forgets all events: those that follow share no millisecond with those before. */
  begin(): void {
    this.#taken.clear();
    this.#seen.clear();
    this.#offsets = this.#begin();
  }

  /** The event's points; undefined for one that was placed before, since an event sent twice counts once. */
  place(event: InteractionEvent): readonly PlacedPoint[] | undefined {
    const identity = identityOf(event);
    const [key0, key1, key2, key3] = identity.key;
    const handle = this.#seen.find(key0, key1);
    if (handle !== -1 && this.#seen.holds(handle, key2, key3)) return undefined;
    if (handle === -1) this.#seen.add(key0, key1, key2, key3);
    return pointsOf(event, this.#schema).map((point) => {
      const { offsetNs, collided } = this.#offsets.assign(point, identity);
      return { role: point.role, line: renderLine(point, offsetNs), collided };
    });
  }

  #begin(): OffsetTable {
    // Those found here count as well; they need no memory of their own, since no place is forgotten.
    const offsets = new OffsetTable({ taken: this.#taken, maxRelocations: this.#relocations.length + 65_536 });
    offsets.restore(this.#relocations);
    return offsets;
  }
}
