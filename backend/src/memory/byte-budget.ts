import { WaitingLine } from '../waiting-line.ts';

/**
 * The one limit on memory: bytes held anywhere between the stream and the sinks (queued records, batches, open archive segments, sealed
 * objects not written yet). Those who bring bytes in wait for room; nothing that is held is ever dropped.
 *
 * A reader reserves what it expects before it asks Kinesis, and resizes the reservation to what came. So the limit is never passed,
 * except by something larger than the whole of it, which is let in when nothing else is held.
 */
export class ByteBudget {
  /** This budget and all it is a part of, innermost first: the order in which everybody takes from them. */
  readonly #pools: readonly [Pool, ...Pool[]];

  /**
   * @param onShort called when someone begins to wait, and whenever bytes were released and someone still waits: whoever can free more
   *   should do so soon, though not within the call
   * @param whole the budget that this one is a part of: what is taken here is taken there too
   */
  constructor(maxBytes: number, onShort: () => void = () => undefined, whole?: ByteBudget) {
    this.#pools = [new Pool(maxBytes, onShort), ...(whole === undefined ? [] : whole.#pools)];
  }

  get maxBytes(): number {
    return this.#pools[0].maxBytes;
  }

  get used(): number {
    return this.#pools[0].used;
  }

  /** How many wait for room. */
  get waiters(): number {
    return this.#pools[0].waiters;
  }

  /**
   * Takes bytes, waiting in line until they fit. What is larger than the whole budget fits when nothing else is held.
   * @throws the signal's reason when it is aborted while waiting
   */
  async reserve(bytes: number, signal: AbortSignal): Promise<Reservation> {
    const reservation = new Reservation(this.#pools);
    await reservation.resize(bytes, signal, 'reserving');
    return reservation;
  }

  /** Takes bytes at once, whatever the limit: they are held already, or take the place of bytes that are. */
  hold(bytes = 0): Reservation {
    const reservation = new Reservation(this.#pools);
    reservation.adjust(bytes);
    return reservation;
  }
}

/** Bytes of a budget in somebody's hands. */
export class Reservation {
  readonly #pools: readonly Pool[];
  #bytes = 0;

  /** Made by {@link ByteBudget} only. */
  constructor(pools: readonly Pool[]) {
    this.#pools = pools;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Releases what is too much at once; waits for what is missing.
   * @param line whoever has read something already waits before those who are going to read
   * @throws the signal's reason when it is aborted while waiting; nothing is reserved any more then
   */
  async resize(bytes: number, signal: AbortSignal, line: LineName = 'growing'): Promise<void> {
    if (line === 'growing' && this.tryResize(bytes)) return;
    const held = this.#bytes;
    const taking = this.#take(bytes, signal, line);
    // In line by now. Nobody holds bytes while waiting for more: two who did could wait for each other for ever.
    this.release(held);
    await taking;
  }

  /** @returns whether there was room for it; nothing has changed where there was not */
  tryResize(bytes: number): boolean {
    const held = this.#bytes;
    if (bytes > held && !this.#pools.every((pool) => pool.fits(bytes, held))) return false;
    this.adjust(bytes - held);
    return true;
  }

  /** At once, whatever the limit; see {@link ByteBudget.hold}. */
  adjust(change: number): void {
    if (change < 0) {
      this.release(-change);
      return;
    }
    this.#bytes += change;
    for (const pool of this.#pools) pool.used += change;
  }

  /** Takes over all of another reservation of the same budget. */
  absorb(other: Reservation): void {
    if (other.#pools !== this.#pools) throw new Error('The reservations are of different budgets.');
    this.#bytes += other.#bytes;
    other.#bytes = 0;
  }

  /** @throws RangeError where more is released than is held */
  release(bytes = this.#bytes): void {
    if (bytes > this.#bytes) throw new RangeError(`${bytes} bytes were released, and only ${this.#bytes} were held.`);
    if (bytes === 0) return;
    this.#bytes -= bytes;
    for (const pool of this.#pools) pool.release(bytes);
  }

  async #take(bytes: number, signal: AbortSignal, line: LineName): Promise<void> {
    let taken = 0;
    try {
      for (const pool of this.#pools) {
        await pool.take(bytes, signal, line);
        taken++;
      }
    } catch (error) {
      for (const pool of this.#pools.slice(0, taken)) pool.release(bytes);
      throw error;
    }
    this.#bytes += bytes;
  }
}

/** Those who wait for more go before those who have nothing yet. */
type LineName = 'growing' | 'reserving';

/** The bytes of one budget, and who waits for them. */
class Pool {
  readonly maxBytes: number;
  used = 0;
  readonly #onShort: () => void;
  readonly #lines: Readonly<Record<LineName, WaitingLine<number>>> = {
    growing: new WaitingLine(),
    reserving: new WaitingLine(),
  };

  constructor(maxBytes: number, onShort: () => void) {
    this.maxBytes = maxBytes;
    this.#onShort = onShort;
  }

  get waiters(): number {
    return this.#lines.growing.length + this.#lines.reserving.length;
  }

  /** @param instead bytes held now whose place they take */
  fits(bytes: number, instead: number): boolean {
    return this.#lines.growing.length === 0 && this.used - instead + bytes <= this.maxBytes;
  }

  async take(bytes: number, signal: AbortSignal, line: LineName): Promise<void> {
    signal.throwIfAborted();
    const free = this.#lines.growing.length === 0 && (line === 'growing' || this.#lines.reserving.length === 0);
    if (free && this.#room(bytes)) {
      this.used += bytes;
      return;
    }
    const turn = this.#lines[line].wait(bytes, signal);
    this.#onShort();
    try {
      await turn;
    } catch (error) {
      // The one who left may have been all that kept smaller ones behind it from going on.
      this.#grant();
      throw error;
    }
  }

  release(bytes: number): void {
    this.used -= bytes;
    this.#grant();
    if (this.waiters > 0) this.#onShort();
  }

  #room(bytes: number): boolean {
    return this.used === 0 || this.used + bytes <= this.maxBytes;
  }

  #grant(): void {
    for (;;) {
      const line = this.#lines.growing.length > 0 ? this.#lines.growing : this.#lines.reserving;
      const bytes = line.first;
      if (bytes === undefined || !this.#room(bytes)) return;
      this.used += bytes;
      line.next();
    }
  }
}

/** What a shard holds, in bytes. */
export interface HeldBytes {
  /** In its open archive segment: freed by sealing only. */
  readonly openBytes: number;
  /** Not written to InfluxDB yet, or waiting for a segment: freed when the sinks go on. */
  readonly queuedBytes: number;
  /** A segment is on its way to the archive: freed when that is done; the open one cannot be sealed before. */
  readonly sealing: boolean;
}

/**
 * Which open segment, if any, is sealed before its time because memory is short. Why nobody can wait for ever: whoever waits for room waits for
 * bytes that are queued (the sinks free them), on their way to the archive (it frees them), reserved by a read (it ends), or open; and when
 * only the latter are left the largest is sealed.
 *
 * Above half of the budget the largest is sealed at once, so that reading need not stop for the time of a write.
 * @returns index into `shards`
 */
export function segmentToSeal(
  shards: readonly HeldBytes[],
  budget: { readonly maxBytes: number; readonly waiters: number },
): number | undefined {
  let open = 0;
  let queued = 0;
  let sealing = false;
  let largest: number | undefined;
  let largestBytes = 0;
  shards.forEach((shard, index) => {
    open += shard.openBytes;
    queued += shard.queuedBytes;
    sealing ||= shard.sealing;
    if (!shard.sealing && shard.openBytes > largestBytes) {
      largest = index;
      largestBytes = shard.openBytes;
    }
  });
  const short = open > budget.maxBytes / 2 || (budget.waiters > 0 && queued === 0 && !sealing);
  return short ? largest : undefined;
}
