import type { LineBlock } from '../schema/line-block.ts';
import type { PointSink } from '../influx/point-sink.ts';
import { Batch, type WrittenNotice } from './batch.ts';
import { withRelocations } from '../checkpoint/checkpoint.ts';
import { after, type Clock } from '../clock.ts';
import type { Lane } from './lane.ts';
import type { IngestMetrics } from './metrics.ts';
import type { EventPlacer } from './place-events.ts';
import type { RejectGuard } from './reject-guard.ts';

export interface BatcherOptions {
  readonly sink: PointSink;
  readonly placer: EventPlacer;
  readonly metrics: IngestMetrics;
  readonly guard: RejectGuard;
  readonly clock: Clock;
  /** Most lines of one write. A record whose events are more than that is still written whole. */
  readonly maxLines: number;
  /** Longest time (ms) that the first record of a batch waits for others while another batch is being written. */
  readonly maxAgeMs: number;
  /** Batches written at a time. */
  readonly maxInFlight: number;
  /** Aborted when draining has taken too long. */
  readonly signal: AbortSignal;
  readonly onWritten: (notice: WrittenNotice, oldestArrivalMs: number) => void;
  /** Its records have gone on to the archive. */
  readonly onSettled: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** What a batch waits (ms) while nothing is being written: pages of shards that are read at the same time come together. */
const IDLE_AGE_MS = 25;
/** Records taken from one lane before it is another's turn. */
const TURN = 64;

/**
 * Gathers the records of all lanes into batches and writes them. Only as many records are decoded as fit into the batches being
 * written and the one being filled: the others wait as plain bytes, which is what keeps memory near the byte budget.
 */
export class Batcher {
  readonly #o: BatcherOptions;
  readonly #lanes: Lane[] = [];
  readonly #spare: LineBlock[] = [];
  #forming: Batch | undefined;
  #inFlight = 0;
  #pumping = false;
  #cancelTimer: (() => void) | undefined;
  #flush = false;
  #failed = false;
  /** Moves of this and all earlier batches are durable. */
  #relocationsSaved: Promise<unknown> = Promise.resolve();

  constructor(options: BatcherOptions) {
    this.#o = options;
  }

  add(lane: Lane): void {
    this.#lanes.push(lane);
  }

  remove(lane: Lane): void {
    const at = this.#lanes.indexOf(lane);
    if (at !== -1) this.#lanes.splice(at, 1);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** From now on a batch does not wait for company: draining. */
  flush(): void {
    this.#flush = true;
    this.pump();
  }

  /** To be called when a lane has got records. */
  pump(): void {
    if (this.#pumping || this.#failed) return;
    this.#pumping = true;
    // One batch per turn of the event loop: answers and timers of others come in between.
    setImmediate(() => {
      this.#pumping = false;
      try {
        if (this.#fillOne()) this.pump();
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  close(): void {
    this.#cancelTimer?.();
    this.#failed = true;
  }

  /** @returns whether there is more to do at once */
  #fillOne(): boolean {
    const { clock, maxLines, maxAgeMs, maxInFlight, placer, metrics, guard } = this.#o;
    this.#forming ??= this.#lanes.some((lane) => lane.hasQueued)
      ? new Batch(clock.now(), maxLines, this.#spare)
      : undefined;
    const batch = this.#forming;
    if (batch === undefined) return false;
    while (!batch.isFull()) {
      const lane = this.#nextLane();
      if (lane === undefined) break;
      for (let n = 0; n < TURN && !batch.isFull(); n++) {
        const record = lane.take();
        if (record === undefined) break;
        batch.add(lane, record, placer, metrics, guard);
      }
    }
    guard.check();
    // Where nothing is being written, waiting for more would be waiting for nothing; where something is, its end wakes this.
    const ageMs = this.#inFlight === 0 ? Math.min(maxAgeMs, IDLE_AGE_MS) : maxAgeMs;
    const waitMs = batch.createdAtMs + ageMs - clock.now();
    if (!batch.isFull() && !this.#flush && waitMs > 0) {
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

  #nextLane(): Lane | undefined {
    const at = this.#lanes.findIndex((lane) => lane.hasQueued);
    if (at === -1) return undefined;
    // Whoever has had its turn goes to the end.
    const [lane] = this.#lanes.splice(at, 1);
    if (lane !== undefined) this.#lanes.push(lane);
    return lane;
  }

  #send(batch: Batch): void {
    this.#inFlight++;
    if (batch.relocations.size > 0) {
      const saves = [...batch.relocations].map(([lane, relocations]) =>
        lane.cell.update((checkpoint) => withRelocations(checkpoint, relocations)),
      );
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
    const { sink, metrics, guard, signal, onWritten, onSettled } = this.#o;
    await relocationsSaved;
    const notice = await batch.write(sink, metrics, guard, signal);
    guard.check();
    onWritten(notice, batch.oldestArrivalMs);
    batch.settle();
    onSettled();
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.close();
    this.#o.onFailure(error);
  }
}
