/**
 * The one limit on memory: bytes held anywhere between the stream and the sinks (queued records, batches, open archive segments, sealed
 * objects not written yet). Those who bring bytes in wait for room; nothing that is held is ever dropped.
 *
 * Readers reserve what they expect before they ask Kinesis, and replace the reservation by what came. A page may be larger than expected,
 * so the limit may be passed by one page per shard (Kinesis: 10 MB), never more.
 */
export class ByteBudget {
  readonly maxBytes: number;
  readonly #waiting: Waiter[] = [];
  readonly #onWait: () => void;
  readonly #whole: ByteBudget | undefined;
  #used = 0;

  /**
   * @param onWait called when someone begins to wait: whoever can free bytes should do so now
   * @param whole the budget that this one is a part of: what is taken here is taken there too
   */
  constructor(maxBytes: number, onWait: () => void = () => undefined, whole?: ByteBudget) {
    this.maxBytes = maxBytes;
    this.#onWait = onWait;
    this.#whole = whole;
  }

  get used(): number {
    return this.#used;
  }

  /** How many wait for room. */
  get waiters(): number {
    return this.#waiting.length;
  }

  /**
   * Takes bytes, waiting in line until they fit. What is larger than the whole budget fits when nothing else is held.
   * @throws the signal's reason when it is aborted while waiting
   */
  async reserve(bytes: number, signal: AbortSignal): Promise<void> {
    await this.#reserveHere(bytes, signal);
    try {
      await this.#whole?.reserve(bytes, signal);
    } catch (error) {
      this.#releaseHere(bytes);
      throw error;
    }
  }

  async #reserveHere(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#used += bytes;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = (): void => {
        const at = this.#waiting.indexOf(waiter);
        if (at !== -1) this.#waiting.splice(at, 1);
        // The one who left may have been all that kept smaller ones behind it from going on.
        this.#grant();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waiter);
      this.#onWait();
    });
  }

  /** Takes bytes at once: they are held already, or belong to what is held. */
  charge(bytes: number): void {
    this.#used += bytes;
    this.#whole?.charge(bytes);
  }

  release(bytes: number): void {
    this.#releaseHere(bytes);
    this.#whole?.release(bytes);
  }

  #releaseHere(bytes: number): void {
    this.#used -= bytes;
    if (this.#used < 0) throw new RangeError(`More bytes were released than were held: ${this.#used}.`);
    this.#grant();
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.maxBytes;
  }

  #grant(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += next.bytes;
      next.grant();
    }
  }
}

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}
