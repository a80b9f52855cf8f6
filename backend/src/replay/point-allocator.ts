import type { InteractionEvent } from '../event/event.ts';
import type { BucketRole, Schema } from '../schema/buckets.ts';
import { GrowingTable } from '../schema/growing-table.ts';
import { identityOf } from '../schema/identity.ts';
import { pointsOf, renderLine } from '../schema/points.ts';
import { OffsetTable, type Relocation } from '../schema/offsets.ts';

export interface AllocatedPoint {
  readonly role: BucketRole;
  /** Line protocol without its newline. */
  readonly line: string;
  /** Its own timestamp offset was taken by another event. */
  readonly collided: boolean;
}

/**
 * Allocates timestamp offsets to archived events, given all events of their milliseconds: the offsets that ingest allocated, or a set that holds
 * the same points once all of them are written.
 *
 * Why: the next free offset is found by linear probing. The order of events does not change which offsets are taken in the end, only which of
 * the contending events has which. Writing all of them again, each with one of these offsets, leaves the same points. Relocations that
 * ingest's checkpoint still knows keep their offset from others; the rest is allocated around them, to which the same argument applies. See
 * "Replay" in docs/architecture.md.
 */
export class PointAllocator {
  readonly #schema: Schema;
  readonly #relocations: readonly Relocation[];
  readonly #taken = new GrowingTable();
  readonly #seen = new GrowingTable();
  #offsets: OffsetTable;

  /** @param relocations of all shards of the ingest that writes these buckets */
  constructor(schema: Schema, relocations: readonly Relocation[]) {
    this.#schema = schema;
    this.#relocations = relocations;
    this.#offsets = this.#begin();
  }

  /** Forgets all events. Those that follow must not share a millisecond with those before. */
  begin(): void {
    this.#taken.clear();
    this.#seen.clear();
    this.#offsets = this.#begin();
  }

  /** The event's points; undefined for a repeated event, which counts once. */
  allocate(event: InteractionEvent): readonly AllocatedPoint[] | undefined {
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
    // Relocations found here are counted too, but need no memory of their own, since no offset is forgotten.
    const offsets = new OffsetTable({ taken: this.#taken, maxRelocations: this.#relocations.length + 65_536 });
    offsets.restore(this.#relocations);
    return offsets;
  }
}
