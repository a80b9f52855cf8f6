import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultyWorld } from './faulty-world.ts';
import type { FaultKind } from './kinds.ts';

/** Kinds in a random order that holds each of them as often as any other, drawn again and again. */
export class Deck {
  readonly #kinds: readonly FaultKind[];
  readonly #random: () => number;
  #left: FaultKind[] = [];

  constructor(kinds: readonly FaultKind[], random: () => number) {
    this.#kinds = kinds;
    this.#random = random;
  }

  draw(): FaultKind {
    if (this.#left.length === 0) {
      this.#left = [...this.#kinds];
      for (let n = this.#left.length - 1; n > 0; n--) {
        const other = Math.floor(this.#random() * (n + 1));
        [this.#left[n], this.#left[other]] = [this.#left[other]!, this.#left[n]!];
      }
    }
    return this.#left.pop()!;
  }
}

/** Several faults at a time. Ends of ingest and resharding come one after the other, everything else overlaps with all of it. */
export async function injectTogether(world: FaultyWorld, kinds: readonly FaultKind[]): Promise<void> {
  const inTurn = kinds.filter((kind) => kind.kills === true || kind.area === 'stream');
  const overlapping = kinds.filter((kind) => !inTurn.includes(kind));
  await Promise.all([
    ...overlapping.map(async (kind) => {
      await sleep(world.random() * 500);
      await kind.inject(world);
    }),
    (async () => {
      for (const kind of inTurn) await kind.inject(world);
    })(),
  ]);
}

/** Does the work while records keep coming in, and for as long as that takes. */
export async function underTraffic(
  world: FaultyWorld,
  eventsPerSecond: number,
  work: () => Promise<void>,
): Promise<void> {
  const done = new AbortController();
  const traffic = (async () => {
    const startedMs = Date.now();
    for (let sent = 0; !done.signal.aborted;) {
      const due = Math.ceil(((Date.now() - startedMs + 250) / 1000) * eventsPerSecond) - sent;
      if (due > 0) await world.put(due);
      sent += Math.max(0, due);
      await sleep(250);
    }
  })();
  try {
    await work();
  } finally {
    done.abort();
    await traffic;
  }
}
