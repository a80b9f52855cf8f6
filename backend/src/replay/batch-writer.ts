import type { BucketRole } from '../schema/buckets.ts';
import { LineBlock } from '../schema/line-block.ts';
import type { PointSink } from '../influx/point-sink.ts';

export interface BatchWriterOptions {
  readonly sink: PointSink;
  /** Maximum lines per write. */
  readonly maxLines: number;
  /** Maximum concurrent writes. */
  readonly parallel: number;
  readonly signal: AbortSignal;
}

/** Points that InfluxDB refused for good. */
export interface Refused {
  readonly points: number;
  /** Bucket and InfluxDB's message for the first. */
  readonly example: string;
}

/** Collects points into batches and writes them to InfluxDB, a few at a time. */
export class BatchWriter {
  readonly #o: BatchWriterOptions;
  readonly #lines = new Map<BucketRole, LineBlock>();
  readonly #inFlight = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #refused: Refused | undefined;

  constructor(options: BatchWriterOptions) {
    this.#o = options;
  }

  /** Undefined where InfluxDB refused nothing for good. */
  get refusals(): Refused | undefined {
    return this.#refused;
  }

  /** @returns whether {@link room} must be awaited before more is added */
  add(points: readonly { readonly role: BucketRole; readonly line: string }[]): boolean {
    for (const { role, line } of points) {
      let lines = this.#lines.get(role);
      if (lines === undefined) {
        lines = new LineBlock();
        this.#lines.set(role, lines);
      }
      lines.push(line);
      if (lines.length >= this.#o.maxLines) this.#send(role);
    }
    return this.#inFlight.size >= this.#o.parallel;
  }

  /** @throws the error of a failed write */
  async room(): Promise<void> {
    while (this.#inFlight.size >= this.#o.parallel) await Promise.race(this.#inFlight);
    this.#throwFailure();
  }

  /** Resolves when everything added is durable or refused for good. @throws as {@link room} */
  async flush(): Promise<void> {
    for (const role of [...this.#lines.keys()]) this.#send(role);
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #send(role: BucketRole): void {
    const lines = this.#lines.get(role);
    if (lines === undefined) return;
    this.#lines.delete(role);
    const write = this.#o.sink
      .write(role, lines, this.#o.signal)
      .then((refusals) => {
        const [first] = refusals;
        if (first === undefined) return;
        const { points, example } = this.#refused ?? { points: 0, example: `${role}: ${first.reason}` };
        this.#refused = { points: points + refusals.length, example };
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#inFlight.delete(write));
    this.#inFlight.add(write);
  }
}
