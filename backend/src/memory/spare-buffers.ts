/**
 * Buffers of one size that are used again. What a buffer holds is outside of V8's heap, and one that has lived for a while is freed by a full
 * collection only: tens of megabytes a second of them would lie about for seconds.
 */
export class SpareBuffers {
  readonly #bytes: number;
  readonly #most: number;
  readonly #spare: Buffer[] = [];

  /** @param most kept; what is returned beyond that is left to the collector */
  constructor(bytes: number, most: number) {
    this.#bytes = bytes;
    this.#most = most;
  }

  /** Holds whatever it held before. */
  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** Only by its last user. A buffer of another size is not kept. */
  give(buffer: Buffer): void {
    if (buffer.length === this.#bytes && this.#spare.length < this.#most) this.#spare.push(buffer);
  }
}
