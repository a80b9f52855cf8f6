import type { EventFields } from './event-json.ts';

/** The ids that occur most among the events sent, to query afterwards. Memory is bounded: ids that occur late and rarely are not counted. */
export class Busiest {
  readonly #made = new Map<string, number>();
  readonly #received = new Map<string, number>();
  readonly #share = new Map<string, number>();

  count(fields: EventFields): void {
    bump(this.#made, fields.actorId);
    bump(this.#received, fields.receiverId);
    bump(this.#share, fields.shareId);
  }

  /** One sentence; empty where nothing was counted. */
  describe(): string {
    const made = top(this.#made);
    const received = top(this.#received);
    const share = top(this.#share);
    const parts = [
      made && `user ${made.id} made ${made.count}`,
      received && `user ${received.id} received ${received.count}`,
      share && `share ${share.id} received ${share.count}`,
    ].filter((part) => part !== undefined);
    return parts.length === 0 ? '' : `Most active: ${parts.join(', ')}.`;
  }
}

const MAX_IDS = 400_000;

function bump(counts: Map<string, number>, id: string | undefined): void {
  if (id === undefined) return;
  const count = counts.get(id);
  if (count !== undefined) counts.set(id, count + 1);
  else if (counts.size < MAX_IDS) counts.set(id, 1);
}

function top(counts: ReadonlyMap<string, number>): { readonly id: string; readonly count: number } | undefined {
  let best: { readonly id: string; readonly count: number } | undefined;
  for (const [id, count] of counts) if (best === undefined || count > best.count) best = { id, count };
  return best;
}
