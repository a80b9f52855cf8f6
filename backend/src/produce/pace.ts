/** Catching up after a stall is bounded to what this long a time is worth, in ms: a burst would be no steady load. */
const MAX_DEBT_MS = 1_000;

/**
 * How many records are due. Steady to the record: what is due at each moment is computed from the whole time, so that rounding never adds up.
 */
export class Pace {
  readonly #perMs: number;
  #origin: number;
  #taken = 0;

  /**
   * @param perSecond greater than 0
   * @param startMs of the same clock as `nowMs` of {@link due}
   */
  constructor(perSecond: number, startMs: number) {
    this.#perMs = perSecond / 1000;
    this.#origin = startMs;
  }

  /** Records due by now and not taken yet. What is more than a second (or two records) behind is let go: then the stream is slower than asked. */
  due(nowMs: number): number {
    const earliest = nowMs - Math.max(MAX_DEBT_MS, 2 / this.#perMs) - this.#taken / this.#perMs;
    if (this.#origin < earliest) this.#origin = earliest;
    return Math.max(0, Math.floor((nowMs - this.#origin) * this.#perMs) - this.#taken);
  }

  take(records: number): void {
    this.#taken += records;
  }

  /** ms until the next one is due, 0 where one is. */
  untilNext(nowMs: number): number {
    return Math.max(0, Math.ceil(this.#origin + (this.#taken + 1) / this.#perMs - nowMs));
  }
}
