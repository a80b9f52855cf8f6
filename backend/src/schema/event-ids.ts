import type { EventIdentity } from './identity.ts';
import { RecentTable } from './recent-table.ts';

/** Remembers lately seen event ids with a hash of what they stood for: an id that is given to two different events breaks the contract. */
export class EventIds {
  readonly #seen: RecentTable;

  /** @param capacity ids remembered, 12 bytes each */
  constructor(capacity: number) {
    this.#seen = new RecentTable(capacity);
  }

  /** Notes an event; true where its id was seen before with other content. A repeated event and a redo are not that. */
  reused(event: EventIdentity): boolean {
    const [id0, id1] = event.id;
    const [key0, key1] = event.key;
    const handle = this.#seen.find(id0, id1);
    if (handle === -1) {
      this.#seen.add(id0, id1, key0, key1);
      return false;
    }
    return !this.#seen.holds(handle, key0, key1);
  }
}
