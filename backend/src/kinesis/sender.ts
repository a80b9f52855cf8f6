import type { UserpulseError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import { retrying, type Verdict } from '../retry.ts';
import { addCounts, NOTHING, recordsIn, type Counts, type Entry } from './entry.ts';

/**
 * Of a PutRecords call. Kinesis allows 500 entries and 5 MiB (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html),
 * but a shard takes 1 MiB/s: of larger calls a part is refused, or, by slow local servers, the answer comes after the time-out.
 */
export const PUT_MAX_ENTRIES = 500;
export const PUT_MAX_BYTES = 1024 * 1024;

/** One PutRecords call. For each entry: undefined where it is on the stream, else the error code. Throws where the call failed. */
export type Put = (entries: readonly Entry[]) => Promise<readonly (string | undefined)[]>;

/** What a failed call means: a retry, or the end of the run with this error. */
export type CallFailure =
  | {
      readonly kind: 'retry';
      readonly error: UserpulseError;
      /** Whether the entries may be on the stream although the answer was lost. */
      readonly uncertain: boolean;
    }
  | { readonly kind: 'fatal'; readonly error: UserpulseError };

export interface SenderOptions {
  readonly put: Put;
  readonly classify: (error: unknown) => CallFailure;
  readonly clock: Clock;
  /** Calls in flight at once. */
  readonly concurrency: number;
  /** How long calls may fail without one success in between, ms. */
  readonly giveUpAfterMs: number;
  /** Aborted to give up: what is not on the stream by then is counted as unsent. */
  readonly giveUp: AbortSignal;
  readonly random?: () => number;
}

export interface Sent {
  readonly counts: Counts;
  /** Entries of PutRecords that are on the stream. */
  readonly entries: number;
  /** Bytes of their data. */
  readonly bytes: number;
  /** Entries that were refused or lost, and put again. */
  readonly retried: number;
  /** Entries of calls whose answer was lost: put again, they may be on the stream twice. */
  readonly uncertain: number;
  /** User records in those. */
  readonly uncertainRecords: number;
  /** Why entries were last put again, for people. */
  readonly lastReason: string | undefined;
}

/** Entries of a call that the stream has not taken. */
class Refused extends Error {}

/**
 * Puts entries in full batches, several calls at a time. Refused entries are put again after a pause, without the rest of their batch. Nothing
 * is dropped: what cannot be put ends the run with an error and is counted as unsent.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #inFlight = new Set<Promise<void>>();
  #queue: Entry[] = [];
  #queuedBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #lastSuccessMs: number;
  #sent: Sent = {
    counts: NOTHING,
    entries: 0,
    bytes: 0,
    retried: 0,
    uncertain: 0,
    uncertainRecords: 0,
    lastReason: undefined,
  };
  #accepted = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#lastSuccessMs = options.clock.now();
  }

  get sent(): Sent {
    return this.#sent;
  }

  /** User records accepted that are not on the stream. */
  get unsent(): number {
    return this.#accepted - recordsIn(this.#sent.counts);
  }

  /**
   * Accepts an entry; resolves when there is room for the next one.
   * @throws the error of an earlier call that ended the run
   */
  async add(entry: Entry): Promise<void> {
    this.#accepted += recordsIn(entry.counts);
    const bytes = sizeOf(entry);
    if (this.#queue.length === PUT_MAX_ENTRIES || this.#queuedBytes + bytes > PUT_MAX_BYTES) await this.flush();
    this.#queue.push(entry);
    this.#queuedBytes += bytes;
    if (this.#queue.length === PUT_MAX_ENTRIES) await this.flush();
  }

  /** Begins to send what is queued as soon as a call is free. Does not wait for the answer. */
  async flush(): Promise<void> {
    while (this.#inFlight.size >= this.#options.concurrency) await Promise.race(this.#inFlight);
    this.#throwFailure();
    if (this.#queue.length === 0) return;
    const batch = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    const call = this.#deliver(batch)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#inFlight.delete(call));
    this.#inFlight.add(call);
  }

  /** Waits until every accepted entry is on the stream. @throws the error that ended the run */
  async finish(): Promise<void> {
    if (this.#failure === undefined) await this.flush();
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  async #deliver(batch: readonly Entry[]): Promise<void> {
    const { put, clock, giveUp, random } = this.#options;
    let left = batch;
    await retrying(
      async (retries) => {
        const codes = await put(left);
        const refused = left.filter((_entry, n) => codes[n] !== undefined);
        if (refused.length < left.length) {
          this.#lastSuccessMs = clock.now();
          retries.succeeded();
          this.#count(left.filter((_entry, n) => codes[n] === undefined));
        }
        left = refused;
        if (left.length > 0) throw new Refused(codes.find((code) => code !== undefined));
      },
      {
        clock,
        signal: giveUp,
        ...(random === undefined ? {} : { random }),
        classify: (error) => this.#classify(error, left),
        onRetry: ({ message }) => {
          this.#sent = { ...this.#sent, retried: this.#sent.retried + left.length, lastReason: message };
        },
      },
    );
  }

  #classify(error: unknown, entries: readonly Entry[]): Verdict {
    // Another call has ended the run: its error is the one to tell.
    if (this.#failure !== undefined) return { kind: 'give_up', error: this.#failure.error };
    if (error instanceof Refused) return { kind: 'retry', reason: 'refused', message: error.message };
    const { classify, clock, giveUpAfterMs } = this.#options;
    const failure = classify(error);
    if (failure.kind === 'fatal' || clock.now() - this.#lastSuccessMs > giveUpAfterMs) {
      return { kind: 'give_up', error: failure.error };
    }
    if (failure.uncertain) this.#countUncertain(entries);
    return { kind: 'retry', reason: 'failed', message: failure.error.message };
  }

  #count(entries: readonly Entry[]): void {
    const { counts, entries: before, bytes } = this.#sent;
    this.#sent = {
      ...this.#sent,
      counts: entries.reduce((sum, entry) => addCounts(sum, entry.counts), counts),
      entries: before + entries.length,
      bytes: entries.reduce((sum, entry) => sum + entry.data.length, bytes),
    };
  }

  #countUncertain(entries: readonly Entry[]): void {
    const { uncertain, uncertainRecords } = this.#sent;
    this.#sent = {
      ...this.#sent,
      uncertain: uncertain + entries.length,
      uncertainRecords: entries.reduce((sum, entry) => sum + recordsIn(entry.counts), uncertainRecords),
    };
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

const sizeOf = (entry: Entry): number => entry.data.length + Buffer.byteLength(entry.partitionKey);
