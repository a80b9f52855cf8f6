import type { InteractionEvent } from '../event/event.ts';
import type { BucketRole, Schema } from '../schema/buckets.ts';
import { EventIds } from '../schema/event-ids.ts';
import { EventWriter } from '../schema/event-writer.ts';
import { identityOf, type EventIdentity } from '../schema/identity.ts';
import { pointsOf } from '../schema/points.ts';
import { OffsetTable, type Assignment, type Relocation, type SeriesMsHash } from '../schema/offsets.ts';

/** Points remembered: 12 bytes each, 24 MiB in all. At 25,000 events/s they reach back 20 s. */
const OFFSET_CAPACITY = 2 ** 21;
/** Event ids remembered, 12 bytes each. */
const EVENT_ID_CAPACITY = 2 ** 19;

/**
 * Holds together what gives a point its timestamp: the events' points, the offset table, and the event IDs seen lately. One for all shards, because
 * points of different shards share buckets.
 *
 * Its steps return values instead of calling back: this runs for every event, and allocates only what is kept.
 */
export class OffsetAllocator {
  readonly #schema: Schema;
  readonly #writer: EventWriter;
  readonly #offsets: OffsetTable;
  readonly #eventIds: EventIds;
  readonly #relocates: boolean;

  /**
   * @param options.relocates false where other processes write points of the same series: none knows the places of the others' points, so each event
   *   keeps its own, whoever writes it and however often
   */
  constructor(options: { readonly schema: Schema; readonly offsetCapacity?: number; readonly relocates?: boolean }) {
    this.#schema = options.schema;
    this.#writer = new EventWriter(options.schema);
    this.#relocates = options.relocates ?? true;
    const capacity = options.offsetCapacity ?? OFFSET_CAPACITY;
    this.#offsets = new OffsetTable({ capacity });
    this.#eventIds = new EventIds(Math.min(capacity, EVENT_ID_CAPACITY));
  }

  /** Relocations known. */
  get relocations(): number {
    return this.#offsets.relocations;
  }

  /** Before the first event, with the relocations of all shards. */
  restore(relocations: Iterable<Relocation>): void {
    this.#offsets.restore(relocations);
  }

  /** Remembers the event's id. @returns whether another event had it lately: a producer breaks the contract */
  isConflict(identity: EventIdentity): boolean {
    return this.#eventIds.reused(identity);
  }

  /** Writes points, and knows each one's hash for {@link allocate}. */
  get writer(): EventWriter {
    return this.#writer;
  }

  /**
   * The timestamp of a point, as {@link OffsetTable.assign} decides it from what {@link identityOf} derives. A relocation that it returns must be durable
   * before the point is written.
   * @param seriesMs the point's hash
   */
  allocate(role: BucketRole, { half0, half1 }: SeriesMsHash, identity: EventIdentity): Assignment {
    if (this.#relocates) return this.#offsets.assignAt(role, half0, half1, identity);
    return {
      role,
      offsetNs: identity.offsetNs,
      collided: this.#offsets.collidesAt(half0, half1, identity),
      relocation: undefined,
    };
  }

  /** An event that is read again only to know which offsets are taken. Its relocations are known, or were never needed. */
  remember(event: InteractionEvent): void {
    const identity = identityOf(event);
    this.isConflict(identity);
    for (const point of pointsOf(event, this.#schema)) {
      if (this.#relocates) this.#offsets.assign(point, identity);
      else this.#offsets.collides(point, identity);
    }
  }
}
