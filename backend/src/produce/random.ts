/** Uniform random numbers in [0, 1), reproducible from the seed: sfc32 (Chris Doty-Humphrey, public domain). Not for secrets. */
export function seededRandom(seed: number): () => number {
  let a = seed | 0;
  let b = Math.floor(seed / 0x1_0000_0000) | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 0x1_0000_0000;
  };
  // Similar seeds give similar numbers during the first rounds.
  for (let round = 0; round < 15; round++) next();
  return next;
}

/**
 * Ranks 1 to n, rank k with probability proportional to k^-s: a few take part in most interactions. By rejection-inversion
 * (Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", 1996): no table, so n may be large.
 *
 * @param s exponent, greater than 0 and not 1
 */
export function zipf(n: number, s: number, random: () => number): () => number {
  const integral = (x: number): number => (x ** (1 - s) - 1) / (1 - s);
  const inverse = (y: number): number => (1 + y * (1 - s)) ** (1 / (1 - s));
  const lower = integral(1.5) - 1;
  const upper = integral(n + 0.5);
  const accept = 2 - inverse(integral(2.5) - 2 ** -s);
  return () => {
    for (;;) {
      const u = upper + random() * (lower - upper);
      const x = inverse(u);
      const k = Math.min(Math.max(Math.round(x), 1), n);
      if (k - x <= accept || u >= integral(k + 0.5) - k ** -s) return k;
    }
  };
}

/** Index of one of the weights, drawn in proportion to them. */
export function weighted(weights: readonly number[], random: () => number): () => number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return () => {
    let left = random() * total;
    for (const [index, weight] of weights.entries()) {
      left -= weight;
      if (left < 0) return index;
    }
    return weights.length - 1;
  };
}
