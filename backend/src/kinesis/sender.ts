import type { UserpulseError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import { fullJitter, type BackoffPolicy } from '../retry.ts';
import { addCounts, NOTHING, recordsIn, type Counts, type Entry } from './entry.ts';

/**
 * Of a PutRecords call. Kinesis allows 500 entries and 5 MiB (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html), but a shard
 * takes 1 MiB/s: larger calls are refused in part or, by slow local servers, answered so late that the answer is given up.
 */
export const PUT_MAX_ENTRIES = 500;
export const PUT_MAX_BYTES = 1024 * 1024;

/** One PutRecords call: for each entry undefined where it is on the stream, or the error code of its refusal. Throws where the call failed. */
export type Put = (entries: readonly Entry[]) => Promise<readonly (string | undefined)[]>;

/** What a failed call means: tried again, or the end of the run with this error. */
export type CallFailure =
  | {
      readonly kind: 'retry';
      readonly error: UserpulseError;
      /** Whether the stream may have taken the entries although the answer was lost. */
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
  /** Aborted when waiting has no purpose any more: what is not on the stream by then is given up, and counted. */
  readonly giveUp: AbortSignal;
  readonly random?: () => number;
}

export interface Sent {
  readonly counts: Counts;
  /** Entries of PutRecords that are on the stream. */
  readonly entries: number;
  /** Bytes of their data. */
  readonly bytes: number;
  /** Entries that were refused or lost and put again. */
  readonly retried: number;
  /** Entries of calls whose answer was lost: they were put again and may be on the stream twice. */
  readonly uncertain: number;
  /** User records in those. */
  readonly uncertainRecords: number;
  /** Why entries were put again the last time, for people. */
  readonly lastReason: string | undefined;
}

const BACKOFF: BackoffPolicy = { baseMs: 100, capMs: 5_000 };

/**
 * Puts entries in full batches, several calls at once. Refused entries of a batch are put again, alone, after a pause; nothing is dropped: what
 * cannot be put ends the run with an error and is counted as unsent.
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

  /** User records taken in and not on the stream. */
  get unsent(): number {
    return this.#accepted - recordsIn(this.#sent.counts);
  }

  /**
   * Takes an entry in; resolves when there is room for the next one.
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

  /** Sends what is queued off, as soon as a call is free. Does not wait for its answer. */
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

  /** Waits until every entry taken in is on the stream. @throws the error that ended the run */
  async finish(): Promise<void> {
    if (this.#failure === undefined) await this.flush();
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  async #deliver(batch: readonly Entry[]): Promise<void> {
    const { put, classify, clock, giveUp, giveUpAfterMs, random = Math.random } = this.#options;
    let left = batch;
    for (let failures = 0; ; failures++) {
      try {
        const codes = await put(left);
        const refused = left.filter((_entry, n) => codes[n] !== undefined);
        if (refused.length < left.length) {
          this.#lastSuccessMs = clock.now();
          failures = 0;
          this.#count(left.filter((_entry, n) => codes[n] === undefined));
        }
        left = refused;
        if (left.length > 0) this.#sent = { ...this.#sent, lastReason: codes.find((code) => code !== undefined) };
      } catch (error) {
        const failure = classify(error);
        if (failure.kind === 'fatal' || clock.now() - this.#lastSuccessMs > giveUpAfterMs) throw failure.error;
        this.#sent = { ...this.#sent, lastReason: failure.error.message };
        if (failure.uncertain) this.#doubt(left);
      }
      if (left.length === 0) return;
      // Another call has ended the run: its error is the one to tell.
      if (this.#failure !== undefined) return;
      this.#sent = { ...this.#sent, retried: this.#sent.retried + left.length };
      await clock.sleep(fullJitter(BACKOFF, failures, random()), giveUp);
    }
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

  #doubt(entries: readonly Entry[]): void {
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
