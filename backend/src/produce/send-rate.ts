/** After a stall, at most the records of this long a time are made up for, in ms: a larger burst would not be a steady load. */
const MAX_DEBT_MS = 1_000;

/** How many records are due. Computed from the whole time at each moment, so that rounding errors never add up. */
export class SendRate {
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

  /** Records due by now and not taken yet. What is more than a second (or two records) behind is dropped: the stream is too slow for it. */
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
