/** mulberry32: small, seeded, good enough to choose faults. @returns 0 (included) to 1 (excluded) */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The same, with what tests choose by it. */
export function chooser(seed: number): { next(): number; below(n: number): number; pick<T>(list: readonly T[]): T } {
  const next = seeded(seed);
  const below = (n: number): number => Math.floor(next() * n);
  return {
    next,
    below,
    pick: (list) => {
      const item = list[below(list.length)];
      if (item === undefined) throw new Error('Nothing to pick from.');
      return item;
    },
  };
}
