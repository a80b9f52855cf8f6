import { after, type Clock } from '../clock.ts';
import { Batch, type BatchContext, type BucketLines, type WrittenNotice } from './batch.ts';
import type { Shard } from './shard.ts';

export interface BatcherOptions extends BatchContext {
  readonly clock: Clock;
  /** Longest time (ms) that the first record of a batch waits for others while another batch is being written. */
  readonly maxAgeMs: number;
  /** Batches written at a time. */
  readonly maxInFlight: number;
  /** Aborted when draining has taken too long. */
  readonly deadline: AbortSignal;
  /** Called when more records have been judged, and before any of them goes on to the archive: shards may be held now. */
  readonly onJudged: () => void;
  /** Called after points have become visible in InfluxDB. */
  readonly onWritten: (notice: WrittenNotice) => void;
}

/** What a batch waits (ms) while nothing is being written: pages of shards that are read at the same time come together. */
const IDLE_AGE_MS = 25;
/** Records taken from one shard before it is another's turn. */
const TURN = 64;

/**
 * Gathers the records of all shards into batches and writes them. Only as many records are decoded as fit into the batches being
 * written and the one being filled: the others wait as plain bytes, which is what keeps memory near the byte budget.
 */
export class Batcher {
  readonly #o: BatcherOptions;
  readonly #shards: Shard[] = [];
  readonly #spare: BucketLines[] = [];
  readonly #failure = new AbortController();
  #forming: Batch | undefined;
  #inFlight = 0;
  #pumping = false;
  #cancelTimer: (() => void) | undefined;
  #flushing = false;
  #closed = false;
  /** Relocations of this and all earlier batches are durable. */
  #relocationsSaved: Promise<unknown> = Promise.resolve();

  constructor(options: BatcherOptions) {
    this.#o = options;
  }

  /** Aborted, with the reason, when a batch cannot be made or written: nothing more will be. */
  get failure(): AbortSignal {
    return this.#failure.signal;
  }

  add(shard: Shard): void {
    this.#shards.push(shard);
  }

  remove(shard: Shard): void {
    const at = this.#shards.indexOf(shard);
    if (at !== -1) this.#shards.splice(at, 1);
  }

  /** From now on a batch does not wait for more records: draining. */
  flush(): void {
    this.#flushing = true;
    this.pump();
  }

  /** To be called when a shard has got records. */
  pump(): void {
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    // One batch per turn of the event loop: answers and timers of others come in between.
    setImmediate(() => {
      this.#pumping = false;
      if (this.#closed) return;
      try {
        if (this.#fillOne()) this.pump();
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  close(): void {
    this.#cancelTimer?.();
    this.#closed = true;
  }

  /** @returns whether there is more to do at once */
  #fillOne(): boolean {
    const { clock, maxAgeMs, maxInFlight, onJudged } = this.#o;
    this.#forming ??= this.#shards.some((shard) => shard.hasQueued)
      ? new Batch(clock.now(), this.#o, this.#spare)
      : undefined;
    const batch = this.#forming;
    if (batch === undefined) return false;
    while (!batch.isFull()) {
      const shard = this.#nextShard();
      if (shard === undefined) break;
      for (let n = 0; n < TURN && shard.hasQueued && !batch.isFull(); n++) batch.add(shard);
    }
    batch.count();
    onJudged();
    // Where nothing is being written, waiting for more would be waiting for nothing; where something is, its end wakes this.
    const ageMs = this.#inFlight === 0 ? Math.min(maxAgeMs, IDLE_AGE_MS) : maxAgeMs;
    const waitMs = batch.createdAtMs + ageMs - clock.now();
    if (!batch.isFull() && !this.#flushing && waitMs > 0) {
      this.#cancelTimer?.();
      this.#cancelTimer = after(clock, waitMs, () => {
        this.#cancelTimer = undefined;
        this.pump();
      });
      return false;
    }
    if (this.#inFlight >= maxInFlight) return false;
    this.#forming = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#send(batch);
    return true;
  }

  #nextShard(): Shard | undefined {
    const at = this.#shards.findIndex((shard) => shard.hasQueued);
    if (at === -1) return undefined;
    // Whoever has had its turn goes to the end.
    const [shard] = this.#shards.splice(at, 1);
    if (shard !== undefined) this.#shards.push(shard);
    return shard;
  }

  #send(batch: Batch): void {
    this.#inFlight++;
    if (batch.relocations.size > 0) {
      const saves = [...batch.relocations].map(([shard, relocations]) => shard.note(relocations));
      this.#relocationsSaved = Promise.all([this.#relocationsSaved, ...saves]);
      // Awaited by each batch from here on.
      this.#relocationsSaved.catch(() => undefined);
    }
    this.#write(batch, this.#relocationsSaved).then(
      () => {
        this.#inFlight--;
        this.pump();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  async #write(batch: Batch, relocationsSaved: Promise<unknown>): Promise<void> {
    const { metrics, clock, deadline, onJudged, onWritten } = this.#o;
    await relocationsSaved;
    const notice = await batch.write(deadline);
    onJudged();
    metrics.visibleSeconds.observe(Math.max(0, clock.now() - batch.oldestArrivalMs) / 1000);
    onWritten(notice);
    batch.handOver();
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.close();
    this.#failure.abort(error);
  }
}
